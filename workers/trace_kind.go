package workers

import (
	"context"
	"errors"

	"switchboard/pipeline/desk"
)

// kindOf names the kind of an error, and nothing of its text.
func kindOf(err error) string {
	for _, k := range []struct {
		is   error
		name string
	}{
		{desk.ErrUnavailable, "the books do not answer"}, {desk.ErrConflict, "conflict"}, {desk.ErrSettled, "settled already"},
		{desk.ErrBusy, "busy"}, {desk.ErrLeaseLost, "lease lost"}, {desk.ErrInvalid, "invalid"}, {desk.ErrNotFound, "not found"},
		{desk.ErrCutOff, "cut off"}, {context.DeadlineExceeded, "out of time"}, {context.Canceled, "stopped"},
	} {
		if errors.Is(err, k.is) {
			return k.name
		}
	}
	if desk.IsPermanent(err) {
		return "permanent"
	}
	return "failed"
}
