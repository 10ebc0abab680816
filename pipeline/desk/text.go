package desk

import (
	"strings"
	"unicode/utf8"
)

// Clean makes a string fit for every store: valid UTF-8 (bad bytes become
// U+FFFD) and no NUL. PostgreSQL refuses both (SQLSTATE 22021) and SQLite keeps
// both, so the edge cleans once and both hold the same.
func Clean(s string) string {
	if strings.IndexByte(s, 0) < 0 && utf8.ValidString(s) {
		return s
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "")
}

// FileName is [Clean] for the name of a file. Characters that turn the direction of
// what follows (Unicode Standard Annex #9: embeddings, overrides, isolates) go too:
// with one of them "exe" at the end of a name is shown as if it were "pdf".
func FileName(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '\u202A' && r <= '\u202E' || r >= '\u2066' && r <= '\u2069' {
			return -1
		}
		return r
	}, Clean(s))
}

// Cut shortens s to at most n bytes at a rune boundary.
func Cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// CleanAll cleans every string inside a JSON-like value (maps, slices,
// strings), in place where it can, and returns it.
func CleanAll(v any) any {
	switch x := v.(type) {
	case string:
		return Clean(x)
	case []any:
		for i := range x {
			x[i] = CleanAll(x[i])
		}
	case map[string]any:
		for k, e := range x {
			if c := Clean(k); c != k {
				delete(x, k)
				k = c
			}
			x[k] = CleanAll(e)
		}
	}
	return v
}
