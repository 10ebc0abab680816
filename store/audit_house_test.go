package store

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"switchboard/pipeline/desk"
	"switchboard/store/blob"
	"switchboard/store/storetest/pgtest"
)

// auditHouse is a house in which every check of the audit has something to look
// at, and nothing to find.
type auditHouse struct {
	testing.TB
	s     *Store
	blobs *blob.Blobs
	dir   string // of the blobs
	now   time.Time
	names map[string]string // of rows, for the SQL that breaks them
	acked []string
}

func (h *auditHouse) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

// eachAuditHouse runs a test on both databases.
func eachAuditHouse(t *testing.T, test func(t *testing.T, h *auditHouse)) {
	for _, url := range []string{filepath.Join(t.TempDir(), "books.db"), pgtest.New(t)} {
		s, err := Open(t.Context(), Options{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		t.Run(s.Dialect(), func(t *testing.T) { test(t, newAuditHouse(t, s)) })
	}
}

// newAuditHouse furnishes new books.
func newAuditHouse(t *testing.T, s *Store) *auditHouse {
	h := &auditHouse{TB: t, s: s, dir: t.TempDir(), now: micro(time.Now().Add(-48 * time.Hour)), names: map[string]string{}}
	h.must(s.Migrate(t.Context()))
	var err error
	h.blobs, err = blob.Open(h.dir, blob.Options{})
	h.must(err)
	t.Cleanup(func() { h.blobs.Close() })
	h.furnish()
	return h
}

// emptyURL is where new books of a dialect are.
func emptyURL(t testing.TB, dialect string) string {
	if dialect == SQLite {
		return filepath.Join(t.TempDir(), "books.db")
	}
	return pgtest.New(t)
}

func (h *auditHouse) put(text string) desk.BlobRef {
	h.Helper()
	ref, err := h.blobs.Put(h.Context(), strings.NewReader(text))
	h.must(err)
	return ref
}

// accepts takes a message in, with raw bytes and a file.
func (h *auditHouse) accepts(source, externalID string, more func(*desk.Draft)) desk.Receipt {
	h.Helper()
	d := &desk.Draft{Source: source, Channel: desk.Email, Scope: "EMAIL", ExternalID: externalID, Fingerprint: desk.Fingerprint(externalID),
		From: desk.Party{Name: "Ann", Handle: externalID + "@example.com"}, Subject: "help", Text: strings.Repeat("it broke. ", 40), ReceivedAt: h.now,
		Raw: h.put("raw " + externalID), HTML: h.put("html " + externalID), Thread: desk.Thread{Key: externalID},
		Attachments: []desk.Attachment{{Name: "a.txt", Blob: h.put("file " + externalID)}}}
	if more != nil {
		more(d)
	}
	r := desk.NewReceipt(d, h.now)
	ids, err := h.s.Accept(h.Context(), nil, []desk.Receipt{r})
	h.must(err)
	r.ID = ids[0]
	return r
}

func (h *auditHouse) message(r desk.Receipt) *desk.Message {
	d := r.Draft
	return &desk.Message{ID: desk.NewID[desk.MessageID](h.now), Receipt: r.ID, Direction: desk.Inbound, Public: true, Channel: d.Channel, Source: d.Source,
		Scope: d.Scope, ExternalID: d.ExternalID, Fingerprint: d.Fingerprint, From: d.From, Text: d.Text, Raw: d.Raw, HTML: d.HTML,
		Attachments: d.Attachments, CreatedAt: h.now}
}

// policy promises answers.
func (h *auditHouse) policy() *desk.Policy {
	p := desk.NewPolicy()
	p.SLAs = []desk.SLA{{Name: "standard", PauseOn: []desk.Category{desk.CategoryPending}, Targets: []desk.Target{
		{Metric: desk.FirstResponse, Default: 400 * time.Hour}, {Metric: desk.NextResponse, Default: 400 * time.Hour}, {Metric: desk.Resolution, Default: 1600 * time.Hour}}}}
	return p
}

// opens makes a ticket of a receipt, with clocks and a customer of its own.
func (h *auditHouse) opens(r desk.Receipt) *desk.Filing {
	h.Helper()
	c := &desk.Customer{ID: desk.NewID[desk.CustomerID](h.now), Name: "Ann", CreatedAt: h.now, UpdatedAt: h.now}
	account := &desk.Account{ID: desk.NewID[desk.AccountID](h.now), Domain: r.ExternalID + ".example", CreatedAt: h.now}
	c.AccountID = account.ID
	t := &desk.Ticket{ID: desk.NewID[desk.TicketID](h.now), Title: "help", Description: r.Draft.Text, Status: desk.StatusNew, Priority: desk.Medium, Type: "QUESTION", Channel: desk.Email,
		Source: "mail", Scope: "EMAIL", TeamID: "support", CustomerID: c.ID, MessageCount: 1, CreatedAt: h.now, UpdatedAt: h.now}
	p := h.policy()
	h.must(t.StartClocks(p, p.SLAs[0], h.now))
	m := h.message(r)
	m.Author = desk.Actor{Kind: desk.ByCustomer, ID: string(c.ID)}
	return &desk.Filing{Receipt: r.ID, At: h.now, Verdict: desk.Filed, Ticket: t, Policy: p, Message: m, Customer: c, NewCustomer: true, Account: account,
		Identities: []desk.Identity{{Kind: "email", Handle: r.Draft.From.Handle, CustomerID: c.ID}}, Claims: []string{r.ExternalID},
		Group: &desk.Group{Key: r.ExternalID, At: h.now}, Events: []desk.Event{t.Opened(m.Author, h.now)}}
}

func (h *auditHouse) filed(f *desk.Filing) {
	h.Helper()
	res, err := h.s.File(h.Context(), []*desk.Filing{f})
	h.must(err)
	h.must(res[0].Err)
}

// ends settles a receipt without filing it.
func (h *auditHouse) ends(r desk.Receipt, as desk.State, reason string) {
	h.Helper()
	h.filed(&desk.Filing{Receipt: r.ID, At: h.now, Verdict: as, Reason: reason})
}

// says adds a comment of an agent.
func (h *auditHouse) says(ticket desk.TicketID, public bool) desk.MessageID {
	h.Helper()
	m := &desk.Message{ID: desk.NewID[desk.MessageID](h.now), TicketID: ticket, Direction: desk.Internal, Public: public, Channel: desk.API, Source: "api",
		Scope: "EMAIL", Author: desk.Actor{Kind: desk.ByAgent, ID: "ada"}, Text: "we look", CreatedAt: h.now}
	if public {
		m.Direction, m.Send = desk.Outbound, desk.SendQueued
	}
	_, _, err := h.s.AddMessage(h.Context(), m, func(t *desk.Ticket) ([]desk.Event, error) {
		return t.Apply(h.policy(), desk.Change{At: h.now, By: m.Author, Said: &desk.Said{Message: m.ID, By: desk.ByAgent, Public: public}})
	})
	h.must(err)
	return m.ID
}

// furnish fills the house with one of everything.
func (h *auditHouse) furnish() {
	h.Helper()
	ctx := h.Context()
	var tickets []desk.TicketID
	var people []desk.CustomerID
	for i := range 4 {
		r := h.accepts("mail", fmt.Sprintf("case%d", i), nil)
		f := h.opens(r)
		h.filed(f)
		tickets, people = append(tickets, f.Ticket.ID), append(people, f.Customer.ID)
		h.names[fmt.Sprintf("receipt%d", i)], h.names[fmt.Sprintf("ticket%d", i)] = string(r.ID), string(f.Ticket.ID)
		h.names[fmt.Sprintf("customer%d", i)], h.names[fmt.Sprintf("message%d", i)] = string(f.Customer.ID), string(f.Message.ID)
		h.acked = append(h.acked, fmt.Sprintf(`{"source":"mail","externalId":"case%d","receipt":%q,"ticket":%q,"thread":"t%d","state":"filed"}`, i, r.ID, f.Ticket.ID, i))
	}
	said := desk.MessageID(h.names["message0"])
	edit := h.accepts("mail", "edit", func(d *desk.Draft) { d.Act, d.Target, d.Text = desk.ActEdit, "case0", "it works" })
	h.filed(&desk.Filing{Receipt: edit.ID, At: h.now, Verdict: desk.Filed, Into: tickets[0], Policy: h.policy(),
		Revision: &desk.Revision{Message: said, Act: desk.ActEdit, Text: "it works", At: h.now}})
	twice := h.accepts("other", "case0", nil)
	h.ends(twice, desk.Duplicate, "the same message came by mail as receipt "+h.names["receipt0"])
	dropped, held := h.accepts("mail", "spam", nil), h.accepts("mail", "odd", nil)
	h.ends(dropped, desk.Dropped, "spam")
	h.ends(held, desk.Held, "a person must look")
	broken := h.accepts("mail", "broken", nil)
	h.must(h.s.Fail(ctx, broken.ID, "it cannot be read", h.now))
	waiting := h.accepts("mail", "waiting", func(d *desk.Draft) {})
	h.names["edit"], h.names["twice"], h.names["dropped"], h.names["waiting"] = string(edit.ID), string(twice.ID), string(dropped.ID), string(waiting.ID)
	small := h.accepts("mail", "small", func(d *desk.Draft) {
		k := desk.Keep([]byte(`{"text":"` + strings.Repeat(`a small\nrequest `, 20) + `"}`))
		d.Raw, d.Kept, d.Text = k.Ref, []desk.Kept{k}, strings.Repeat("a small\nrequest ", 20)
	})
	h.ends(small, desk.Dropped, "small")
	h.names["small"] = string(small.ID)
	canary := h.accepts("mail", "canary", nil)
	h.ends(canary, desk.Dropped, desk.CanaryReason)
	h.names["canary"] = string(canary.ID)
	h.must(h.s.CanaryHeard(ctx, "mail", h.now, h.now.Add(time.Second), canary.ID))
	h.must(h.s.KeepContact(ctx, desk.Contact{Source: "teams", Kind: desk.Person, Handle: "ann", Address: []byte("{}"), At: h.now}))
	h.must(h.s.KeepContact(ctx, desk.Contact{Source: "teams", Kind: desk.Place, Handle: "room", Address: []byte("{}"), At: h.now}))
	h.must(h.s.w.Exec("UPDATE ledger SET accepted_at = ? WHERE id = ?", micro(time.Now()), string(waiting.ID)).Error)
	h.acked = append(h.acked, `{"source":"other","externalId":"case0","thread":"t0"}`, `{"receipt":"`+string(edit.ID)+`","thread":"t0"}`, `{"source":"mail","externalId":"spam"}`)

	h.now = h.now.Add(time.Minute)
	sent := h.says(tickets[0], true)
	_, err := h.s.TakeToSend(ctx, sent, h.now, time.Minute, "")
	h.must(err)
	h.must(h.s.Delivered(ctx, sent, desk.Proof{ExternalID: "ours", At: h.now}))
	failed := h.says(tickets[0], true)
	h.must(h.s.Undelivered(ctx, failed, 0, desk.SendFailed, "no such address", nil))
	h.names["sent"], h.names["failed"], h.names["note"] = string(sent), string(failed), string(h.says(tickets[0], false))
	h.now = micro(time.Now())
	h.names["queued"], h.names["sending"] = string(h.says(tickets[1], true)), string(h.says(tickets[2], true))
	_, err = h.s.TakeToSend(ctx, desk.MessageID(h.names["sending"]), h.now, time.Minute, "")
	h.must(err)
	status := desk.StatusResolved
	_, err = h.s.Change(ctx, tickets[0], 0, func(t *desk.Ticket) ([]desk.Event, error) {
		return t.Apply(h.policy(), desk.Change{At: h.now, By: desk.Actor{Kind: desk.ByAgent, ID: "ada"}, Status: &status})
	})
	h.must(err)
	h.must(h.s.Link(ctx, desk.Link{From: tickets[0], To: tickets[1], Type: desk.Relates, CreatedAt: h.now}))
	_, err = h.s.MergeCustomers(ctx, people[2], people[3], desk.Actor{Kind: desk.ByAgent, ID: "ada"}, h.now)
	h.must(err)
	h.must(h.s.w.Exec("UPDATE tickets SET merged_into = ? WHERE id = ?", string(tickets[2]), string(tickets[3])).Error)
	token, _, err := h.s.Acquire(ctx, "lease", "one", h.now, time.Minute)
	h.must(err)
	_, err = h.s.Accept(ctx, &desk.Cursor{Source: "mail", Folder: "INBOX", UIDValidity: 7, LastUID: 9, Lease: "lease", Token: token}, nil)
	h.must(err)
}

// options look at everything.
func (h *auditHouse) options() AuditOptions {
	return AuditOptions{Now: time.Now(), Grace: time.Hour, Skew: time.Second, Patience: time.Minute, Batch: 3, Show: 20, Blobs: h.blobs, Orphans: time.Hour, Digest: true,
		Acknowledged: strings.NewReader(strings.Join(h.acked, "\n")), Temp: h.dir}
}
