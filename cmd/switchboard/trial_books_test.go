//go:build unix

package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"switchboard/pipeline/desk"
)

// trialBooks is all that the books hold, read when everything is settled.
type trialBooks struct {
	receipts []desk.Receipt
	tickets  map[desk.TicketID]*desk.Ticket
	messages map[desk.MessageID]*desk.Message
	of       map[desk.TicketID][]*desk.Message
	byRaw    map[string][]*desk.Message // by digest of the raw mail
	byID     map[string][]*desk.Message // by external ID
	states   map[desk.State]int
}

func (tr *trial) readBooks() *trialBooks {
	t := tr.t
	t.Helper()
	b := &trialBooks{tickets: map[desk.TicketID]*desk.Ticket{}, messages: map[desk.MessageID]*desk.Message{}, of: map[desk.TicketID][]*desk.Message{},
		byRaw: map[string][]*desk.Message{}, byID: map[string][]*desk.Message{}, states: map[desk.State]int{}}
	for after := desk.ReceiptID(""); ; after = b.receipts[len(b.receipts)-1].ID {
		page, err := tr.books.ReceiptList(tr.ctx, desk.ReceiptFilter{After: after, Limit: 200})
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		b.receipts = append(b.receipts, page...)
	}
	for _, r := range b.receipts {
		b.states[r.State]++
	}
	for cursor := ""; ; {
		page, next, err := tr.books.Tickets(tr.ctx, desk.TicketFilter{Limit: desk.MaxPage, Cursor: cursor})
		if err != nil {
			t.Fatal(err)
		}
		for _, ticket := range page {
			b.tickets[ticket.ID] = ticket
			tr.readMessages(b, ticket.ID)
		}
		if cursor = next; cursor == "" {
			break
		}
	}
	return b
}

func (tr *trial) readMessages(b *trialBooks, id desk.TicketID) {
	tr.t.Helper()
	for cursor := ""; ; {
		page, next, err := tr.books.Messages(tr.ctx, id, 100, cursor, false)
		if err != nil {
			tr.t.Fatal(err)
		}
		for i := range page {
			m := &page[i]
			b.messages[m.ID] = m
			b.of[id] = append(b.of[id], m)
			b.byID[m.ExternalID] = append(b.byID[m.ExternalID], m)
			if !m.Raw.IsZero() {
				b.byRaw[m.Raw.Digest] = append(b.byRaw[m.Raw.Digest], m)
			}
		}
		if cursor = next; cursor == "" {
			return
		}
	}
}

// count compares the books with what was sent and prints the line of counts.
func (tr *trial) count() {
	t := tr.t
	t.Helper()
	b := tr.readBooks()
	tr.countReceipts(b)
	files := tr.countMails(b)
	right := tr.countThreads(b)
	tr.countCalls(b)
	tr.countPeople(b)
	audit := tr.audit()
	slowest, at := tr.slowest(b)
	created, accepted, tries := tr.answered()
	line := fmt.Sprintf("trial %s: %d mails + %d calls (sent %d times: %d x 201, %d x 202) -> %d receipts: %d filed, %d dropped, %d duplicate, %d failed, %d held, %d open; "+
		"%d tickets, %d messages, %d/%d threads right, %d attachments whole",
		tr.name, len(tr.post)+len(trialPlaces), len(tr.calls), tries, created, accepted, len(b.receipts),
		b.states[desk.Filed], b.states[desk.Dropped], b.states[desk.Duplicate], b.states[desk.Failed], b.states[desk.Held], b.states[desk.Accepted],
		len(b.tickets), len(b.messages), right, tr.threads, files)
	if tr.kills > 0 {
		line += fmt.Sprintf("; %d kills -9%s with %d messages on their way, all settled %.1fs after the last", tr.kills, tr.killed(), tr.hit, tr.settled.Sub(tr.lastKill).Seconds())
	}
	if n := tr.swept(); n > 0 {
		line += fmt.Sprintf("; the sweep queued %d again", n)
	}
	t.Logf("%s; slowest message %.1fs (%s); %.1fs in all; %s; seed %d", line, slowest.Seconds(), at, tr.settled.Sub(tr.began).Seconds(), tr.mailName, tr.seed)
	t.Logf("trial %s: %s", tr.name, audit)
}

