package desk

import (
	"errors"
	"fmt"
	"strings"
)

// The kinds of failure. Errors of every room wrap one of these when the kind
// matters to the caller; an error that wraps none is internal and may be tried
// again.
var (
	ErrNotFound  = errors.New("not found")
	ErrConflict  = errors.New("conflict")        // somebody was faster; run it again on fresh data
	ErrInvalid   = errors.New("invalid")         // the input is wrong; see [Invalid]
	ErrForbidden = errors.New("forbidden")       // the caller may not do this
	ErrSettled   = errors.New("already settled") // the receipt was filed, dropped, ... before
	ErrLeaseLost = errors.New("lease lost")      // another process holds the mailbox now
	// ErrUnavailable: the books do not answer (connection refused, cut, timed
	// out). No message is to blame, so it counts as no attempt.
	ErrUnavailable = errors.New("the books do not answer")
	ErrBusy        = errors.New("busy, try later")    // a named limit is reached
	ErrMove        = errors.New("status cannot move") // an illegal status move; see [Statuses.Move]
)

// Invalid is an ErrInvalid that names the field, as a JSON path such as
// "customFields.appVersion", and says in plain words what is wrong. The
// message never repeats the refused value.
type Invalid struct {
	Field   string
	Message string
}

func (e *Invalid) Error() string {
	if e.Field == "" {
		return e.Message
	}
	return e.Field + ": " + e.Message
}

// Unwrap makes errors.Is(err, ErrInvalid) true.
func (e *Invalid) Unwrap() error { return ErrInvalid }

// Invalidf builds an *Invalid.
func Invalidf(field, format string, args ...any) error {
	return &Invalid{Field: field, Message: fmt.Sprintf(format, args...)}
}

// Invalids collects every *Invalid of an error tree, so that one answer can
// name all wrong fields at once.
func Invalids(err error) []*Invalid {
	var out []*Invalid
	var walk func(error)
	walk = func(err error) {
		switch e := err.(type) {
		case nil:
		case *Invalid:
			out = append(out, e)
		case interface{ Unwrap() []error }:
			for _, x := range e.Unwrap() {
				walk(x)
			}
		case interface{ Unwrap() error }:
			walk(e.Unwrap())
		}
	}
	walk(err)
	return out
}

type permanent struct{ err error }

func (p permanent) Error() string { return p.err.Error() }
func (p permanent) Unwrap() error { return p.err }

// Permanent marks an error that no retry will cure. Permanent(nil) is nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return permanent{err}
}

// IsPermanent reports whether err, or one it wraps, was marked by [Permanent].
func IsPermanent(err error) bool {
	var p permanent
	return errors.As(err, &p)
}

// upper brings an enumeration value to its wire form: upper case with
// underscores for blanks and hyphens.
func upper(s string) string {
	return strings.NewReplacer(" ", "_", "-", "_").Replace(strings.ToUpper(strings.TrimSpace(s)))
}
