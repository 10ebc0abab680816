package workers

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"switchboard/pipeline/desk"
)

func TestLag(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	at := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
	l := newLag(5*time.Second, start)
	check := func(now int, want bool) {
		t.Helper()
		if got := l.behind(at(now)); got != want {
			t.Errorf("after %d s: behind is %v", now, got)
		}
	}
	check(1, true) // nothing is known yet
	check(6, false)
	l.took(at(5), at(7))
	check(7, false)
	l.took(at(1), at(8))
	check(8, true)
	check(13, true)
	check(14, false) // given nothing since: the queue is empty
	l.took(time.Time{}, at(20))
	check(20, false)
	l.took(at(40), at(30)) // a clock that is ahead
	check(30, false)
}

// claims records what the sweep asks of the books.
type claims struct{ sweptBefore time.Time }

func (c *claims) Waiting(context.Context, int) ([]desk.Backlog, error) {
	return []desk.Backlog{{Source: "mail", Count: 1}}, nil
}

func (c *claims) Stale(_ context.Context, _ string, _, sweptBefore, _ time.Time, _ int) ([]desk.ReceiptID, error) {
	c.sweptBefore = sweptBefore
	return nil, nil
}

// What was queued again and lost again does not wait for SweepAgain when the
// queue is short.
func TestSweepAgainDependsOnTheQueue(t *testing.T) {
	now := time.Now()
	set := DefaultSettings()
	for name, c := range map[string]struct {
		behind func(Class, time.Time) bool
		want   time.Duration
	}{
		"unknown": {nil, set.SweepAgain},
		"long":    {func(Class, time.Time) bool { return true }, set.SweepAgain},
		"short":   {func(Class, time.Time) bool { return false }, 2 * set.SweepAfter},
	} {
		var asked claims
		sweep := Sweep{Books: &asked, Intake: &Intake{}, Log: slog.New(slog.DiscardHandler), Set: set, Behind: c.behind}
		if err := sweep.Once(t.Context(), now); err != nil {
			t.Fatal(err)
		}
		if got := now.Sub(asked.sweptBefore); got != c.want {
			t.Errorf("%s queue: again after %s, want %s", name, got, c.want)
		}
	}
}
