package letter

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// FuzzRead asks of any bytes: no panic, no error, clean strings, within the
// limits and in bounded time.
func FuzzRead(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.eml")
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Add([]byte("\r\n\r\n"))
	f.Add([]byte("Content-Type: multipart/mixed; boundary=a\n\n--a\n\n--a--"))
	f.Add(tnefMail(sampleTNEF()))
	limits := Limits{Depth: 5, Parts: 40, HeaderBytes: 4 << 10, TextBytes: 32 << 10, PartBytes: 64 << 10}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) > 100<<10 {
			return
		}
		begin := time.Now()
		l, err := Read(context.Background(), bytes.NewReader(raw), limits, nil)
		if err != nil {
			t.Fatal(err)
		}
		sound(t, l)
		if took := time.Since(begin); took > 30*time.Second {
			t.Fatalf("took %v", took)
		}
		for _, a := range l.Attachments {
			if a.Size > limits.PartBytes {
				t.Fatalf("attachment of %d bytes", a.Size)
			}
		}
	})
}

func FuzzHeaderValues(f *testing.F) {
	f.Add(`"a, b" <a@example.org>, c@example.org (d), e: f@g;`)
	f.Add("=?utf-8?q?a?= =?utf-8?b?YQ==?= \xff <x@y>")
	f.Add("Thu, 1 Jan 1970 00:00:00 +0000")
	f.Add(`text/plain; name*0*=utf-8''a; name*1=b; charset="x`)
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 64<<10 {
			return
		}
		l := &Letter{Subject: decodeText(s), From: parseAddresses(s, 50), References: scanIDs(s, 10), MessageID: oneID(s), Date: parseDate(s)}
		m := parseMedia(s)
		l.Text = newlines(clean(m.kind))
		for _, p := range m.params {
			l.InReplyTo = append(l.InReplyTo, p.name, p.value)
		}
		sound(t, l)
		if len(l.From) > 50 || len(l.References) > 10 {
			t.Fatal("a bound was passed")
		}
		if y := l.Date.Year(); !l.Date.IsZero() && (y < 0 || y > 9999) {
			t.Fatalf("year %d", y)
		}
		if !l.Date.IsZero() {
			if _, err := l.Date.MarshalJSON(); err != nil {
				t.Fatal(err)
			}
		}
	})
}
