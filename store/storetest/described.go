package storetest

import (
	"fmt"
	"strings"
	"time"

	"switchboard/pipeline/desk"
)

// long is a text of a mail's length with a word to find it by. It begins and ends
// with white space, which is nobody's to take away.
func long(word string) string {
	return "  The " + word + " is broken.\n" + strings.Repeat("It was whole — 100% — before. ", 40) + "\n "
}

// describedBy is a filing of a new ticket that is described by its message.
func (h *house) describedBy(externalID, text string) *desk.Filing {
	h.Helper()
	d := h.draft(externalID)
	d.Text = text
	f := h.from(h.opens(h.accept(d)[0]), externalID+"@example.com")
	f.Ticket.Description = desk.Description(text)
	return f
}

// says fails the test unless a ticket says the same to whoever asks for it.
func (h *house) says(id desk.TicketID, want string) {
	h.Helper()
	t := h.ticket(id)
	h.equal("description", t.Description, want)
	list, _, err := h.s.Tickets(h.ctx, desk.TicketFilter{Customer: t.CustomerID, Limit: desk.MaxPage})
	h.must(err)
	listed := 0
	for _, other := range list {
		if other.ID == id {
			h.equal("in a list", *other, *t)
			listed++
		}
	}
	h.equal("times in the list", listed, 1)
	v := h.view()
	for _, seen := range []func() (*desk.Ticket, error){
		func() (*desk.Ticket, error) {
			t, err := v.Ticket(h.ctx, id)
			h.must(err)
			return t, v.Describe(h.ctx, t)
		},
		func() (*desk.Ticket, error) { return v.TicketByNumber(h.ctx, t.Number) },
		func() (*desk.Ticket, error) { return h.s.Ticket(h.ctx, fmt.Sprint(t.Number)) },
		func() (*desk.Ticket, error) { // a change of nothing
			return h.s.Change(h.ctx, id, 0, func(t *desk.Ticket) ([]desk.Event, error) { return nil, nil })
		},
	} {
		got, err := seen()
		h.must(err)
		h.equal("ticket", *got, *t)
	}
	h.equal("version", h.ticket(id).Version, t.Version)
}

// found are the tickets that a text finds.
func (h *house) found(text string) int {
	h.Helper()
	list, _, err := h.s.Tickets(h.ctx, desk.TicketFilter{Text: text})
	h.must(err)
	return len(list)
}

func describedByMessage(h *house) {
	short, huge := "it broke", strings.Repeat("ä huge mail. ", 20_000)
	var fs []*desk.Filing
	texts := []string{long("Printer"), long("scanner"), short, "", huge, "a\x00b" + long("nul"), long("half \xff") + "\xf0"}
	for i, text := range texts {
		fs = append(fs, h.describedBy(fmt.Sprint(i), text))
	}
	own := h.describedBy("own", long("copier"))
	own.Ticket.Description = long("other")
	fs = append(fs, own)
	for i, r := range h.filed(fs...) {
		h.says(r.Ticket, desk.Clean(fs[i].Ticket.Description))
		h.equal("message", h.messages(r.Ticket)[0].Text, desk.Clean(fs[i].Message.Text))
	}
	h.equal("as it was filed", fs[0].Ticket.Description, long("Printer"))
	for text, want := range map[string]int{"pRINTER": 1, "scanner is": 1, "100% — before": 5, "1_0%": 0, "copier": 0, "other is": 1, "ä huge": 1,
		"IT BROKE": 1, "ab  the nul": 1, "half \ufffd is": 1, "nothing": 0} {
		h.equal("found by "+text, h.found(text), want)
	}
	h.change(fs[0].Ticket.ID, func(t *desk.Ticket) { t.DeletedAt = &h.now })
	h.equal("of deleted tickets", h.found("printer"), 0)
}

