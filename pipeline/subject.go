package pipeline

import (
	"regexp"
	"strconv"
	"strings"
)

// prefix matches one reply or forward mark in front of a subject, in the
// languages mail programs write it in, with an optional counter.
var prefix = regexp.MustCompile(`(?i)^\s*(?:re|aw|sv|vs|antw|antwort|odp|res|rif|ref|r|bls|ynt|回复|答复|返信|回覆|fw|fwd|wg|tr|rv|enc|doorst|vb|转发|轉寄)\s*(?:\[\d+\]|\(\d+\)|\d+)?\s*[:：]\s*`)

// tag matches a bracketed blob in front, such as a list name.
var tag = regexp.MustCompile(`^\s*\[[^\]\[]{0,60}\]\s*`)

// trailer matches the "(fwd)" some programs append.
var trailer = regexp.MustCompile(`(?i)\s*\(fwd\)\s*$`)

// number matches a ticket number as our notices and people write it:
// [#123], [Ticket #123], Ticket#123, "case #123".
var number = regexp.MustCompile(`(?i)\[\s*(?:ticket\s*)?#\s*(\d{1,15})\s*\]|\b(?:ticket|case)\s*#\s*(\d{1,15})\b`)

// baseSubject is the subject without reply marks, list blobs and ticket
// numbers, folded in case and blanks: RFC 5256 section 2.1, widened to the
// marks of other languages. It looks at as much of it as a title keeps: a longer
// one is compared with a title, and thousands of marks in a row cost no more.
func baseSubject(s string) string {
	s = short(s)
	if strings.Contains(s, "#") {
		s = number.ReplaceAllString(s, " ")
	}
	for {
		next := trailer.ReplaceAllString(s, "")
		next = prefix.ReplaceAllString(next, "")
		if t := tag.ReplaceAllString(next, ""); strings.TrimSpace(t) != "" {
			next = t // a blob alone is the subject itself
		}
		if next == s {
			break
		}
		s = next
	}
	return strings.ToLower(strings.Join(strings.Fields(s), " "))
}

// isReply reports whether the subject carries a reply mark.
func isReply(s string) bool {
	s = tag.ReplaceAllString(s, "")
	return prefix.MatchString(s)
}

// subjectNumber finds the ticket number in a subject.
func subjectNumber(s string) (int64, bool) {
	if !strings.Contains(s, "#") {
		return 0, false
	}
	m := number.FindStringSubmatch(s)
	if m == nil {
		return 0, false
	}
	n, err := strconv.ParseInt(m[1]+m[2], 10, 64)
	return n, err == nil && n > 0
}
