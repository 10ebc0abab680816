package storetest

import (
	"fmt"
	"time"

	"switchboard/pipeline/desk"
)

func filedWhole(h *house) {
	rs := h.accept(h.draft("a"), h.draft("b"))
	f := h.from(h.opens(rs[0], "key"), "ann@example.com")
	f.Trail = []desk.Note{{Stage: "thread", Text: "a new ticket", Data: map[string]any{"n": 1.0}}}
	f.Reason = "because"
	res := h.filed(f)
	t := h.ticket(res[0].Ticket)
	if t.Number != res[0].Number || t.Number == 0 || t.Version != 1 || t.MessageCount != 1 || t.CustomerID != f.Customer.ID {
		h.Fatalf("ticket %+v, result %+v", t, res[0])
	}
	r := h.receipt(rs[0].ID)
	if r.State != desk.Filed || r.TicketID != t.ID || r.MessageID != f.Message.ID || r.Reason != "because" || !r.SettledAt.Equal(h.now) {
		h.Fatalf("receipt %+v", r)
	}
	h.equal("trail", r.Trail, f.Trail)
	ms := h.messages(t.ID)
	f.Message.TicketID = t.ID
	h.equal("message", ms, []desk.Message{*f.Message})
	h.equal("events", h.events(t.ID), f.Events)

	h.now = h.now.Add(time.Minute)
	g := h.joins(rs[1], t.ID)
	g.Change.AddTags = []string{"vip"}
	h.equal("joined", h.filed(g)[0], desk.FilingResult{Ticket: t.ID, Number: t.Number})
	u := h.ticket(t.ID)
	if u.Version != 2 || u.MessageCount != 2 || len(u.Tags) != 1 || !u.Has("b@example.com") || !u.UpdatedAt.Equal(h.now) || !u.CreatedAt.Equal(t.CreatedAt) {
		h.Fatalf("joined ticket %+v", u)
	}
	h.equal("messages", len(h.messages(t.ID)), 2)
	h.equal("owner", h.owner("b"), t.ID)
	h.equal("receipt", h.receipt(rs[1].ID).TicketID, t.ID)
}

func settledOnce(h *house) {
	rs := h.accept(h.draft("a"), h.draft("b"))
	f := h.opens(rs[0])
	id := h.filed(f)[0].Ticket
	again := h.opens(rs[0])
	twice, third := h.opens(rs[1]), h.opens(rs[1])
	res := h.file(f, again, twice, third)
	h.refused(res[0].Err, desk.ErrSettled)
	h.refused(res[1].Err, desk.ErrSettled)
	h.must(res[2].Err)
	h.refused(res[3].Err, desk.ErrSettled)
	h.equal("tickets", h.tickets(), 2)
	h.equal("the receipt keeps its ticket", h.receipt(rs[0].ID).TicketID, id)
	unknown := h.opens(rs[0])
	unknown.Receipt = "unknown"
	h.refused(h.file(unknown)[0].Err, desk.ErrNotFound)
}

func endedReceipts(h *house) {
	rs := h.accept(h.draft("a"), h.draft("b"), h.draft("c"), h.draft("d"))
	t := h.filed(h.opens(rs[0]))[0].Ticket
	fs := []*desk.Filing{
		{Receipt: rs[1].ID, At: h.now, Verdict: desk.Duplicate, Reason: "same", Into: t},
		{Receipt: rs[2].ID, At: h.now, Verdict: desk.Dropped, Reason: "loop"},
		{Receipt: rs[3].ID, At: h.now, Verdict: desk.Held, Reason: "ask Ann", Trail: []desk.Note{{Stage: "rules", Text: "held"}}},
	}
	h.filed(fs...)
	for i, f := range fs {
		r := h.receipt(rs[i+1].ID)
		if r.State != f.Verdict || r.Reason != f.Reason || r.TicketID != f.Into || r.MessageID != "" || len(r.Trail) != len(f.Trail) {
			h.Errorf("%s: %+v", f.Verdict, r)
		}
	}
	h.equal("tickets", h.tickets(), 1)
	h.refused(h.file(fs[1])[0].Err, desk.ErrSettled)
	open := h.accept(h.draft("e"))[0].ID
	left, err := h.s.Unsettled(h.ctx, []desk.ReceiptID{rs[0].ID, rs[1].ID, rs[2].ID, rs[3].ID, open})
	h.must(err)
	if len(left) != 1 || left[0].ID != open || left[0].Draft == nil {
		h.Errorf("not settled: %v", left)
	}
}

