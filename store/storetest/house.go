package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"switchboard/pipeline/desk"
	"switchboard/store"
)

// house is a store with hands: what every test needs to accept and file
// messages.
type house struct {
	testing.TB
	s   *store.Store
	ctx context.Context
	now time.Time
}

// scope is where the messages of the tests live unless they say otherwise.
const scope = "EMAIL"

func newHouse(t *testing.T, s *store.Store) *house {
	return &house{TB: t, s: s, ctx: t.Context(), now: time.Date(2026, 3, 4, 5, 6, 7, 123456000, time.UTC)}
}

// must fails the test when a call that has to succeed did not.
func (h *house) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

// refused fails the test unless err is of a kind.
func (h *house) refused(err, want error) {
	h.Helper()
	if !errors.Is(err, want) {
		h.Fatalf("got error %v, want %v", err, want)
	}
}

// equal fails the test unless two values print alike.
func (h *house) equal(what string, got, want any) {
	h.Helper()
	if g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); g != w {
		h.Fatalf("%s:\n got %s\nwant %s", what, g, w)
	}
}

// draft is a message of a customer; each external ID is another message.
func (h *house) draft(externalID string) *desk.Draft {
	return &desk.Draft{Source: "mail", Channel: desk.Email, Scope: scope, ExternalID: externalID, Fingerprint: desk.Fingerprint(externalID),
		From: desk.Party{Name: "Ann", Handle: externalID + "@example.com"}, Subject: "help", Text: "it broke", ReceivedAt: h.now}
}

// accept puts drafts into the ledger and returns their receipts.
func (h *house) accept(drafts ...*desk.Draft) []desk.Receipt {
	h.Helper()
	rs := make([]desk.Receipt, len(drafts))
	for i, d := range drafts {
		rs[i] = desk.NewReceipt(d, h.now)
	}
	ids, err := h.s.Accept(h.ctx, nil, rs)
	h.must(err)
	for i := range rs {
		rs[i].ID = ids[i]
	}
	return rs
}

// message is the entry a receipt becomes.
func (h *house) message(r desk.Receipt) *desk.Message {
	d := r.Draft
	return &desk.Message{ID: desk.NewID[desk.MessageID](h.now), Receipt: r.ID, Direction: desk.Inbound, Public: true,
		Author: desk.Actor{Kind: desk.ByCustomer, ID: "nobody"}, Channel: d.Channel, Source: d.Source, Scope: d.Scope,
		ExternalID: d.ExternalID, Fingerprint: d.Fingerprint, From: d.From, Subject: d.Subject, Text: d.Text, CreatedAt: h.now}
}

// opens is a filing that makes a new ticket of a receipt and claims keys, its
// own external ID among them.
func (h *house) opens(r desk.Receipt, claims ...string) *desk.Filing {
	t := &desk.Ticket{ID: desk.NewID[desk.TicketID](h.now), Title: r.Draft.Subject, Status: desk.StatusNew, Priority: desk.Medium,
		Type: "QUESTION", Channel: r.Draft.Channel, Source: r.Draft.Source, Scope: r.Draft.Scope, TeamID: "support",
		MessageCount: 1, CreatedAt: h.now, UpdatedAt: h.now}
	m := h.message(r)
	return &desk.Filing{Receipt: r.ID, At: h.now, Verdict: desk.Filed, Ticket: t, Policy: desk.NewPolicy(), Message: m,
		Claims: append([]string{r.ExternalID}, claims...), Events: []desk.Event{t.Opened(m.Author, h.now)}}
}

// joins is a filing that puts a receipt on an existing ticket.
func (h *house) joins(r desk.Receipt, into desk.TicketID, claims ...string) *desk.Filing {
	m := h.message(r)
	return &desk.Filing{Receipt: r.ID, At: h.now, Verdict: desk.Filed, Into: into, Policy: desk.NewPolicy(), Message: m,
		Claims: append([]string{r.ExternalID}, claims...),
		Change: desk.Change{At: h.now, By: m.Author, Said: &desk.Said{Message: m.ID, By: desk.ByCustomer, Public: true, Joins: []string{r.Draft.From.Handle}}}}
}

