package bench

import (
	"encoding/base64"
	"fmt"
	mathrand "math/rand/v2"
	"strings"
	"time"
)

// letters is a generated mailbox.
type letters struct {
	mails   [][]byte // raw, in the order of delivery
	threads int      // conversations there are
	bytes   int
}

// mean is the mean size of a mail in bytes.
func (l *letters) mean() int { return l.bytes / max(len(l.mails), 1) }

// letterHead is what a later mail needs of an earlier one.
type letterHead struct {
	id, from, name, subject string
	references              []string
}

// writeLetters makes n mails as a support mailbox has them, 12 KB in the mean:
// text and HTML, one in ten with a file of 20 to 60 KB, and 249 of 1000 answers
// to an earlier mail of the same person. With shuffle they are delivered in any
// order, so that answers come before what they answer. The same seed makes the
// same mails.
func writeLetters(n int, seed uint64, shuffle bool) *letters {
	r := mathrand.New(mathrand.NewPCG(seed, 2))
	w := &writer{random: r}
	const first = 20 // these answer nothing
	answers := map[int]bool{}
	for _, i := range r.Perm(max(n-first, 0))[:min(n*249/1000, max(n-first, 0))] {
		answers[i+first] = true
	}
	l := &letters{threads: n - len(answers)}
	heads := make([]letterHead, 0, n)
	at := time.Now().Add(-time.Duration(n)*time.Second - time.Hour)
	for i := range n {
		h := letterHead{id: fmt.Sprintf("<%08x.%d@mail.example.net>", r.Uint32(), i), from: fmt.Sprintf("customer%d@example.net", i),
			name: fmt.Sprintf("Customer %d", i), subject: subjects[r.IntN(len(subjects))] + fmt.Sprintf(" (%d)", 1000+i)}
		if answers[i] {
			p := heads[r.IntN(i)]
			h.from, h.name, h.subject, h.references = p.from, p.name, "Re: "+strings.TrimPrefix(p.subject, "Re: "), append(p.references[:len(p.references):len(p.references)], p.id)
		}
		file := 0
		if r.IntN(10) == 0 {
			file = 20_000 + r.IntN(40_000)
		}
		mail := w.letter(h, at.Add(time.Duration(i)*time.Second), file)
		l.mails, l.bytes = append(l.mails, mail), l.bytes+len(mail)
		heads = append(heads, h)
	}
	if shuffle {
		r.Shuffle(n, func(i, j int) { l.mails[i], l.mails[j] = l.mails[j], l.mails[i] })
	}
	return l
}

// letter writes one mail (RFC 5322, RFC 2046). Lines end as they do on the wire.
func (w *writer) letter(h letterHead, at time.Time, file int) []byte {
	r := w.random
	var b strings.Builder
	fmt.Fprintf(&b, "Return-Path: <%s>\nReceived: from out.example.net (out.example.net [192.0.2.25])\n\tby mx.desk.example (Postfix) with ESMTPS id %010X\n\tfor <support@desk.example>; %s\n",
		h.from, r.Uint64()>>24, at.Format(time.RFC1123Z))
	fmt.Fprintf(&b, "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.net; s=k1;\n\th=from:to:subject:date:message-id; bh=%s;\n\tb=%s\n", w.noise(32), w.noise(256))
	fmt.Fprintf(&b, "From: %s <%s>\nTo: Desk Support <support@desk.example>\nSubject: %s\nDate: %s\nMessage-ID: %s\n", h.name, h.from, h.subject, at.Format(time.RFC1123Z), h.id)
	if n := len(h.references); n > 0 {
		fmt.Fprintf(&b, "In-Reply-To: %s\nReferences: %s\n", h.references[n-1], strings.Join(h.references, "\n "))
	}
	fmt.Fprintf(&b, "User-Agent: Mozilla Thunderbird\nMIME-Version: 1.0\n")
	mixed := ""
	if file > 0 {
		mixed = fmt.Sprintf("=_mixed_%016x", r.Uint64())
		fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=%q\n\n--%s\n", mixed, mixed)
	}
	both := fmt.Sprintf("=_both_%016x", r.Uint64())
	fmt.Fprintf(&b, "Content-Type: multipart/alternative; boundary=%q\n\n", both)
	text, quote := w.text(300+r.IntN(1500)), ""
	if len(h.references) > 0 {
		quote = "\n\nOn " + at.Add(-time.Hour).Format("2 January 2006 at 15:04") + ", Desk Support wrote:\n> " + w.text(70) + "\n> " + w.text(70)
	}
	fmt.Fprintf(&b, "--%s\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n%s%s\n", both, lines(text), quote)
	fmt.Fprintf(&b, "--%s\nContent-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n%s\n--%s--\n", both, w.page(text, 1500+r.IntN(5000)), both)
	if file > 0 {
		raw := make([]byte, file)
		for i := range raw {
			raw[i] = byte(r.Uint32())
		}
		coded := base64.StdEncoding.EncodeToString(append([]byte("\x89PNG\r\n\x1a\n"), raw...))
		fmt.Fprintf(&b, "--%s\nContent-Type: image/png; name=\"screen.png\"\nContent-Disposition: attachment; filename=\"screen.png\"\nContent-Transfer-Encoding: base64\n\n", mixed)
		for len(coded) > 76 {
			b.WriteString(coded[:76] + "\n")
			coded = coded[76:]
		}
		fmt.Fprintf(&b, "%s\n--%s--\n", coded, mixed)
	}
	return []byte(strings.ReplaceAll(b.String(), "\n", "\r\n"))
}

// page is the text again, as mail programs write HTML, and more of it up to
// about length bytes.
func (w *writer) page(text string, length int) string {
	var b strings.Builder
	b.WriteString("<html>\n<head><meta http-equiv=\"content-type\" content=\"text/html; charset=utf-8\">\n<style>p.MsoNormal { margin: 0; font-family: Calibri, sans-serif }</style></head>\n<body lang=\"en\">\n")
	for b.Len() < length {
		n := min(len(text), 200)
		fmt.Fprintf(&b, "<p class=\"MsoNormal\"><span style=\"color:#1f2933;font-size:11pt\">%s</span> <a href=\"https://shop.example.com/orders/%d\">order</a></p>\n", lines(text[:n]), w.random.IntN(1e6))
		if text = text[n:]; text == "" {
			text = w.text(600)
		}
	}
	b.WriteString("<div><img src=\"cid:logo\" width=\"120\" alt=\"\"><br>Sent from my desk</div>\n</body>\n</html>")
	return b.String()
}

// noise is random bytes in base64.
func (w *writer) noise(n int) string {
	raw := make([]byte, n)
	for i := range raw {
		raw[i] = byte(w.random.Uint32())
	}
	return base64.StdEncoding.EncodeToString(raw)
}

// lines breaks a text into lines of about 72 letters.
func lines(text string) string {
	var b strings.Builder
	length := 0
	for word := range strings.FieldsSeq(text) {
		if length > 0 && length+len(word) > 72 {
			b.WriteByte('\n')
			length = 0
		} else if length > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(word)
		length += len(word) + 1
	}
	return b.String()
}
