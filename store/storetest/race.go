package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"

	"switchboard/pipeline/desk"
)

func threadRace(h *house) {
	const n = 6
	for round := range 5 {
		conversation := fmt.Sprint("conversation ", round)
		fs := make([]*desk.Filing, n)
		for i := range fs {
			fs[i] = h.from(h.opens(h.accept(h.draft(fmt.Sprint(round, "-", i)))[0], conversation), fmt.Sprint(round, "-", i, "@example.com"))
		}
		results := make([]desk.FilingResult, n)
		h.atOnce(n, func(i int) error {
			res, err := h.s.File(h.ctx, fs[i:i+1])
			if err == nil {
				results[i] = res[0]
			}
			return err
		})
		winner := h.owner(conversation)
		for i, r := range results {
			if r.Err == nil {
				h.equal("winner", r.Ticket, winner)
				continue
			}
			h.refused(r.Err, desk.ErrConflict)
			own := fmt.Sprint(round, "-", i)
			h.equal("the loser's own key", h.owner(own), "")
			h.equal("the loser's receipt", h.receipt(fs[i].Receipt).State, desk.Accepted)
			if _, err := h.s.Customer(h.ctx, fs[i].Customer.ID); !errors.Is(err, desk.ErrNotFound) {
				h.Errorf("the loser left a customer: %v", err)
			}
			h.filed(h.joins(h.receipt(fs[i].Receipt), winner, conversation))
		}
		h.equal("tickets", h.tickets(), round+1)
		h.equal("messages", len(h.messages(winner)), n)
	}
}

func messageRace(h *house) {
	for round := range 5 {
		const n = 4
		fs := make([]*desk.Filing, n)
		for i := range fs {
			d := h.draft(fmt.Sprint("m", round))
			d.Source = fmt.Sprint("source ", i)
			fs[i] = h.opens(h.accept(d)[0])
			fs[i].Claims = nil // only the message itself is in the way
		}
		results := make([]desk.FilingResult, n)
		h.atOnce(n, func(i int) error {
			res, err := h.s.File(h.ctx, fs[i:i+1])
			if err == nil {
				results[i] = res[0]
			}
			return err
		})
		won := 0
		for _, r := range results {
			if r.Err == nil {
				won++
			} else {
				h.refused(r.Err, desk.ErrConflict)
			}
		}
		h.equal("filed", won, 1)
		h.equal("tickets", h.tickets(), round+1)
	}
}

func receiptRace(h *house) {
	for round := range 5 {
		rs := h.accept(h.draft(fmt.Sprint("a", round)), h.draft(fmt.Sprint("b", round)))
		var mu sync.Mutex
		won := map[desk.ReceiptID][]desk.State{}
		h.atOnce(8, func(i int) error {
			f := h.opens(rs[i%2])
			if i%2 == 1 { // nothing but the receipt is in the way
				f.Claims, f.Message.ExternalID = nil, ""
			}
			if i%4 == 3 {
				f = &desk.Filing{Receipt: f.Receipt, At: h.now, Verdict: desk.Held, Reason: "ask"}
			}
			res, err := h.s.File(h.ctx, []*desk.Filing{f})
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			if res[0].Err == nil {
				won[f.Receipt] = append(won[f.Receipt], f.Verdict)
			} else if !errors.Is(res[0].Err, desk.ErrSettled) {
				return res[0].Err
			}
			return nil
		})
		for _, r := range rs {
			if len(won[r.ID]) != 1 || h.receipt(r.ID).State != won[r.ID][0] {
				h.Fatalf("settled as %v, is %s", won[r.ID], h.receipt(r.ID).State)
			}
		}
	}
}

