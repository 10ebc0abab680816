package chat

import (
	"strings"
	"testing"

	"switchboard/pipeline/desk"
)

// A small request goes with its messages; a large one is a blob before they are
// accepted.
func TestSmallRequestsGoWithTheirMessages(t *testing.T) {
	for _, large := range []bool{false, true} {
		w := newTown(t, `
signature: { scheme: bearer, secret: s3cret-s3cret-s3cret }
mapping: { each: "body.list[]", from: item.who, text: item.says }
`)
		w.a.Limits.KeepBytes = 1000
		body := `{"list": [{"who": "ada", "says": "one"}, {"who": "bo", "says": "two"}]}`
		if large {
			body += strings.Repeat(" ", 1000)
		}
		if got := w.post(body, "Authorization", "Bearer s3cret-s3cret-s3cret"); got.Code != 200 {
			t.Fatalf("status %d: %s", got.Code, got.Body)
		}
		ref := desk.Keep([]byte(body)).Ref
		drafts := w.h.drafts()
		if len(drafts) != 2 {
			t.Fatalf("%d drafts", len(drafts))
		}
		for _, d := range drafts {
			if d.Raw != ref {
				t.Errorf("large %v: raw is %v, want %v", large, d.Raw, ref)
			}
			if kept := len(d.Kept) == 1 && d.Kept[0].Ref == ref && string(d.Kept[0].Bytes) == body; kept == large {
				t.Errorf("large %v: it keeps %d", large, len(d.Kept))
			}
		}
		if _, blob := w.h.blobs[ref.Digest]; blob != large {
			t.Errorf("large %v: a blob of its own %v", large, blob)
		}
	}
}
