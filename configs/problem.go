package configs

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"switchboard/pipeline/desk"
)

// Problem is one thing that is wrong in a config file, at one place. Line and
// Column count from 1 in characters; both are 0 when the value was set by a
// program and stands in no file.
type Problem struct {
	File    string
	Line    int
	Column  int
	Message string // plain words; never a secret
}

// String is FILE:LINE:COLUMN: message, the form editors jump to.
func (p Problem) String() string {
	if p.Line == 0 {
		return p.File + ": " + p.Message
	}
	return fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Message)
}

// maxProblems is how many problems are told; of more their number is: nobody mends a
// thousand at once, and each says what would have been right.
const maxProblems = 200

// Errors is everything that is wrong in one file, in the order of the file, up to
// [maxProblems] and a word on how many more there are. It wraps [desk.ErrInvalid].
type Errors struct {
	Problems []Problem
}

// Error has one line for each problem.
func (e *Errors) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Unwrap makes errors.Is(err, desk.ErrInvalid) true.
func (e *Errors) Unwrap() error { return desk.ErrInvalid }

// report collects problems. The place of a value is a node when the decoder
// has it in hand, and a path of keys and indexes later.
type report struct {
	src      *source
	root     *node // nil: no file
	problems []Problem
	more     int // problems that are not told
}

// full reports that no more problems are told; then it counts one.
func (r *report) full() bool {
	if len(r.problems) < maxProblems {
		return false
	}
	r.more++
	return true
}

func (r *report) at(line, column int, format string, args ...any) {
	if r.full() {
		return
	}
	r.problems = append(r.problems, Problem{r.src.file, line, column, fmt.Sprintf(format, args...)})
}

func (r *report) node(n *node, format string, args ...any) {
	r.at(n.line, n.col, format, args...)
}

// place is where a value stands: keys (string) and indexes (int) from the root.
type place []any

func (p place) of(more ...any) place { return append(slices.Clip(p), more...) }

// String is the form "rules[2].then.team".
func (p place) String() string {
	var b strings.Builder
	for _, step := range p {
		switch s := step.(type) {
		case int:
			fmt.Fprintf(&b, "[%d]", s)
		case string:
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			b.WriteString(s)
		}
	}
	return b.String()
}

// path notes a problem with the value at a place, or with the nearest thing
// around it when it is not written.
func (r *report) path(p place, format string, args ...any) {
	if r.root == nil {
		r.at(0, 0, "%s: %s", p, fmt.Sprintf(format, args...))
		return
	}
	n, _ := r.find(p)
	r.node(n, format, args...)
}

// key notes a problem with the key itself at a place.
func (r *report) key(p place, format string, args ...any) {
	if r.root != nil && len(p) > 0 {
		parent, ok := r.find(p[:len(p)-1])
		name, isKey := p[len(p)-1].(string)
		if e := parent.entry(name); ok && isKey && e != nil {
			r.at(e.line, e.col, format, args...)
			return
		}
	}
	r.path(p, format, args...)
}

// find returns the node at a place, or the nearest one around it and false.
func (r *report) find(p place) (*node, bool) {
	n := r.root
	for _, step := range p {
		var next *node
		switch s := step.(type) {
		case int:
			if n.kind == list && s < len(n.items) {
				next = n.items[s]
			}
		case string:
			if e := n.entry(s); e != nil {
				next = e.value
			}
		}
		if next == nil {
			return n, false
		}
		n = next
	}
	return n, true
}

// unknown notes a key that is not one of those that are known here.
func (r *report) unknown(e entry, known []string) {
	if !r.full() {
		r.at(e.line, e.col, "unknown key %s%s", quote(e.key), hint(e.key, known))
	}
}

// written reports whether the file has a value at the place, right or wrong.
func (r *report) written(p place) bool {
	if r.root == nil {
		return false
	}
	n, ok := r.find(p)
	return ok && n.kind != null
}

// err returns the problems in the order of the file, each once, or nil.
func (r *report) err() error {
	if len(r.problems) == 0 {
		return nil
	}
	slices.SortStableFunc(r.problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	told := slices.Compact(r.problems)
	if r.more > 0 {
		last := told[len(told)-1]
		last.Message = fmt.Sprintf("there are %d more problems; mend these first", r.more)
		told = append(told, last)
	}
	return &Errors{told}
}