// A caller tries a group again in halves, so what it holds must stay as it was.
func filingsUntouched(h *house) {
	other := h.from(h.opens(h.accept(h.draft("first"))[0]), "ann@example.com")
	h.filed(other)
	f := h.from(h.opens(h.accept(h.draft("a"))[0]), "ann@example.com")
	f.Turn = &desk.Turn{Team: "support", Candidates: []desk.AgentID{"x", "y"}}
	f.Trail = append(make([]desk.Note, 0, 8), desk.Note{Stage: "a", Text: "b"})
	f.Events = append(make([]desk.Event, 0, 8), f.Events...)
	before := fmt.Sprintf("%+v %+v %+v %+v %+v %+v", *f, *f.Ticket, *f.Message, *f.Customer, f.Events[:cap(f.Events)], f.Trail[:cap(f.Trail)])
	res := h.filed(f)
	after := fmt.Sprintf("%+v %+v %+v %+v %+v %+v", *f, *f.Ticket, *f.Message, *f.Customer, f.Events[:cap(f.Events)], f.Trail[:cap(f.Trail)])
	h.equal("filing", after, before)
	t := h.ticket(res[0].Ticket)
	if t.AgentID != "x" || t.CustomerID != other.Customer.ID || t.EventCount != 2 {
		h.Fatalf("ticket %+v", t)
	}
	trail := h.receipt(f.Receipt).Trail
	h.equal("the explanation says whose turn it was", trail[len(trail)-1].Text, "x: round robin of team support, turn 1 among 2 agents")
	ms := h.messages(t.ID)
	h.equal("author", ms[0].Author.ID, other.Customer.ID)
	h.equal("actor", h.events(t.ID)[0].Actor.ID, other.Customer.ID)
}

func failsAlone(h *house) {
	owner := h.opened("taken")
	rs := h.accept(h.draft("a"), h.draft("b"), h.draft("c"))
	bad := h.from(h.opens(rs[0], "fresh", "taken"), "bad@example.com")
	bad.Account = &desk.Account{ID: "acc", Name: "bad", Domain: "bad.example", CreatedAt: h.now}
	bad.Team = &desk.Team{ID: "badteam"}
	bad.Turn = &desk.Turn{Team: "support", Candidates: []desk.AgentID{"x", "y"}}
	bad.Links = []desk.Link{{From: owner.ID, To: bad.Ticket.ID, Type: desk.Relates, CreatedAt: h.now}}
	move := desk.Status("NEW")
	illegal := h.joins(rs[1], owner.ID, "fresh2")
	open := desk.StatusOpen
	h.filed(&desk.Filing{At: h.now, Verdict: desk.Filed, Into: owner.ID, Policy: desk.NewPolicy(), Message: &desk.Message{ID: "m", CreatedAt: h.now},
		Change: desk.Change{At: h.now, Status: &open}})
	illegal.Change.Status = &move
	illegal.Change.AddTags = []string{"halfway"}
	good := h.opens(rs[2], "fresh", "fresh2")
	good.Turn = bad.Turn
	res := h.file(bad, illegal, good)
	h.refused(res[0].Err, desk.ErrConflict)
	h.refused(res[1].Err, desk.ErrMove)
	h.refused(res[1].Err, desk.ErrConflict)
	h.must(res[2].Err)

	t := h.ticket(res[2].Ticket)
	h.equal("the turn was not taken by the one that failed", t.AgentID, "x")
	after := h.opens(h.accept(h.draft("d"))[0])
	after.Turn = bad.Turn
	h.equal("nor is anybody passed over for it", h.ticket(h.filed(after)[0].Ticket).AgentID, "y")
	h.equal("owner of its other key", h.owner("fresh"), t.ID)
	h.equal("owner of its other key", h.owner("fresh2"), t.ID)
	for _, r := range rs[:2] {
		h.equal("state", h.receipt(r.ID).State, desk.Accepted)
	}
	_, err := h.s.Ticket(h.ctx, string(bad.Ticket.ID))
	h.refused(err, desk.ErrNotFound)
	_, err = h.s.Customer(h.ctx, bad.Customer.ID)
	h.refused(err, desk.ErrNotFound)
	v := h.view()
	if r, err := v.Requester(h.ctx, "email", "bad@example.com"); r.Found || err != nil {
		h.Error("left its identity", err)
	}
	if _, ok, err := v.AccountByDomain(h.ctx, "bad.example"); ok || err != nil {
		h.Error("left its account", err)
	}
	if ok, err := v.HasTeam(h.ctx, "badteam"); ok || err != nil {
		h.Error("left its team", err)
	}
	ls, err := h.s.Links(h.ctx, owner.ID)
	h.must(err)
	h.equal("links", len(ls), 0)
	o := h.ticket(owner.ID)
	if o.Status != desk.StatusOpen || len(o.Tags) != 0 || o.Version != 2 || o.EventCount != len(h.events(o.ID)) {
		h.Errorf("the ticket of the illegal move: %+v", o)
	}
	h.equal("messages", len(h.messages(owner.ID)), 2)
}

