package configs

import (
	"strings"
	"unicode"
)

// source is the file as it is written: what turns a place inside a value back
// into a line and a column.
type source struct {
	file   string
	raw    []rune
	starts []int // index in raw of every line
}

func newSource(file string, data string) *source {
	s := &source{file: file, raw: []rune(data), starts: []int{0}}
	for i, r := range s.raw {
		if r == '\n' {
			s.starts = append(s.starts, i+1)
		}
	}
	return s
}

// line returns a line without its end, or "".
func (s *source) line(n int) string {
	if n < 1 || n > len(s.starts) {
		return ""
	}
	text, _, _ := strings.Cut(string(s.raw[s.starts[n-1]:]), "\n")
	return text
}

// inside returns the line and column of the character number k (from 0) of a
// scalar's text: it reads the value as it is written along with the text, and
// skips quotes, escapes, folded line ends and indentation.
func (s *source) inside(n *node, k int) (line, column int) {
	if n.line < 1 || n.line > len(s.starts) {
		return n.line, n.col
	}
	p := min(s.starts[n.line-1]+n.col-1, len(s.raw))
	switch n.style {
	case single, double:
		p++
	case block:
		if n.line == len(s.starts) {
			return n.line, n.col
		}
		p = s.starts[n.line]
	}
	for i, r := range []rune(n.text) {
		p = s.skip(n.style, p, unicode.IsSpace(r))
		if i >= k {
			break
		}
		p = s.past(n.style, p, unicode.IsSpace(r))
	}
	return s.position(p)
}

// skip passes what stands in the file but not in the text.
func (s *source) skip(st style, p int, space bool) int {
	for p < len(s.raw) {
		switch {
		case st == double && s.raw[p] == '\\' && s.peek(p+1) == '\n':
			p += 2
			for p < len(s.raw) && (s.raw[p] == ' ' || s.raw[p] == '\t') {
				p++
			}
		case !space && unicode.IsSpace(s.raw[p]):
			p++
		default:
			return p
		}
	}
	return p
}

// past returns the place after one character of the text.
func (s *source) past(st style, p int, space bool) int {
	switch c := s.peek(p); {
	case st == double && c == '\\':
		switch s.peek(p + 1) {
		case 'x':
			return p + 4
		case 'u':
			return p + 6
		case 'U':
			return p + 10
		}
		return p + 2
	case st == single && c == '\'' && s.peek(p+1) == '\'':
		return p + 2
	case space && !unicode.IsSpace(c):
		return p // the text has a blank more than the file: a folded line end
	}
	return p + 1
}

func (s *source) peek(p int) rune {
	if p < len(s.raw) {
		return s.raw[p]
	}
	return 0
}

func (s *source) position(p int) (line, column int) {
	p = min(p, len(s.raw))
	for line = len(s.starts); line > 1 && s.starts[line-1] > p; line-- {
	}
	return line, p - s.starts[line-1] + 1
}

// offset returns which character of text stands at a line (from 1) and column
// (from 0, in characters) of it.
func offset(text string, line, column int) int {
	n := 0
	for _, l := range strings.SplitAfter(text, "\n") {
		if line--; line < 1 {
			break
		}
		n += len([]rune(l))
	}
	return n + column
}
