package workers

import (
	"log/slog"
	"testing"
	"time"
)

// A process that is to stay small does not make room for all that its limits allow,
// and no queue is longer than they allow.
func TestQueuesHaveTheRoomTheyAreGiven(t *testing.T) {
	for _, c := range []struct{ pending, queue, room int }{{20000, 0, 20000}, {20000, 7, 7}, {5, 7, 5}} {
		set := DefaultSettings()
		set.Pending, set.Queue = c.pending, c.queue
		d := NewDispatch(nil, nil, time.Now, slog.New(slog.DiscardHandler), set)
		i := NewIntake(Parts{Dispatch: d, Now: time.Now, Log: slog.New(slog.DiscardHandler), Settings: set})
		rooms := map[string]int{"answers": cap(d.out), "ledger": cap(i.accepting.in), "reading": cap(i.reading.in), "bulk reading": cap(i.bulkReading.in),
			"filing": cap(i.filing.lanes[0].in), "bulk": cap(i.bulk.lanes[0].in)}
		for class, ids := range d.ids {
			rooms[string(class)] = cap(ids)
		}
		for name, room := range rooms {
			if room != c.room {
				t.Errorf("limits.pending %d, queue %d: %s has room for %d, want %d", c.pending, c.queue, name, room, c.room)
			}
		}
		i.Stop()
		d.Stop()
	}
}