// A reply, a link, a comment, another customer and every other field leave the
// words as they are; whoever changes them does.
func describedStays(h *house) {
	words := long("printer")
	f, other := h.describedBy("a", words), h.describedBy("b", long("scanner"))
	id := h.filed(f, other)[0].Ticket
	ann := f.Ticket.CustomerID
	reply := func(externalID string, c desk.Change) *desk.Filing {
		h.now = h.now.Add(time.Minute)
		j := h.joins(h.accept(h.draft(externalID))[0], id)
		c.At, c.By, c.Said = j.Change.At, j.Change.By, j.Change.Said
		j.Change = c
		return j
	}
	title, high := "new title", desk.High
	h.filed(reply("r1", desk.Change{}), reply("r2", desk.Change{Title: &title, AddTags: []string{"vip"}}))
	h.says(id, words)
	got, err := h.s.Change(h.ctx, id, 0, func(t *desk.Ticket) ([]desk.Event, error) {
		h.equal("what a change sees", t.Description, words)
		return t.Apply(desk.NewPolicy(), desk.Change{At: h.now, Priority: &high})
	})
	h.must(err)
	h.equal("returned", *got, *h.ticket(id))
	h.must(h.s.Link(h.ctx, desk.Link{From: id, To: other.Ticket.ID, Type: desk.Relates, CreatedAt: h.now}))
	m := h.message(h.accept(h.draft("note"))[0])
	m.TicketID, m.Direction = id, desk.Internal
	commented, _, err := h.s.AddMessage(h.ctx, m, func(t *desk.Ticket) ([]desk.Event, error) {
		return t.Apply(desk.NewPolicy(), desk.Change{At: h.now, AddHandling: time.Minute})
	})
	h.must(err)
	h.equal("commented", *commented, *h.ticket(id))
	h.says(id, words)
	_, err = h.s.MergeCustomers(h.ctx, other.Ticket.CustomerID, ann, boss, h.now)
	h.must(err)
	h.says(id, words)
	h.says(other.Ticket.ID, long("scanner"))
	split, err := h.s.SplitCustomer(h.ctx, other.Ticket.CustomerID, []desk.Identity{{Kind: "email", Handle: "a@example.com"}}, boss, h.now)
	h.must(err)
	h.equal("split", h.ticket(id).CustomerID, split.Customer.ID)
	h.says(id, words)

	// Words that are the same already are no change, in a reply and by hand.
	before := h.ticket(id)
	h.filed(reply("r3", desk.Change{Description: &words}))
	h.equal("events", h.ticket(id).EventCount, before.EventCount+1)
	h.says(id, words)
	fresh, third := long("copier"), long("telephone")
	h.filed(reply("r4", desk.Change{Description: &fresh}), reply("r5", desk.Change{}))
	h.says(id, fresh)
	h.filed(reply("r6", desk.Change{}))
	h.says(id, fresh)
	h.equal("found by the new words", h.found("copier"), 1)
	h.equal("found by the old words", h.found("printer"), 0)
	for _, text := range []string{third, "short", "", words} {
		h.change(id, func(t *desk.Ticket) { t.Description = text })
		h.says(id, text)
	}
	h.change(other.Ticket.ID, func(t *desk.Ticket) { t.Description = "" })
	h.says(other.Ticket.ID, "")
	h.equal("messages keep theirs", h.messages(other.Ticket.ID)[0].Text, long("scanner"))
	h.equal("found by nothing", h.found("scanner"), 0)
}

func describedRevised(h *house) {
	at := func(n int) time.Time { return h.now.Add(time.Duration(n) * time.Minute) }
	f, later := h.describedBy("a", long("printer")), h.describedBy("b", long("scanner"))
	later.Message.CreatedAt = at(1) // the ticket was not opened by it, and keeps its words
	h.filed(f, later)
	id, m := f.Ticket.ID, h.messages(f.Ticket.ID)[0]
	edit := func(n int, text string) *desk.Filing {
		return h.revises(h.event(fmt.Sprint("e", n)), id, m, desk.ActEdit, text, at(n))
	}
	text := strings.Repeat("b", 60<<10)
	for n, words := range []string{long("copier"), "short", long("telephone"), strings.Repeat("ä", 40<<10), text, text + text, long("telephone")} {
		h.filed(edit(n+1, words))
		h.says(id, desk.Description(words))
		h.equal("message", h.messages(id)[0].Text, words)
	}
	h.equal("found", h.found("telephone"), 1)
	h.equal("found by the old words", h.found("copier"), 0)
	h.filed(h.revises(h.event("gone"), id, m, desk.ActDelete, "", at(20)))
	h.says(id, "")
	h.equal("found by what was taken back", h.found("telephone"), 0)
	h.filed(edit(21, long("lamp"))) // of a deleted message
	h.says(id, "")
	h.filed(h.revises(h.event("back"), id, m, desk.ActRestore, "", at(22)))
	h.says(id, long("lamp"))

	// In one group: an edit, a reply and a change of the words; then the other way round.
	mine := long("my own")
	asks := h.joins(h.accept(h.draft("asks"))[0], id)
	asks.Change.Description = &mine
	h.filed(edit(30, long("door")), h.joins(h.accept(h.draft("reply"))[0], id), asks)
	h.says(id, mine)
	h.filed(edit(31, long("window"))) // they are not the message's any more
	h.says(id, mine)
	g := h.describedBy("c", long("chair"))
	h.filed(g)
	asks = h.joins(h.accept(h.draft("asks again"))[0], g.Ticket.ID)
	asks.Change.Description = &mine
	said := h.messages(g.Ticket.ID)[0]
	h.filed(asks, h.revises(h.event("chair"), g.Ticket.ID, said, desk.ActEdit, long("table"), at(1)))
	h.says(g.Ticket.ID, mine)

	other := h.messages(later.Ticket.ID)[0]
	h.filed(h.revises(h.event("later"), later.Ticket.ID, other, desk.ActEdit, long("sofa"), at(2)))
	h.says(later.Ticket.ID, long("scanner"))
	h.filed(h.joins(h.accept(h.draft("after"))[0], later.Ticket.ID))
	h.says(later.Ticket.ID, long("scanner"))
}

// A ticket that one of ours opened is described by it too.
func describedByOurs(h *house) {
	f := h.describedBy("a", long("printer"))
	f.Message.Direction = desk.Internal
	id := h.filed(f)[0].Ticket
	revise := func(n int, act desk.Act, text, want string) {
		h.Helper()
		_, err := h.s.Revise(h.ctx, id, desk.Revision{Message: f.Message.ID, Act: act, Text: text, At: h.now.Add(time.Duration(n) * time.Minute)}, boss, nil)
		h.must(err)
		h.says(id, want)
	}
	revise(1, desk.ActEdit, long("scanner"), long("scanner"))
	revise(2, desk.ActEdit, "short", "short")
	revise(3, desk.ActEdit, long("copier"), long("copier"))
	revise(4, desk.ActDelete, "", "")
	revise(5, desk.ActRestore, "", long("copier"))
	revise(6, desk.ActEdit, long("lamp"), long("lamp"))
}
