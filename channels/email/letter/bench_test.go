package letter

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"math/rand"
	"runtime"
	"strings"
	"testing"

	"github.com/emersion/go-message"
	_ "github.com/emersion/go-message/charset"
	"github.com/emersion/go-message/mail"
)

// ordinaryMail is what support mailboxes get most: a header of some length,
// plain text with HTML beside it, about 5 KB.
func ordinaryMail() []byte {
	var b strings.Builder
	b.WriteString("Return-Path: <alice@example.org>\r\nDelivered-To: support@example.com\r\n")
	for i := range 4 {
		fmt.Fprintf(&b, "Received: from mx%d.example.org (mx%d.example.org [192.0.2.%d])\r\n\tby mail.example.com with ESMTPS id A%dB7C;\r\n\tTue, 1 Jul 2025 10:52:37 +0200 (CEST)\r\n", i, i, i, i)
	}
	b.WriteString("DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.org; s=s1;\r\n\th=from:to:subject:date; bh=" + strings.Repeat("a", 44) + ";\r\n\tb=" + strings.Repeat("b", 340) + "\r\n")
	b.WriteString("From: =?utf-8?q?Alice_M=C3=BCller?= <alice@example.org>\r\nTo: Support <support@example.com>\r\nCc: bob@example.org\r\n")
	b.WriteString("Subject: =?utf-8?q?Die_Rechnung_f=C3=BCr_Juni_fehlt?=\r\nDate: Tue, 1 Jul 2025 10:52:30 +0200\r\nMessage-ID: <a1b2c3@example.org>\r\n")
	b.WriteString("In-Reply-To: <t1@example.com>\r\nReferences: <t0@example.com> <t1@example.com>\r\nX-Mailer: Example 1.0\r\nMIME-Version: 1.0\r\n")
	b.WriteString("Content-Type: multipart/alternative; boundary=\"b1\"\r\n\r\n--b1\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n")
	for range 12 {
		b.WriteString("Guten Tag, die Rechnung f=C3=BCr Juni ist noch nicht angekommen. Bitte schic=\r\nken Sie sie mir noch einmal zu.\r\n")
	}
	b.WriteString("--b1\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<html><body>\r\n")
	for range 12 {
		b.WriteString("<p style=3D\"margin:0\">Guten Tag, die Rechnung f=C3=BCr Juni ist noch nicht =\r\nangekommen. Bitte schicken Sie sie mir noch einmal zu.</p>\r\n")
	}
	b.WriteString("</body></html>\r\n--b1--\r\n")
	return []byte(b.String())
}

// largeMail carries one attachment of about size encoded bytes.
func largeMail(size int) []byte {
	data := make([]byte, size*57/78)
	rand.New(rand.NewSource(1)).Read(data)
	var b bytes.Buffer
	b.WriteString("From: a@example.org\r\nTo: b@example.com\r\nSubject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b1\r\n\r\n--b1\r\n\r\nsee below\r\n--b1\r\nContent-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n")
	for len(data) > 0 {
		n := min(57, len(data))
		b.WriteString(base64.StdEncoding.EncodeToString(data[:n]) + "\r\n")
		data = data[n:]
	}
	b.WriteString("--b1--\r\n")
	return b.Bytes()
}

func BenchmarkRead5KB(b *testing.B) {
	raw := ordinaryMail()
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Read(context.Background(), bytes.NewReader(raw), DefaultLimits(), nil); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLibraries5KB is the floor: the same mail through go-message alone,
// with the fields parsed by its own methods.
func BenchmarkLibraries5KB(b *testing.B) {
	raw := ordinaryMail()
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		libraries(b, raw)
	}
}

func libraries(b testing.TB, raw []byte) {
	e, err := message.ReadWithOptions(bytes.NewReader(raw), &message.ReadOptions{MaxHeaderBytes: 256 << 10})
	if err != nil {
		b.Fatal(err)
	}
	h := mail.Header{Header: e.Header}
	for _, name := range []string{"From", "To", "Cc", "Reply-To", "Sender"} {
		h.AddressList(name)
	}
	h.Subject()
	h.Date()
	h.MessageID()
	h.MsgIDList("References")
	h.MsgIDList("In-Reply-To")
	mr := e.MultipartReader()
	for {
		p, err := mr.NextPart()
		if err != nil {
			break
		}
		p.Header.ContentType()
		p.Header.ContentDisposition()
		if t, _, _ := p.Header.ContentType(); strings.HasPrefix(t, "text/") {
			io.ReadAll(p.Body)
		} else {
			io.Copy(sha256.New(), p.Body)
		}
	}
}

func BenchmarkRead50KB(b *testing.B) { benchLarge(b, 50<<10) }
func BenchmarkRead5MB(b *testing.B)  { benchLarge(b, 5<<20) }

func benchLarge(b *testing.B, size int) {
	raw := largeMail(size)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Read(context.Background(), bytes.NewReader(raw), DefaultLimits(), nil); err != nil {
			b.Fatal(err)
		}
	}
}

// A mail of 5 MB must not cost more memory than one of 50 KB: all that was ever
// allocated is counted, so what is held at once can only be less.
func TestLargeMailIsStreamed(t *testing.T) {
	cost := func(size int) uint64 {
		raw := largeMail(size)
		once := func() {
			if _, err := Read(context.Background(), bytes.NewReader(raw), DefaultLimits(), nil); err != nil {
				t.Fatal(err)
			}
		}
		once()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range 5 {
			once()
		}
		runtime.ReadMemStats(&after)
		return (after.TotalAlloc - before.TotalAlloc) / 5
	}
	small, large := cost(50<<10), cost(5<<20)
	t.Logf("50 KB: %d bytes, 5 MB: %d bytes", small, large)
	if large > 2*small+64<<10 {
		t.Errorf("a mail of 5 MB allocates %d bytes, one of 50 KB %d", large, small)
	}
}