func (tr *trial) killed() string {
	if len(tr.roles) == 1 {
		return ""
	}
	var list []string
	for _, r := range tr.roles {
		list = append(list, fmt.Sprintf("%s %d", r.name, r.kills))
	}
	return " (" + strings.Join(list, ", ") + ")"
}

// countReceipts checks that everything sent has one row of the ledger, in the
// state it must have.
func (tr *trial) countReceipts(b *trialBooks) {
	t := tr.t
	want := map[desk.State]int{desk.Filed: len(trialPlaces) + len(tr.calls)}
	autos := map[string]bool{}
	for _, m := range tr.post {
		switch {
		case m.auto:
			want[desk.Dropped]++
			autos[m.digest] = true
		case m.copied:
			want[desk.Duplicate]++
		default:
			want[desk.Filed]++
		}
	}
	for _, s := range []desk.State{desk.Accepted, desk.Filed, desk.Duplicate, desk.Dropped, desk.Held, desk.Failed} {
		if b.states[s] != want[s] {
			t.Errorf("%d receipts are %s, want %d", b.states[s], s, want[s])
		}
	}
	for _, r := range b.receipts {
		switch r.State {
		case desk.Dropped:
			if r.Reason == "" || !autos[r.Raw.Digest] {
				t.Errorf("receipt %s (%s) dropped with the reason %q", r.ID, r.ExternalID, r.Reason)
			}
		case desk.Filed:
			if m := b.messages[r.MessageID]; m == nil || m.Receipt != r.ID || m.TicketID != r.TicketID {
				t.Errorf("receipt %s is filed as message %s of ticket %s, which is %+v", r.ID, r.MessageID, r.TicketID, m)
			}
		case desk.Duplicate:
			if !b.filedAs(r.Reason) || (r.TicketID != "" && b.tickets[r.TicketID] == nil) {
				t.Errorf("receipt %s is a duplicate on ticket %q: %s", r.ID, r.TicketID, r.Reason)
			}
		default:
			t.Errorf("receipt %s (%s) is %s after %d attempts: %s", r.ID, r.ExternalID, r.State, r.Attempts, r.Reason)
		}
	}
}

// filedAs reports whether the words end with a receipt that is filed.
func (b *trialBooks) filedAs(reason string) bool {
	words := strings.Fields(reason)
	return slices.ContainsFunc(b.receipts, func(r desk.Receipt) bool {
		return r.State == desk.Filed && len(words) > 0 && string(r.ID) == words[len(words)-1]
	})
}

// countMails checks that each mail is one message, byte for byte, with its
// attachments, and returns how many of those are whole.
func (tr *trial) countMails(b *trialBooks) (files int) {
	t := tr.t
	messages := len(trialPlaces) + len(tr.calls)
	for _, m := range tr.post {
		if m.copied {
			continue
		}
		found := b.byRaw[m.digest]
		if m.auto {
			if len(found) != 0 || len(b.byID[m.id]) != 0 {
				t.Errorf("the automatic mail %s became %d messages", m.id, len(found))
			}
			continue
		}
		messages++
		if len(found) != 1 || (m.id != "" && len(b.byID[m.id]) != 1) {
			t.Errorf("mail %q from %s: %d messages with its bytes, %d with its ID", m.id, m.from, len(found), len(b.byID[m.id]))
			continue
		}
		tr.whole(found[0].Raw)
		var have []string
		for _, a := range found[0].Attachments {
			have = append(have, a.Blob.Digest)
		}
		if len(m.files) > 0 && strings.Join(have, " ") != strings.Join(m.files, " ") {
			t.Errorf("mail %q has the attachments %v, want %v", m.id, have, m.files)
		}
		for _, a := range found[0].Attachments {
			if tr.whole(a.Blob) {
				files++
			}
		}
	}
	if len(b.messages) != messages {
		t.Errorf("%d messages, want %d", len(b.messages), messages)
	}
	return files
}

// whole reports whether the bytes of a blob are there and are its own.
func (tr *trial) whole(ref desk.BlobRef) bool {
	r, err := tr.blobs.Open(tr.ctx, ref)
	if err != nil {
		tr.t.Errorf("blob %s: %v", ref.Digest, err)
		return false
	}
	defer r.Close()
	h := sha256.New()
	n, err := io.Copy(h, r)
	if got := hex.EncodeToString(h.Sum(nil)); err != nil || got != ref.Digest || n != ref.Size {
		tr.t.Errorf("blob %s has %d bytes with digest %s, want %d bytes: %v", ref.Digest, n, got, ref.Size, err)
		return false
	}
	return true
}