// Eight workers hold the same receipts, in groups of another order each, with
// customers, conversations, tickets and teams in common, as after a crash when
// the sweep queued everything again. Whoever is refused looks again, as the line
// does, until everything is filed.
func overlappingGroups(h *house) {
	const messages, conversations, workers = 120, 15, 8
	existing := h.opened("existing")
	rs := make([]desk.Receipt, messages)
	for i := range rs {
		rs[i] = h.accept(h.draft(fmt.Sprint(i)))[0]
	}
	// filing is what the line would make of message i, as the books are now.
	filing := func(i int) (*desk.Filing, error) {
		if i%10 == 9 {
			return h.joins(rs[i], existing.ID), nil
		}
		conversation := fmt.Sprint("conversation ", i%conversations)
		v, err := h.s.View(h.ctx, nil)
		if err != nil {
			return nil, err
		}
		owners, err := v.Threads(h.ctx, scope, []string{conversation})
		if err != nil {
			return nil, err
		}
		var f *desk.Filing
		if id, ok := owners[conversation]; ok {
			f = h.joins(rs[i], id, conversation)
		} else {
			f = h.opens(rs[i], conversation)
			f.Turn = &desk.Turn{Team: desk.TeamID(fmt.Sprint("team ", i%3)), Candidates: []desk.AgentID{"x", "y"}}
			f.Team = &desk.Team{ID: f.Turn.Team}
		}
		f = h.from(f, fmt.Sprint("person", i%7, "@example.com"))
		f.Account = &desk.Account{ID: desk.NewID[desk.AccountID](h.now), Domain: fmt.Sprint("company", i%3, ".example"), CreatedAt: h.now}
		f.Customer.AccountID = f.Account.ID
		return f, nil
	}
	h.atOnce(workers, func(w int) error {
		random := rand.New(rand.NewPCG(uint64(w), 1))
		open := random.Perm(messages)
		for round := 0; len(open) > 0; round++ {
			if round > 500 {
				return fmt.Errorf("worker %d: %d messages left", w, len(open))
			}
			n := min(len(open), 1+random.IntN(20))
			var fs []*desk.Filing
			for _, i := range open[:n] {
				f, err := filing(i)
				if err != nil {
					return err
				}
				fs = append(fs, f)
			}
			res, err := h.s.File(h.ctx, fs)
			if err != nil {
				return fmt.Errorf("worker %d: %w", w, err)
			}
			again := open[n:]
			for k, r := range res {
				switch {
				case r.Err == nil, errors.Is(r.Err, desk.ErrSettled):
				case errors.Is(r.Err, desk.ErrConflict):
					again = append(again, open[k])
				default:
					return r.Err
				}
			}
			open = again
		}
		return nil
	})
	h.equal("tickets", h.tickets(), 1+conversations)
	total := 0
	list, _, err := h.s.Tickets(h.ctx, desk.TicketFilter{Limit: desk.MaxPage})
	h.must(err)
	people := map[desk.CustomerID]bool{}
	for _, t := range list {
		ms := h.messages(t.ID)
		h.equal("message count", t.MessageCount, len(ms))
		h.equal("event count", t.EventCount, len(h.events(t.ID)))
		total += len(ms)
		if t.CustomerID != "" {
			people[t.CustomerID] = true
		}
	}
	h.equal("messages", total, messages+1)
	for i, r := range rs {
		if got := h.receipt(r.ID); got.State != desk.Filed || got.TicketID == "" {
			h.Errorf("message %d: %+v", i, got)
		}
	}
	for p := range people {
		c, err := h.s.Customer(h.ctx, p)
		h.must(err)
		if c.Account.ID == "" {
			h.Errorf("customer %s has no company", p)
		}
	}
	if len(people) > 7 {
		h.Errorf("%d customers for 7 people", len(people))
	}
}

func roundRobin(h *house) {
	const workers, each = 8, 15
	candidates := []desk.AgentID{"a", "b", "c"}
	fs := make([][]*desk.Filing, workers)
	for w := range fs {
		for i := range each {
			f := h.opens(h.accept(h.draft(fmt.Sprint(w, "-", i)))[0])
			f.Turn = &desk.Turn{Team: "support", Candidates: candidates}
			fs[w] = append(fs[w], f)
		}
	}
	h.atOnce(workers, func(w int) error {
		for i := 0; i < each; i += 5 {
			if _, err := h.s.File(h.ctx, fs[w][i:i+5]); err != nil {
				return err
			}
		}
		return nil
	})
	got := map[desk.AgentID]int{}
	list, _, err := h.s.Tickets(h.ctx, desk.TicketFilter{Limit: desk.MaxPage})
	h.must(err)
	for _, t := range list {
		got[t.AgentID]++
	}
	for _, a := range candidates {
		h.equal("turns of "+string(a), got[a], workers*each/len(candidates))
	}
}

func eventsHaveNoGap(h *house) {
	t := h.opened("a")
	const workers, each = 6, 5
	h.atOnce(workers, func(w int) error {
		for i := range each {
			d := h.draft(fmt.Sprint(w, "-", i))
			r := desk.NewReceipt(d, h.now)
			if _, err := h.s.Accept(h.ctx, nil, []desk.Receipt{r}); err != nil {
				return err
			}
			f := h.joins(r, t.ID)
			f.Change.AddTags = []string{d.ExternalID}
			if res, err := h.s.File(h.ctx, []*desk.Filing{f}); err != nil || res[0].Err != nil {
				return errors.Join(err, res[0].Err)
			}
			_, err := h.s.Change(h.ctx, t.ID, 0, func(t *desk.Ticket) ([]desk.Event, error) {
				n := t.Escalation + 1
				return t.Apply(desk.NewPolicy(), desk.Change{At: h.now, Escalation: &n})
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	got := h.ticket(t.ID)
	h.equal("tags", len(got.Tags), workers*each)
	h.equal("escalation", got.Escalation, workers*each)
	h.equal("messages", got.MessageCount, workers*each+1)
	events := h.events(t.ID)
	h.equal("events", len(events), got.EventCount)
	for i, e := range events {
		h.equal("number", e.Seq, i+1)
	}
}
