package desk

import (
	"errors"
	"strings"
	"testing"
)

func TestStatusMoves(t *testing.T) {
	s := DefaultStatuses()
	for _, c := range []struct {
		from, to Status
		ok       bool
	}{
		{StatusNew, StatusOpen, true},
		{StatusNew, StatusClosed, true},
		{StatusOpen, StatusInProgress, true},
		{StatusInProgress, StatusOpen, true},
		{StatusOpen, StatusNew, false},
		{StatusPending, StatusOnHold, true},
		{StatusResolved, StatusOpen, true},
		{StatusResolved, StatusClosed, true},
		{StatusResolved, StatusPending, false},
		{StatusClosed, StatusOpen, true},
		{StatusClosed, StatusInProgress, true},
		{StatusClosed, StatusResolved, false},
		{StatusClosed, StatusOnHold, false},
		{StatusClosed, StatusClosed, true},
	} {
		err := s.Move(c.from, c.to)
		if (err == nil) != c.ok {
			t.Errorf("%s to %s: %v", c.from, c.to, err)
		}
		if err != nil && (!errors.Is(err, ErrMove) || !errors.Is(err, ErrInvalid) || len(Invalids(err)) != 1 || Invalids(err)[0].Field != "status") {
			t.Errorf("%s to %s: error %v names no field", c.from, c.to, err)
		}
	}
	err := s.Move(StatusClosed, StatusPending)
	if !strings.Contains(err.Error(), "it can become OPEN, IN_PROGRESS") {
		t.Errorf("no advice in %q", err)
	}
}

func TestStatusParse(t *testing.T) {
	s := DefaultStatuses()
	for _, in := range []string{"in_progress", "IN_PROGRESS", "In Progress", " in-progress "} {
		if got, err := s.Parse(in); err != nil || got != StatusInProgress {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
	if _, err := s.Parse("bogus"); !errors.Is(err, ErrInvalid) || strings.Contains(err.Error(), "bogus") {
		t.Errorf("an unknown status must be invalid and not echoed: %v", err)
	}
	if s.Category("REMOVED_SINCE") != CategoryOpen {
		t.Error("a status no longer configured must stay visible as open")
	}
}
