package webform

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"switchboard/pipeline/desk"
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

// walks takes away every blob that was put before an instant, as the walk for bytes
// without a row does.
func (h *house) walks(before time.Time) (gone int) {
	h.t.Helper()
	err := h.blobs.Walk(h.t.Context(), func(ref desk.BlobRef, _ time.Time) error {
		removed, err := h.blobs.RemoveOld(h.t.Context(), ref, before)
		if removed {
			gone++
		}
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return gone
}

// A form comes back with a mistake and is sent again a day later with the file that
// is here already: the bytes are young from then on, and where they went meanwhile
// the form asks for the file and has everything else.
func TestAFileThatIsHereIsPutAgain(t *testing.T) {
	h := newHouse(t, siteYAML(t))
	token := h.token("contact")
	_, _, body := h.post("/forms/site/contact?lang=en", []string{"_token", token, "name", "Sam Doe"}, upFile{"files", "log.txt", "text/plain", "all is well\n"})
	_, kept, _ := strings.Cut(body, `name="_kept" value="`)
	kept, _, _ = strings.Cut(kept, `"`)

	name := desk.Keep([]byte("all is well\n")).Ref.Digest
	yesterday := time.Now().Add(-24 * time.Hour)
	if err := os.Chtimes(filepath.Join(h.dir, name[:2], name[2:4], name), yesterday, yesterday); err != nil {
		t.Fatal(err)
	}
	ok2(t, h, good(token, "_kept", kept))
	if n := h.walks(time.Now().Add(-time.Hour)); n != 0 {
		t.Errorf("%d blobs of what was just taken were old", n)
	}
	if d := h.all()[0]; len(d.Attachments) != 1 || h.read(d.Attachments[0].Blob) != "all is well\n" {
		t.Errorf("%+v", d.Attachments)
	}

	if n := h.walks(time.Now().Add(time.Hour)); n == 0 {
		t.Fatal("nothing was taken away")
	}
	code, _, body := h.post("/forms/site/contact?lang=en", good(token, "_kept", kept))
	for _, part := range []string{"log.txt is not here any more. Please add it again.", `value="Sam Doe"`, "How does it work?"} {
		if code != 422 || !strings.Contains(body, part) {
			t.Errorf("%d, and the page lacks %s", code, part)
		}
	}
	if strings.Contains(body, "_kept") {
		t.Error("the page still offers what is gone")
	}
	ok2(t, h, good(token), upFile{"files", "log.txt", "text/plain", "all is well\n"})
}
