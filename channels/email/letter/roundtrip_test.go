package letter

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-message/mail"
	"pgregory.net/rapid"
)

// What go-message writes, Read reads back.
func TestRoundTrip(t *testing.T) {
	word := rapid.StringMatching(`[A-Za-z0-9äöüßéñ漢字かなкот,.;:'!?()&<>_=-]{1,12}`)
	phrase := rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(word, 1, 12).Draw(t, "words"), " ")
	})
	addr := rapid.StringMatching(`[a-z][a-z0-9+_-]{0,8}(\.[a-z0-9]{1,3})?@[a-z]{1,8}\.example`)
	rapid.Check(t, func(t *rapid.T) {
		subject, name, from := phrase.Draw(t, "subject"), phrase.Draw(t, "name"), addr.Draw(t, "from")
		text := strings.Join(rapid.SliceOfN(phrase, 1, 20).Draw(t, "lines"), "\n")
		file := rapid.SliceOf(rapid.Byte()).Draw(t, "file")
		// Where a line is folded, several blanks become one.
		fileName := strings.Join(strings.Fields(rapid.StringMatching(`[A-Za-zäöü漢 _()-]{1,40}`).Draw(t, "fileName")), " ") + "x.bin"
		date := time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "date"), 0).UTC()

		var h mail.Header
		h.SetSubject(subject)
		h.SetDate(date)
		h.SetAddressList("From", []*mail.Address{{Name: name, Address: from}})
		h.SetMessageID("one@" + from[strings.IndexByte(from, '@')+1:])
		h.SetMsgIDList("References", []string{"a@b.example", "c@d.example"})
		var raw bytes.Buffer
		mw, err := mail.CreateWriter(&raw, h)
		if err != nil {
			t.Fatal(err)
		}
		var ih mail.InlineHeader
		ih.SetContentType("text/plain", map[string]string{"charset": "utf-8"})
		w, err := mw.CreateSingleInline(ih)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, text)
		w.Close()
		var ah mail.AttachmentHeader
		ah.SetFilename(fileName)
		if w, err = mw.CreateAttachment(ah); err != nil {
			t.Fatal(err)
		}
		w.Write(file)
		w.Close()
		mw.Close()

		var kept []byte
		l, err := Read(context.Background(), &raw, DefaultLimits(), func(_ context.Context, _, _ string, r io.Reader) (string, int64, error) {
			b, err := io.ReadAll(r)
			kept = b
			return "ref", int64(len(b)), err
		})
		if err != nil {
			t.Fatal(err)
		}
		if l.Subject != subject || len(l.From) != 1 || l.From[0] != (Address{name, from}) || !l.Date.Equal(date) {
			t.Fatalf("header: %q %+v %v", l.Subject, l.From, l.Date)
		}
		if strings.Join(l.References, " ") != "a@b.example c@d.example" {
			t.Fatalf("references: %q", l.References)
		}
		if l.Text != strings.TrimRight(text, " \n") {
			t.Fatalf("text: %q want %q", l.Text, text)
		}
		if len(l.Attachments) != 1 || l.Attachments[0].Name != fileName || !bytes.Equal(kept, file) {
			t.Fatalf("attachments: %+v want %q", l.Attachments, fileName)
		}
		if len(l.Damage) > 0 {
			t.Fatalf("damage: %q", l.Damage)
		}
	})
}
