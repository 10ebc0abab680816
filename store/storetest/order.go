package storetest

import (
	"fmt"
	"slices"

	"switchboard/pipeline/desk"
)

// Four workers file groups that want the same rows, two of them in the opposite
// order. A store that takes rows as they come deadlocks here; PostgreSQL notices
// after a second, the store recovers and warns, and the warning fails the test.
func oppositeOrders(h *house) {
	t := make([]*desk.Ticket, 8)
	for i := range t {
		t[i] = h.opened(fmt.Sprint("ticket ", i))
	}
	const workers, rounds, size = 4, 6, 64
	for name, share := range map[string]func(f *desk.Filing, round, i int) *desk.Filing{
		"threads": func(f *desk.Filing, round, i int) *desk.Filing {
			f.Claims = []string{fmt.Sprint("shared ", round, "-", i)}
			return f
		},
		"identities": func(f *desk.Filing, round, i int) *desk.Filing {
			return h.from(f, fmt.Sprint("shared", round, "-", i, "@example.com"))
		},
		"external IDs": func(f *desk.Filing, round, i int) *desk.Filing {
			f = h.from(f)
			f.Customer.ExternalID = fmt.Sprint("shared ", round, "-", i)
			return f
		},
		"accounts": func(f *desk.Filing, round, i int) *desk.Filing {
			f.Account = &desk.Account{ID: desk.NewID[desk.AccountID](h.now), Domain: fmt.Sprint("shared", round, "-", i, ".example"), CreatedAt: h.now}
			return f
		},
		"teams": func(f *desk.Filing, round, i int) *desk.Filing {
			f.Team = &desk.Team{ID: desk.TeamID(fmt.Sprint("shared ", round, "-", i))}
			return f
		},
		"turns": func(f *desk.Filing, round, i int) *desk.Filing {
			f.Turn = &desk.Turn{Team: desk.TeamID(fmt.Sprint("team ", i)), Candidates: []desk.AgentID{"a"}}
			return f
		},
		"tickets": func(f *desk.Filing, round, i int) *desk.Filing {
			f.Ticket, f.Into, f.Change = nil, t[i%len(t)].ID, desk.Change{At: h.now, AddTags: []string{fmt.Sprint(f.Message.ID)}}
			return f
		},
		"messages": func(f *desk.Filing, round, i int) *desk.Filing {
			f.Message.ExternalID = fmt.Sprint("shared ", round, "-", i)
			return f
		},
	} {
		for round := range rounds {
			groups := make([][]*desk.Filing, workers)
			for w := range groups {
				for i := range size {
					f := h.opens(desk.NewReceipt(h.draft(""), h.now))
					f.Receipt, f.Claims, f.Message.Receipt = "", nil, ""
					groups[w] = append(groups[w], share(f, round, i))
				}
				if w%2 == 1 {
					slices.Reverse(groups[w])
				}
			}
			h.atOnce(workers, func(w int) error {
				_, err := h.s.File(h.ctx, groups[w])
				if err != nil {
					err = fmt.Errorf("%s: %w", name, err)
				}
				return err
			})
		}
	}
}

// The same for the ledger: several doors accept the same messages, each in its
// own order, and several workers file the same receipts.
func oppositeLedgers(h *house) {
	const workers, rounds, size = 4, 10, 24
	for round := range rounds {
		h.atOnce(workers, func(w int) error {
			rs := make([]desk.Receipt, size)
			for i := range rs {
				rs[i] = desk.NewReceipt(h.draft(fmt.Sprint(round, "-", i)), h.now)
			}
			if w%2 == 1 {
				slices.Reverse(rs)
			}
			_, err := h.s.Accept(h.ctx, nil, rs)
			return err
		})
		list, err := h.s.ReceiptList(h.ctx, desk.ReceiptFilter{State: desk.Accepted, Limit: desk.MaxPage})
		h.must(err)
		h.equal("receipts", len(list), size)
		h.atOnce(workers, func(w int) error {
			fs := make([]*desk.Filing, size)
			for i, r := range list {
				fs[i] = &desk.Filing{Receipt: r.ID, At: h.now, Verdict: desk.Dropped, Reason: "x"}
			}
			if w%2 == 1 {
				slices.Reverse(fs)
			}
			_, err := h.s.File(h.ctx, fs)
			return err
		})
	}
}
