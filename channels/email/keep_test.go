package email

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"switchboard/channels/email/emailtest"
	"switchboard/pipeline/desk"
)

// fileMail is a mail with an HTML body and a file of n bytes.
func fileMail(n int) []byte {
	return fmt.Appendf(nil, "From: a@b.example\r\nSubject: files\r\nMessage-ID: <file%d@b.example>\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n"+
		"--x\r\nContent-Type: text/html\r\n\r\n<p>Hello</p>\r\n"+
		"--x\r\nContent-Type: application/pdf; name=f.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n%s\r\n--x--\r\n",
		n, base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("f"), n)))
}

// What is small goes with the draft, the mail as well as its parts; what is not
// is a blob before. Nothing is both, and nothing is neither.
func TestSmallBytesGoWithTheirDraft(t *testing.T) {
	servers(t, func(t *testing.T, box emailtest.Mailbox) {
		box.AddUser("support", "secret")
		l := newLedger()
		a := newAdapter(t, l, account(box.Addr()))
		a.parser.keepBytes = 2000
		sizes := []int{100, 1600, 5000} // mail and file small; only the file small; none
		for _, n := range sizes {
			box.Deliver("support", "INBOX", fileMail(n))
		}
		start(t, a)
		l.awaitRows(t, len(sizes))
		for i, d := range l.drafts() {
			raw := fileMail(sizes[i])
			if len(d.Attachments) != 1 || d.HTML.IsZero() {
				t.Fatalf("%d: draft %+v", sizes[i], d)
			}
			for _, want := range []struct {
				name  string
				ref   desk.BlobRef
				bytes []byte
				kept  bool
			}{
				{"mail", d.Raw, raw, len(raw) <= 2000},
				{"HTML", d.HTML, []byte("<p>Hello</p>"), true},
				{"file", d.Attachments[0].Blob, bytes.Repeat([]byte("f"), sizes[i]), sizes[i] <= 2000},
			} {
				if want.ref != desk.Keep(want.bytes).Ref {
					t.Errorf("%d: %s has another digest", sizes[i], want.name)
				}
				kept := false
				for _, k := range d.Kept {
					kept = kept || k.Ref == want.ref && bytes.Equal(k.Bytes, want.bytes)
				}
				if kept != want.kept {
					t.Errorf("%d: %s goes with the draft: %v", sizes[i], want.name, kept)
				}
				if !kept && !bytes.Equal(l.blobs.get(t, want.ref), want.bytes) {
					t.Errorf("%d: %s is nowhere", sizes[i], want.name)
				}
			}
		}
	})
}

// A mail of very many parts does not go with its draft whole, and what the draft
// does not refer to does not go with it.
func TestWhatGoesWithADraftIsBounded(t *testing.T) {
	var mail strings.Builder
	mail.WriteString("From: a@b.example\r\nMessage-ID: <many@b.example>\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n")
	for n := range 20 {
		fmt.Fprintf(&mail, "--x\r\nContent-Disposition: attachment; filename=f%d\r\n\r\n%s%02d\r\n", n, strings.Repeat("x", 98), n)
	}
	mail.WriteString("--x--\r\n")
	for _, most := range []int{0, 2} {
		store := &blobs{kept: map[string][]byte{}}
		p := parser{source: desk.Source{Name: "s", Channel: desk.Email}, blobs: store, attachments: most, keepBytes: 100}
		k := p.keeper()
		raw, err := k.whole(t.Context(), []byte(mail.String()))
		if err != nil {
			t.Fatal(err)
		}
		d, err := p.draft(t.Context(), strings.NewReader(mail.String()), raw, k, time.Time{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		want := keptTimes
		if most > 0 {
			want = most
		}
		if len(d.Kept) != want || len(store.kept) != 1+20-keptTimes { // the mail itself and the rest of its files
			t.Errorf("%d files: %d go with the draft, %d blobs", len(d.Attachments), len(d.Kept), len(store.kept))
		}
		if b := bare(d, desk.ErrInvalid); len(b.Kept) != 0 {
			t.Errorf("the note that takes its place brings %d", len(b.Kept))
		}
	}
}
