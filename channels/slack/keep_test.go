package slack

import (
	"testing"

	"switchboard/channels/slack/fakeslack"
	"switchboard/pipeline/desk"
)

// A small request goes with its message; a large one is a blob before it is
// accepted.
func TestSmallRequestsGoWithTheirMessages(t *testing.T) {
	for _, most := range []int64{64 << 10, 10} {
		w := newTown(t, plan{prepare: func(a *adapter) { a.Limits.KeepBytes = most }})
		w.say(fakeslack.Message{Channel: help, User: ada, Text: "no power"})
		d := w.one()
		if small := most > 10; len(d.Kept) == 1 != small {
			t.Errorf("up to %d bytes: %d go with the draft", most, len(d.Kept))
		} else if small {
			if k := d.Kept[0]; k.Ref != d.Raw || desk.Keep(k.Bytes).Ref != d.Raw {
				t.Errorf("%+v is kept, raw is %+v", k.Ref, d.Raw)
			}
		} else if r, err := w.h.Open(t.Context(), d.Raw); err != nil {
			t.Errorf("a large request is nowhere: %v", err)
		} else {
			r.Close()
		}
	}
}
