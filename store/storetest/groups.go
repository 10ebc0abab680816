package storetest

import (
	"errors"
	"fmt"
	"time"

	"switchboard/pipeline/desk"
)

// inGroup makes a filing's message the latest of a group.
func inGroup(f *desk.Filing, key string, at time.Time, last desk.TicketID) *desk.Filing {
	f.Group = &desk.Group{Key: key, At: at, Last: last}
	return f
}

// group is the ticket of a group's latest message, or "".
func (h *house) group(key string) desk.TicketID {
	h.Helper()
	d := h.draft("asks")
	d.Group = key
	ahead, _, ok, err := h.view(d).Group(h.ctx, scope, key)
	h.must(err)
	id, _, ok2, err := h.view().Group(h.ctx, scope, key)
	h.must(err)
	if id != ahead || ok != ok2 || ok != (id != "") {
		h.Fatalf("group %s: %s %v, asked ahead %s %v", key, id, ok2, ahead, ok)
	}
	return id
}

func groupsGoOn(h *house) {
	h.equal("nothing yet", h.group("C1"), "")
	rs := h.accept(h.draft("a"), h.draft("b"), h.draft("c"), h.draft("d"), h.draft("e"))
	first := h.filed(inGroup(h.opens(rs[0]), "C1", h.now, ""))[0].Ticket
	h.equal("the first", h.group("C1"), first)
	h.equal("another group", h.group("C2"), "")
	h.filed(inGroup(h.joins(rs[1], first), "C1", h.now.Add(time.Minute), first))
	_, at, _, err := h.view().Group(h.ctx, scope, "C1")
	h.must(err)
	h.equal("when", at, h.now.Add(time.Minute))
	second := h.filed(inGroup(h.opens(rs[2]), "C1", h.now.Add(time.Hour), first))[0].Ticket
	h.equal("the second", h.group("C1"), second)
	// One said before the latest leaves the group where it is.
	h.filed(inGroup(h.joins(rs[3], second), "C1", h.now.Add(time.Second), second))
	_, at, _, err = h.view().Group(h.ctx, scope, "C1")
	h.must(err)
	h.equal("the latest stays", at, h.now.Add(time.Hour))
	h.refused(h.file(inGroup(h.opens(rs[4]), "C1", h.now.Add(2*time.Hour), first))[0].Err, desk.ErrConflict)
	h.equal("and the one that fell changed nothing", h.group("C1"), second)
}

func groupInOneFiling(h *house) {
	rs := h.accept(h.draft("a"), h.draft("b"))
	res := h.file(inGroup(h.opens(rs[0]), "C1", h.now, ""), inGroup(h.opens(rs[1]), "C1", h.now, ""))
	h.must(res[0].Err)
	h.refused(res[1].Err, desk.ErrConflict)
	h.equal("tickets", h.tickets(), 1)
}

func groupRace(h *house) {
	const n = 6
	for round := range 5 {
		key := fmt.Sprint("C", round)
		fs := make([]*desk.Filing, n)
		for i := range fs {
			fs[i] = inGroup(h.opens(h.accept(h.draft(fmt.Sprint(round, "-", i)))[0]), key, h.now.Add(time.Duration(i)*time.Second), "")
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
				h.equal("the group's ticket", h.group(key), r.Ticket)
			} else if !errors.Is(r.Err, desk.ErrConflict) {
				h.Fatal(r.Err)
			}
		}
		h.equal("winners", won, 1)
		h.equal("tickets", h.tickets(), round+1)
	}
}