// countThreads checks that each conversation is one ticket with nothing else on
// it, and returns how many are.
func (tr *trial) countThreads(b *trialBooks) (right int) {
	t := tr.t
	if want := tr.threads + len(trialPlaces) + len(tr.calls); len(b.tickets) != want {
		t.Errorf("%d tickets, want %d", len(b.tickets), want)
	}
	for id, ticket := range b.tickets {
		if len(b.of[id]) == 0 || ticket.MessageCount != len(b.of[id]) {
			t.Errorf("ticket %d counts %d messages and has %d", ticket.Number, ticket.MessageCount, len(b.of[id]))
		}
	}
	on := make([]map[desk.TicketID]int, tr.threads)
	for i := range on {
		on[i] = map[desk.TicketID]int{}
	}
	for _, m := range tr.post {
		if m.auto || m.copied {
			continue
		}
		for _, found := range b.byRaw[m.digest] {
			on[m.thread][found.TicketID]++
		}
	}
	for thread, tickets := range on {
		good := len(tickets) == 1
		for id, n := range tickets {
			good = good && n == len(b.of[id])
		}
		if good {
			right++
			continue
		}
		t.Errorf("conversation %d is on %d tickets: %v", thread, len(tickets), tickets)
	}
	return right
}

// countCalls checks that both answers to a call name its one ticket.
func (tr *trial) countCalls(b *trialBooks) {
	t := tr.t
	byID := map[string]desk.Receipt{}
	for _, r := range b.receipts {
		byID[r.ExternalID] = r
	}
	for _, c := range tr.calls {
		r, ok := byID["idem:"+string(tr.keyID)+":"+c.key]
		if !ok {
			t.Errorf("%s has no receipt", c.title)
			continue
		}
		if ticket := b.tickets[r.TicketID]; ticket == nil || ticket.Title != c.title || len(b.of[r.TicketID]) != 1 {
			t.Errorf("%s is ticket %+v with %d messages", c.title, ticket, len(b.of[r.TicketID]))
		}
		if len(c.answers) != 2 {
			t.Errorf("%s: %d answers, want 2", c.title, len(c.answers))
		}
		for _, a := range c.answers {
			if (a.ticket != "" && a.ticket != string(r.TicketID)) || (a.receipt != "" && a.receipt != string(r.ID)) {
				t.Errorf("%s: answer %+v, but the books say ticket %s, receipt %s", c.title, a, r.TicketID, r.ID)
			}
		}
	}
}

// countPeople checks that an address is one customer and that the agents' turns
// were taken once for each ticket.
func (tr *trial) countPeople(b *trialBooks) {
	t := tr.t
	who := map[string]string{}
	for _, m := range b.messages {
		if m.From.Handle == "" || m.Author.Kind != desk.ByCustomer {
			continue
		}
		if id, ok := who[m.From.Handle]; ok && id != m.Author.ID {
			t.Errorf("%s is two customers: %s and %s", m.From.Handle, id, m.Author.ID)
		}
		who[m.From.Handle] = m.Author.ID
	}
	turns := map[desk.AgentID]int{}
	for _, ticket := range b.tickets {
		turns[ticket.AgentID]++
	}
	spare := 0
	if tr.name == "fleet" { // each of three processes that file may keep a turn it gave back
		spare = 3
	}
	for _, id := range []desk.AgentID{"ada", "bo", "chen"} {
		if n, share := turns[id], len(b.tickets)/3; n < share-spare || n > share+1+spare {
			t.Errorf("the turns are uneven: %v of %d tickets", turns, len(b.tickets))
			break
		}
	}
}

// slowest returns the longest way of a message from acceptance to settlement,
// and which it was.
func (tr *trial) slowest(b *trialBooks) (longest time.Duration, which string) {
	for _, r := range b.receipts {
		if d := r.SettledAt.Sub(r.AcceptedAt); d > longest {
			longest, which = d, r.Source
		}
	}
	return longest, which
}