func nonsense(h *house) {
	rs := h.accept(h.draft("a"), h.draft("b"), h.draft("c"), h.draft("d"), h.draft("e"))
	noMessage, neither, both, accepted := h.opens(rs[0]), h.opens(rs[1]), h.opens(rs[2]), h.opens(rs[3])
	noMessage.Message = nil
	neither.Ticket = nil
	both.Into = both.Ticket.ID
	accepted.Verdict = desk.Accepted
	missing := h.joins(rs[4], desk.NewID[desk.TicketID](h.now))
	res := h.file(noMessage, neither, both, accepted, missing)
	for i, r := range res[:4] {
		if !desk.IsPermanent(r.Err) {
			h.Errorf("filing %d: %v", i, r.Err)
		}
	}
	h.refused(res[4].Err, desk.ErrNotFound)
	h.equal("tickets", h.tickets(), 0)
	if res, err := h.s.File(h.ctx, nil); res != nil || err != nil {
		h.Error(res, err)
	}
}

func twoIntoOne(h *house) {
	t := h.opened("a")
	rs := h.accept(h.draft("b"), h.draft("c"), h.draft("d"))
	first, bad, second := h.joins(rs[0], t.ID), h.joins(rs[1], t.ID), h.joins(rs[2], t.ID)
	high, low, never := desk.High, desk.Low, desk.Status("NEW")
	pending := desk.StatusPending
	first.Change.Priority, first.Change.Status = &high, &pending
	bad.Change.Status, bad.Change.AddTags = &never, []string{"bad"}
	second.Change.Priority = &low
	res := h.file(first, bad, second)
	h.must(res[0].Err)
	h.refused(res[1].Err, desk.ErrMove)
	h.refused(res[1].Err, desk.ErrConflict)
	h.must(res[2].Err)
	got := h.ticket(t.ID)
	// The second finds it pending, so that the customer's word opens it again.
	if got.Priority != desk.Low || got.Status != desk.StatusOpen || got.MessageCount != 3 || len(got.Tags) != 0 || got.EventCount != len(h.events(t.ID)) {
		h.Fatalf("ticket %+v", got)
	}
	h.equal("messages", len(h.messages(t.ID)), 3)
}

func oneTicketInGroup(h *house) {
	rs := h.accept(h.draft("a"), h.draft("b"))
	res := h.file(h.opens(rs[0], "conversation"), h.opens(rs[1], "conversation"))
	h.must(res[0].Err)
	h.refused(res[1].Err, desk.ErrConflict)
	h.equal("tickets", h.tickets(), 1)
	h.equal("b is nobody's", h.owner("b"), "")
	h.filed(h.joins(rs[1], res[0].Ticket, "conversation"))
	h.equal("b is the ticket's", h.owner("b"), res[0].Ticket)
	other := h.opened("c")
	stray := h.joins(h.accept(h.draft("d"))[0], other.ID, "conversation")
	h.refused(h.file(stray)[0].Err, desk.ErrConflict)
}

func messageOnce(h *house) {
	d := h.draft("a")
	other := *d
	other.Source = "another"
	rs := h.accept(d, &other)
	res := h.file(h.opens(rs[0]), h.opens(rs[1]))
	h.must(res[0].Err)
	h.refused(res[1].Err, desk.ErrConflict)
	f := h.joins(rs[1], res[0].Ticket)
	f.Claims = nil
	h.refused(h.file(f)[0].Err, desk.ErrConflict)
	h.equal("messages", len(h.messages(res[0].Ticket)), 1)
	h.filed(&desk.Filing{Receipt: rs[1].ID, At: h.now, Verdict: desk.Duplicate, Into: res[0].Ticket})

	changed := h.draft("a")
	changed.Fingerprint = "other content"
	g := h.joins(h.accept(changed)[0], res[0].Ticket)
	h.filed(g)
	v := h.view(h.draft("a"))
	for fingerprint, want := range map[string]desk.ReceiptID{d.Fingerprint: rs[0].ID, "other content": g.Receipt, "never seen": g.Receipt, "": g.Receipt} {
		m, ok, err := v.Entry(h.ctx, scope, d.ExternalID, fingerprint)
		h.must(err)
		h.equal("found by "+fingerprint, ok && m.Receipt == want, true)
	}
	for range 2 { // without an external ID nothing is the same
		m := &desk.Message{ID: desk.NewID[desk.MessageID](h.now), Scope: scope, CreatedAt: h.now}
		h.filed(&desk.Filing{At: h.now, Verdict: desk.Filed, Into: res[0].Ticket, Message: m, Change: desk.Change{At: h.now}})
	}
	h.equal("messages", len(h.messages(res[0].Ticket)), 4)
}

