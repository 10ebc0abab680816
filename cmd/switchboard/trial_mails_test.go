//go:build unix

package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// trialMail is one mail of the trial and what must become of it.
type trialMail struct {
	user, folder string
	raw          []byte
	digest       string   // of raw
	id           string   // Message-ID; "" when it has none
	from         string   // address; "" when it cannot be read
	thread       int      // number of its conversation
	auto         bool     // must be dropped
	copied       bool     // the same mail as another, to our second address
	files        []string // digests of its attachments
}

// The mailboxes and what is read of them.
const (
	trialSupport = "support@desk.example"
	trialSales   = "sales@desk.example"
)

var trialPlaces = []struct{ user, folder string }{
	{trialSupport, "INBOX"}, {trialSupport, "Website"}, {trialSales, "INBOX"},
}

// trialPost makes n mails: three in ten answer another, one in ten has
// attachments, and some are automatic, broken, or sent to both our addresses.
// They are shuffled, so that half of the answers come before their parents, and
// spread over the folders, so that conversations cross mailboxes.
func trialPost(random *rand.Rand, n int) (mails []*trialMail, threads int) {
	few := max(2, n/40)
	replies := n * 3 / 10
	b := &trialBag{random: random, start: time.Now().Add(-time.Hour)}
	for range n - replies - 3*few {
		b.first()
	}
	roots := len(b.mails)
	for range replies {
		b.reply(b.mails[random.IntN(roots)].thread)
	}
	people := len(b.mails)
	for i := range few {
		b.automatic(i)
		b.broken(i)
	}
	for _, i := range random.Perm(people)[:few] {
		b.copy(b.mails[i])
	}
	random.Shuffle(len(b.mails), func(i, j int) { b.mails[i], b.mails[j] = b.mails[j], b.mails[i] })
	return b.mails, b.threads
}

// trialBag collects mails in the making.
type trialBag struct {
	random  *rand.Rand
	start   time.Time
	mails   []*trialMail
	threads int
	chains  [][]string // Message-IDs of each conversation, oldest first
	serial  int
}

func (b *trialBag) next() (serial int, date string) {
	b.serial++
	return b.serial, b.start.Add(time.Duration(b.serial) * time.Second).Format(time.RFC1123Z)
}

// person is one of three at one of forty companies; a conversation stays within
// one company.
func (b *trialBag) person(thread int) string {
	return fmt.Sprintf("%s@company%d.example", []string{"ann", "ben", "cleo"}[b.random.IntN(3)], thread%40)
}

func (b *trialBag) add(m *trialMail, head, body string) *trialMail {
	place := trialPlaces[b.random.IntN(len(trialPlaces))]
	m.user, m.folder = place.user, place.folder
	to := "To: " + m.user + "\r\n"
	m.raw = []byte(head + to + body)
	m.digest = digestOf(m.raw)
	b.mails = append(b.mails, m)
	return m
}

// first opens a conversation.
func (b *trialBag) first() {
	n, date := b.next()
	m := &trialMail{thread: b.threads, from: b.person(b.threads), id: fmt.Sprintf("first.%d@mail.example", n)}
	b.threads++
	b.chains = append(b.chains, []string{m.id})
	b.add(m, b.head(m, date, fmt.Sprintf("=?utf-8?q?Gr=C3=BC=C3=9Fe?= and question %d", m.thread), nil), b.body(m, n))
}

// reply answers any mail of the conversation so far. One that answers its first
// mail may leave out References, as some programs do.
func (b *trialBag) reply(thread int) {
	n, date := b.next()
	m := &trialMail{thread: thread, from: b.person(thread), id: fmt.Sprintf("reply.%d@mail.example", n)}
	chain := b.chains[thread]
	refs := chain[:1+b.random.IntN(len(chain))]
	b.add(m, b.head(m, date, fmt.Sprintf("Re: =?utf-8?q?Gr=C3=BC=C3=9Fe?= and question %d", thread), refs), b.body(m, n))
	b.chains[thread] = append(slices.Clone(refs), m.id)
}

func (b *trialBag) head(m *trialMail, date, subject string, refs []string) string {
	var h strings.Builder
	fmt.Fprintf(&h, "From: Somebody <%s>\r\nSubject: %s\r\nMessage-ID: <%s>\r\nDate: %s\r\nMIME-Version: 1.0\r\n", m.from, subject, m.id, date)
	if len(refs) > 0 {
		fmt.Fprintf(&h, "In-Reply-To: <%s>\r\n", refs[len(refs)-1])
		if len(refs) > 1 || b.random.IntN(2) == 0 {
			fmt.Fprintf(&h, "References: <%s>\r\n", strings.Join(refs, ">\r\n <"))
		}
	}
	return h.String()
}

