package main

import (
	"io"
	"strings"
)

// plain writes to a terminal what others may have said: a mail server's refusal, a file's
// name. Whatever moves its cursor is left out, but the ends of lines and tabs.
type plain struct{ to io.Writer }

func (p plain) Write(b []byte) (int, error) {
	if _, err := io.WriteString(p.to, strings.Map(tame, string(b))); err != nil {
		return 0, err
	}
	return len(b), nil
}

func tame(r rune) rune {
	if r == '\n' || r == '\t' || !moves(r) {
		return r
	}
	return -1
}

// moves reports the control characters, both sets (ECMA-48).
func moves(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }
