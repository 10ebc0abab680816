package match

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"

	"github.com/expr-lang/expr/file"
)

// Error says what is wrong with a condition, or why it could not be decided.
// Line and Column count from 1, in characters of the condition's text.
type Error struct {
	Message string `json:"message"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
}

// Error gives position and message, as in "match: 1:9: unknown name subjcet".
func (e *Error) Error() string {
	return fmt.Sprintf("match: %d:%d: %s", e.Line, e.Column, e.Message)
}

var (
	unknownName   = regexp.MustCompile(`^unknown name (\S+)$`)
	unknownMember = regexp.MustCompile(`^type (?:\*?match\.)?(\w+) has no field (\S+)$`)
	notBool       = regexp.MustCompile(`^invalid operation: bool\((\w+)\)$`)
)

// explainError turns an error of the language into ours, with its position
// and in the words of somebody who writes conditions.
func explainError(err error) *Error {
	e := &Error{Message: err.Error(), Line: 1, Column: 1}
	var at *file.Error
	if errors.As(err, &at) {
		e.Message = at.Message
		if at.Line > 0 {
			e.Line, e.Column = at.Line, at.Column+1
		}
	}
	e.Message = plain(e.Message)
	return e
}

func plain(message string) string {
	if m := unknownName.FindStringSubmatch(message); m != nil {
		return message + suggest(m[1], variables())
	}
	if m := unknownMember.FindStringSubmatch(message); m != nil {
		of := strings.ToLower(m[1])
		return fmt.Sprintf("%s has no %s%s", of, m[2], suggest(m[2], membersOf(of)))
	}
	if m := notBool.FindStringSubmatch(message); m != nil {
		return "want true or false, got " + m[1]
	}
	switch {
	case strings.HasPrefix(message, "expected bool, but got "):
		return "a condition must be true or false, this is " + strings.TrimPrefix(message, "expected bool, but got ")
	case strings.HasSuffix(message, "exceeds maximum allowed nodes"):
		return fmt.Sprintf("the condition has more than %d parts", MaxNodes)
	case strings.Contains(message, "(mismatched types []string and string)"):
		return message + `; a list is searched by has(list, "word")`
	case strings.HasPrefix(message, "invalid operation: not (mismatched type "), strings.HasPrefix(message, "invalid operation: ! (mismatched type "):
		return message + `; not binds first: write not (a == b), or a not in list`
	case strings.HasPrefix(message, "memory budget exceeded"):
		return "the condition needs too much memory"
	}
	return message
}

// variables are all names but functions: "subject", "customer", "customer.vip".
func variables() []string { return fieldNames("", reflect.TypeFor[Env]()) }

func membersOf(of string) (members []string) {
	for _, name := range variables() {
		if member, ok := strings.CutPrefix(name, of+"."); ok {
			members = append(members, member)
		}
	}
	return members
}

// suggest returns "; did you mean x?" for the nearest known name, or "".
func suggest(wrong string, known []string) string {
	best, distance := "", 3
	if len(wrong) < 5 {
		distance = 2
	}
	for _, name := range known {
		if _, member, dotted := strings.Cut(name, "."); dotted && strings.EqualFold(member, wrong) {
			return "; did you mean " + name + "?"
		}
		if d := editDistance(strings.ToLower(wrong), strings.ToLower(name)); d < distance {
			best, distance = name, d
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + best + "?"
}

// editDistance counts the letters to insert, delete, replace or swap with the
// next (optimal string alignment).
func editDistance(a, b string) int {
	before, above, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before, above, row = above, row, before
		row[0] = i + 1
		for j := range len(b) {
			cost := above[j]
			if a[i] != b[j] {
				cost++
			}
			row[j+1] = min(cost, row[j]+1, above[j+1]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
	}
	return row[len(b)]
}

// kindOf names a value's type in the words of the language.
func kindOf(v any) string {
	switch reflect.ValueOf(v).Kind() {
	case reflect.Invalid:
		return "nothing"
	case reflect.String:
		return "text"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Int, reflect.Int64, reflect.Float64:
		return "a number"
	}
	return fmt.Sprintf("%T", v)
}