func (h *house) change(id desk.TicketID, fn func(*desk.Ticket)) *desk.Ticket {
	h.Helper()
	t, err := h.s.Change(h.ctx, id, 0, func(t *desk.Ticket) ([]desk.Event, error) { fn(t); return nil, nil })
	h.must(err)
	return t
}

func goneTickets(h *house) {
	deleted, merged := h.opened("deleted"), h.opened("merged")
	h.change(deleted.ID, func(t *desk.Ticket) { t.DeletedAt = &h.now })
	h.change(merged.ID, func(t *desk.Ticket) { t.MergedInto = "elsewhere" })
	rs := h.accept(h.draft("a"), h.draft("b"))
	res := h.file(h.joins(rs[0], deleted.ID), h.joins(rs[1], merged.ID))
	h.refused(res[0].Err, desk.ErrConflict)
	h.refused(res[1].Err, desk.ErrConflict)
	h.equal("a is nobody's", h.owner("a"), "")
}

func keysOfDeleted(h *house) {
	old := h.opened("a")
	h.filed(h.joins(h.accept(h.draft("b"))[0], old.ID, "conversation"))
	h.equal("owner", h.owner("conversation"), old.ID)
	h.change(old.ID, func(t *desk.Ticket) { t.DeletedAt = &h.now })
	h.equal("owner", h.owner("conversation"), "")
	rs := h.accept(h.draft("c"), h.draft("d"))
	res := h.file(h.opens(rs[0], "conversation", "a"), h.opens(rs[1], "conversation"))
	h.must(res[0].Err)
	h.refused(res[1].Err, desk.ErrConflict)
	h.equal("owner", h.owner("conversation"), res[0].Ticket)
	h.equal("owner", h.owner("a"), res[0].Ticket)
}

func keysOfFinished(h *house) {
	old := h.opened("conversation")
	rs := h.accept(h.draft("b"), h.draft("c"), h.draft("d"))
	first, second := h.opens(rs[0], "b"), h.opens(rs[1], "c")
	first.Takes = map[string]desk.TicketID{"conversation": old.ID}
	second.Takes = map[string]desk.TicketID{"conversation": old.ID}
	res := h.file(first, second)
	h.must(res[0].Err)
	h.refused(res[1].Err, desk.ErrConflict) // somebody was faster
	h.equal("owner", h.owner("conversation"), res[0].Ticket)
	third := h.opens(rs[2], "d")
	third.Takes = map[string]desk.TicketID{"conversation": old.ID}
	h.refused(h.file(third)[0].Err, desk.ErrConflict)
	h.equal("owner", h.owner("conversation"), res[0].Ticket)
	h.equal("owner", h.owner("d"), "")
}

func latestThread(h *house) {
	rs := h.accept(h.draft("a"), h.draft("b"), h.draft("c"))
	f := h.opens(rs[0])
	f.Thread = desk.Thread{Key: "k1", Address: []byte(`{"to":"one"}`)}
	id := h.filed(f)[0].Ticket
	h.change(id, func(t *desk.Ticket) { t.Title = "changed" })
	sent := func(want desk.Thread, source string) {
		h.Helper()
		m := h.answer(id)
		out, err := h.s.TakeToSend(h.ctx, m.ID, h.now, time.Minute, "")
		h.must(err)
		h.equal("source", out.Source, source)
		h.equal("thread", out.Reply.Thread, want)
		h.must(h.s.Delivered(h.ctx, m.ID, desk.Proof{At: h.now}))
	}
	sent(f.Thread, "mail")
	g := h.joins(rs[1], id)
	g.Thread, g.Message.Source = desk.Thread{Key: "k2", Address: []byte(`{"to":"two"}`)}, "mail2"
	h.filed(g, h.joins(rs[2], id)) // the last one has none: it changes nothing
	sent(g.Thread, "mail2")
}

func numbersCountUp(h *house) {
	seen := map[int64]bool{}
	last := int64(0)
	for i := range 3 {
		var fs []*desk.Filing
		for j := range 5 {
			fs = append(fs, h.opens(h.accept(h.draft(fmt.Sprint(i, j)))[0]))
		}
		for _, r := range h.filed(fs...) {
			if r.Number <= last || seen[r.Number] {
				h.Fatalf("number %d after %d", r.Number, last)
			}
			last, seen[r.Number] = r.Number, true
			byNumber, err := h.s.Ticket(h.ctx, fmt.Sprint(r.Number))
			h.must(err)
			h.equal("by number", byNumber.ID, r.Ticket)
		}
	}
}