// body is text, text and HTML, or in one of ten text with attachments.
func (b *trialBag) body(m *trialMail, n int) string {
	text := fmt.Sprintf("This is mail %d.\r\n\r\n%s\r\n", n, strings.Repeat("We wait for your answer. ", 1+b.random.IntN(40)))
	const plain = "Content-Type: text/plain; charset=utf-8\r\n\r\n"
	switch b.random.IntN(10) {
	case 0:
		var s strings.Builder
		s.WriteString("Content-Type: multipart/mixed; boundary=mixed\r\n\r\n--mixed\r\n" + plain + text)
		for i := range 1 + b.random.IntN(3) {
			data := b.file()
			m.files = append(m.files, digestOf(data))
			fmt.Fprintf(&s, "--mixed\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=file-%d.bin\r\nContent-Transfer-Encoding: base64\r\n\r\n%s\r\n",
				i, inLines(base64.StdEncoding.EncodeToString(data)))
		}
		s.WriteString("--mixed--\r\n")
		return s.String()
	case 1, 2, 3:
		return "Content-Type: multipart/alternative; boundary=alt\r\n\r\n--alt\r\n" + plain + text +
			"--alt\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>This is <b>mail</b> " + fmt.Sprint(n) + ".</p>\r\n--alt--\r\n"
	}
	return plain + text
}

// file is the bytes of an attachment. A third are the same logo, which several
// processes then keep at the same moment.
func (b *trialBag) file() []byte {
	if b.random.IntN(3) == 0 {
		return []byte(strings.Repeat("logo", 1000))
	}
	data := make([]byte, 1+b.random.IntN(40_000))
	for i := range data {
		data[i] = byte(b.random.Uint32())
	}
	return data
}

// automatic is an out-of-office note or a delivery report.
func (b *trialBag) automatic(i int) {
	n, date := b.next()
	m := &trialMail{thread: -1, auto: true, from: fmt.Sprintf("robot%d@company1.example", i), id: fmt.Sprintf("auto.%d@mail.example", n)}
	head := b.head(m, date, "Out of office", []string{"nothing.of.ours@mail.example"})
	if i%2 == 0 {
		b.add(m, head+"Auto-Submitted: auto-replied\r\n", "\r\nI am away.\r\n")
		return
	}
	b.add(m, head, "Content-Type: multipart/report; report-type=delivery-status; boundary=rep\r\n\r\n"+
		"--rep\r\nContent-Type: text/plain\r\n\r\nIt could not be delivered.\r\n"+
		"--rep\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n"+
		"Final-Recipient: rfc822; nobody@example.org\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n--rep--\r\n")
}

// broken is a mail that no standard allows; each is a conversation of its own.
func (b *trialBag) broken(i int) {
	n, _ := b.next()
	m := &trialMail{thread: b.threads}
	b.threads++
	switch i % 4 {
	case 0: // no boundary, no date, a name without its closing quote, no Message-ID
		b.add(m, fmt.Sprintf("From: \"frank <frank%d@wayne.example>\r\nSubject: =?utf-8?q?broken =FF %d?=\r\nDate: yesterday\r\nContent-Type: multipart/mixed\r\n", n, n), "\r\nPlease call me.\r\n")
	case 1: // a part that never ends
		m.from = fmt.Sprintf("gina%d@wayne.example", n)
		b.add(m, fmt.Sprintf("From: %s\r\nSubject: cut %d\r\nContent-Type: multipart/mixed; boundary=x\r\n", m.from, n), "\r\n--x\r\nContent-Type: text/plain\r\n\r\nIt ends h")
	case 2: // bytes of no charset
		m.from = fmt.Sprintf("hal%d@wayne.example", n)
		b.add(m, fmt.Sprintf("From: %s\r\nSubject: \xff\xfe raw %d\r\nContent-Type: text/plain; charset=nonsense\r\n", m.from, n), "\r\n\xc3\x28 \x80\x81 text\r\n")
	case 3: // base64 that is none
		m.from = fmt.Sprintf("ida%d@wayne.example", n)
		b.add(m, fmt.Sprintf("From: %s\r\nSubject: base %d\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n", m.from, n), "\r\n!!!! not base64 ####\r\n")
	}
}

// copy delivers a mail to our other address too, byte for byte.
func (b *trialBag) copy(m *trialMail) {
	c := *m
	c.copied = true
	if c.user, c.folder = trialSales, "INBOX"; m.user == trialSales {
		c.user = trialSupport
	}
	b.mails = append(b.mails, &c)
}

func digestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func inLines(s string) string {
	var b strings.Builder
	for len(s) > 76 {
		b.WriteString(s[:76] + "\r\n")
		s = s[76:]
	}
	return b.String() + s
}