// from gives a filing a new customer with handles.
func (h *house) from(f *desk.Filing, handles ...string) *desk.Filing {
	c := &desk.Customer{ID: desk.NewID[desk.CustomerID](h.now), Name: "Ann", CreatedAt: h.now, UpdatedAt: h.now}
	f.Customer, f.NewCustomer = c, true
	f.Message.Author.ID = string(c.ID)
	if f.Ticket != nil {
		f.Ticket.CustomerID = c.ID
		f.Events[0].Actor.ID = string(c.ID)
	}
	for _, handle := range handles {
		f.Identities = append(f.Identities, desk.Identity{Kind: "email", Handle: handle, CustomerID: c.ID})
	}
	return f
}

// file files a group that must not fail as a whole.
func (h *house) file(fs ...*desk.Filing) []desk.FilingResult {
	h.Helper()
	results, err := h.s.File(h.ctx, fs)
	h.must(err)
	if len(results) != len(fs) {
		h.Fatalf("%d results of %d filings", len(results), len(fs))
	}
	return results
}

// filed files a group of which none may fail.
func (h *house) filed(fs ...*desk.Filing) []desk.FilingResult {
	h.Helper()
	results := h.file(fs...)
	for i, r := range results {
		if r.Err != nil {
			h.Fatalf("filing %d: %v", i, r.Err)
		}
	}
	return results
}

// opened makes a ticket out of nothing and returns it as saved.
func (h *house) opened(externalID string) *desk.Ticket {
	h.Helper()
	return h.ticket(h.filed(h.opens(h.accept(h.draft(externalID))[0]))[0].Ticket)
}

func (h *house) ticket(id desk.TicketID) *desk.Ticket {
	h.Helper()
	t, err := h.s.Ticket(h.ctx, string(id))
	h.must(err)
	return t
}

func (h *house) receipt(id desk.ReceiptID) desk.Receipt {
	h.Helper()
	r, err := h.s.Receipt(h.ctx, id)
	h.must(err)
	return r
}

// messages are all messages of a ticket.
func (h *house) messages(id desk.TicketID) []desk.Message {
	h.Helper()
	list, next, err := h.s.Messages(h.ctx, id, desk.MaxPage, "", false)
	h.must(err)
	if next != "" {
		h.Fatal("more messages than a page")
	}
	return list
}

// events are all events of a ticket.
func (h *house) events(id desk.TicketID) []desk.Event {
	h.Helper()
	list, err := h.s.Events(h.ctx, id, 0, desk.MaxPage)
	h.must(err)
	return list
}

// tickets counts the tickets there are.
func (h *house) tickets() int {
	h.Helper()
	n := 0
	for f := (desk.TicketFilter{Limit: desk.MaxPage}); ; {
		list, next, err := h.s.Tickets(h.ctx, f)
		h.must(err)
		n += len(list)
		if next == "" {
			return n
		}
		f.Cursor = next
	}
}

// view is a view without anything read ahead.
func (h *house) view(drafts ...*desk.Draft) *store.View {
	h.Helper()
	v, err := h.s.View(h.ctx, drafts)
	h.must(err)
	return v
}

// owner is the ticket a key belongs to, or "".
func (h *house) owner(key string) desk.TicketID {
	h.Helper()
	owners, err := h.view().Threads(h.ctx, scope, []string{key})
	h.must(err)
	return owners[key]
}

// atOnce runs n functions that all start together, and waits for them.
func (h *house) atOnce(n int, fn func(i int) error) {
	h.Helper()
	var ready, done sync.WaitGroup
	ready.Add(n)
	errs := make([]error, n)
	for i := range n {
		done.Go(func() {
			ready.Done()
			ready.Wait()
			errs[i] = fn(i)
		})
	}
	done.Wait()
	h.must(errors.Join(errs...))
}
