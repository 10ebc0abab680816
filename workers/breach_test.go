package workers

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"switchboard/pipeline/desk"
)

// overdueBooks have tickets past due, of which some cannot be changed.
type overdueBooks struct {
	due    []desk.TicketID
	bad    map[desk.TicketID]error
	marked []desk.TicketID
}

func (o *overdueBooks) DueClocks(context.Context, time.Time, int) ([]desk.TicketID, error) {
	return o.due, nil
}

func (o *overdueBooks) Change(_ context.Context, id desk.TicketID, _ int64, _ func(*desk.Ticket) ([]desk.Event, error)) (*desk.Ticket, error) {
	if err := o.bad[id]; err != nil {
		return nil, err
	}
	o.marked = append(o.marked, id)
	return &desk.Ticket{ID: id}, nil
}

// A ticket that cannot be marked stays the longest overdue: it must not keep the
// others from being marked for ever.
func TestATicketThatCannotBeMarkedKeepsNobodyWaiting(t *testing.T) {
	broken := errors.New("a row that cannot be read")
	for _, c := range []struct {
		err  error
		want []desk.TicketID
	}{{broken, []desk.TicketID{"b", "c"}}, {desk.ErrUnavailable, nil}} {
		books := &overdueBooks{due: []desk.TicketID{"a", "b", "c"}, bad: map[desk.TicketID]error{"a": c.err}}
		job := &Breach{Books: books, Log: slog.New(slog.DiscardHandler)}
		if err := job.Once(t.Context(), time.Now()); !errors.Is(err, c.err) {
			t.Errorf("it ended with %v, want %v", err, c.err)
		}
		if !slices.Equal(books.marked, c.want) {
			t.Errorf("%v: marked %q, want %q", c.err, books.marked, c.want)
		}
	}
}

// Of several processes that find a clock past due at once one marks it, and one
// says so.
func TestWhoMarksNothingSaysNothing(t *testing.T) {
	var said bytes.Buffer
	books := &overdueBooks{due: []desk.TicketID{"a"}} // changed by another meanwhile
	job := &Breach{Books: books, Log: slog.New(slog.NewTextHandler(&said, nil))}
	if err := job.Once(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	if said.Len() > 0 {
		t.Errorf("it said %s", said.String())
	}
}
