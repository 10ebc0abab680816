package webform

import (
	"encoding/json"
	"testing"
)

// What was filled in goes with its draft when it is small, and is a blob before
// when it is not.
func TestSmallFormsGoWithTheirDraft(t *testing.T) {
	for _, most := range []int64{64 << 10, 10} {
		h := newHouse(t, siteYAML(t))
		h.a.Limits.KeepBytes = most
		ok2(t, h, good(h.token("contact")))
		d := h.all()[0]
		if small := most > 10; len(d.Kept) == 1 != small {
			t.Errorf("up to %d bytes: %d go with the draft", most, len(d.Kept))
		} else if small {
			var rec record
			if err := json.Unmarshal(d.Kept[0].Bytes, &rec); err != nil || rec.Form != "contact" || d.Kept[0].Ref != d.Raw {
				t.Errorf("%v, %+v is kept, raw is %+v", err, d.Kept[0].Ref, d.Raw)
			}
		} else if h.read(d.Raw) == "" {
			t.Error("a large one is nowhere")
		}
	}
}
