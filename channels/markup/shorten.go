package markup

import (
	"strings"
	"unicode/utf8"
)

// Shorten cuts a text to at most limit bytes, with an ellipsis where words are
// missing: at the end of a line or word if one is near, never inside a
// character. A limit too small for the ellipsis gives "".
func Shorten(s string, limit int) string {
	const ellipsis = "…"
	if len(s) <= limit {
		return s
	}
	limit -= len(ellipsis)
	if limit <= 0 {
		return ""
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	cut := s[:limit]
	if i := strings.LastIndexByte(cut, '\n'); i > limit*3/4 {
		cut = cut[:i+1]
	} else if i := strings.LastIndexByte(cut, ' '); i > limit*3/4 {
		cut = cut[:i]
	}
	return cut + ellipsis
}

// Split parts a text into pieces of at most limit bytes (at least 4), at line
// ends or words where it can, so that a channel with a size limit carries all of
// it. The pieces joined are the text without the blanks they were parted at.
func Split(s string, limit int) []string {
	limit = max(limit, utf8.UTFMax)
	var out []string
	for len(s) > limit {
		at := limit
		for at > 0 && !utf8.RuneStart(s[at]) {
			at--
		}
		if at == 0 { // not UTF-8
			at = limit
		}
		if i := strings.LastIndexByte(s[:at], '\n'); i > limit/4 {
			at = i
		} else if i := strings.LastIndexByte(s[:at], ' '); i > limit/2 {
			at = i
		}
		if piece := strings.TrimRight(s[:at], " \n"); piece != "" {
			out = append(out, piece)
		}
		s = strings.TrimLeft(s[at:], " \n")
	}
	if s != "" {
		out = append(out, s)
	}
	return out
}
