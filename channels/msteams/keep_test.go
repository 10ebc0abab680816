package msteams

import (
	"testing"

	"switchboard/pipeline/desk"
)

// A small activity goes with its message; a large one is a blob before it is
// accepted.
func TestSmallActivitiesGoWithTheirMessages(t *testing.T) {
	for _, most := range []int64{64 << 10, 10} {
		h := newHouse(t, options{})
		h.Limits.KeepBytes = most
		h.deliver(t, h.fake.Message(h.fake.Personal(h.person), h.person, "no power"), 200)
		d := h.one(t)
		small := most > 10
		kept := 0
		for _, k := range d.Kept {
			if (k.Ref == d.Raw || k.Ref == d.HTML) && desk.Keep(k.Bytes).Ref == k.Ref {
				kept++
			}
		}
		refs := 1
		if !d.HTML.IsZero() {
			refs = 2
		}
		if small && kept != refs || !small && len(d.Kept) > 0 {
			t.Errorf("up to %d bytes: %d of %d go with the draft", most, len(d.Kept), refs)
		}
		if !small {
			h.bytes(t, d.Raw)
		}
		if b := bare(d, desk.ErrInvalid); small && (len(b.Kept) != 1 || b.Kept[0].Ref != d.Raw) {
			t.Errorf("the note that takes its place brings %d", len(b.Kept))
		}
	}
}
