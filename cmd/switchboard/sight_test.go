package main

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"switchboard/pipeline/desk"
	"switchboard/workers"
)

// A disk that hangs is asked once, however many rounds there are, and what the others
// say is seen meanwhile; when it answers, it is asked again.
func TestLookoutWithAHangingDisk(t *testing.T) {
	synctest.Test(t, lookoutWithAHangingDisk)
}

func lookoutWithAHangingDisk(t *testing.T) {
	var asked atomic.Int32
	hang := make(chan struct{})
	l := newLookout(func(context.Context) (desk.Pulse, error) { return desk.Pulse{}, nil },
		func(context.Context) ([]workers.Depth, error) { return []workers.Depth{{Queue: "normal"}}, nil },
		func(context.Context) (free, total uint64, err error) {
			asked.Add(1)
			<-hang
			return 1, 2, nil
		})
	w := newWatchman(time.Hour, 500*time.Millisecond, time.Now, slog.New(slog.DiscardHandler), func(ctx context.Context) sight { return l.around(ctx, time.Now()) })
	for round := range 3 {
		if _, s := w.fresh(t.Context(), 0); s.pulse == nil || len(s.depths) != 1 || s.blobs != nil {
			t.Errorf("round %d: a pulse %v, %d queues, blobs %v", round, s.pulse != nil, len(s.depths), s.blobs)
		}
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("a disk that hangs was asked %d times", n)
	}
	close(hang)
	l.freeing <- struct{}{} // the answer came
	<-l.freeing
	if _, s := w.fresh(t.Context(), 0); s.blobs == nil || s.blobs[1] != 2 {
		t.Errorf("the disk answers again: %v", s.blobs)
	}
}
