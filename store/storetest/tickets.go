package storetest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"switchboard/pipeline/desk"
)

func ticketComesBack(h *house) {
	f := h.opens(h.accept(h.draft("a"))[0])
	at := func(minutes int) *time.Time {
		t := h.now.Add(time.Duration(minutes) * time.Minute)
		return &t
	}
	t := f.Ticket
	t.Title, t.Description, t.Tags = "it <broke> & \"stopped\"", "line\nline", []string{"vip", "a, b"}
	t.DueDate, t.AgentID, t.AssignedBy = at(60), "ann", desk.AssignedBy{Route: "r", Rule: "x", Agent: "by hand"}
	t.Escalation, t.Handling = 2, 3600
	t.Custom = map[string]any{"version": "1.2", "count": 3.5, "ok": true, "list": []any{"a", "b"}, "deep": map[string]any{"x": nil}}
	t.Participants = []string{"ann@example.com", "bob@example.com"}
	t.Clocks = []desk.Clock{
		{Metric: desk.FirstResponse, SLA: "gold", Calendar: "office", Target: time.Hour, State: desk.ClockRunning, StartedAt: h.now, RunningAt: h.now, DueAt: *at(60)},
		{Metric: desk.Resolution, SLA: "gold", Target: 8 * time.Hour, State: desk.ClockPaused, StartedAt: h.now, Used: time.Minute},
	}
	t.PreviousStatus, t.FirstResponseAt, t.ResolvedAt, t.ClosedAt = "OPEN", at(1), at(2), at(3)
	t.ReopenCount, t.LastCustomerAt, t.LastAgentAt = 4, at(4), at(5)
	res := h.filed(f)[0]
	want := *t
	want.Number, want.Version, want.EventCount = res.Number, 1, 1
	got := h.ticket(res.Ticket)
	h.equal("clocks", got.Clocks, want.Clocks)
	h.equal("times", []time.Time{*got.DueDate, *got.FirstResponseAt, *got.ResolvedAt, *got.ClosedAt, *got.LastCustomerAt, *got.LastAgentAt},
		[]time.Time{*want.DueDate, *want.FirstResponseAt, *want.ResolvedAt, *want.ClosedAt, *want.LastCustomerAt, *want.LastAgentAt})
	for _, x := range []*desk.Ticket{got, &want} {
		x.DueDate, x.FirstResponseAt, x.ResolvedAt, x.ClosedAt, x.LastCustomerAt, x.LastAgentAt = nil, nil, nil, nil, nil, nil
	}
	h.equal("ticket", *got, want)
	for _, id := range []string{"", "x", "99999", "-1", "9999999999999999999999", string(desk.NewID[desk.TicketID](h.now))} {
		_, err := h.s.Ticket(h.ctx, id)
		h.refused(err, desk.ErrNotFound)
	}
}

func ticketFilters(h *house) {
	start := h.now
	var made []*desk.Ticket
	for i := range 6 {
		h.now = start.Add(time.Duration(i) * time.Hour)
		d := h.draft(fmt.Sprint(i))
		f := h.opens(h.accept(d)[0])
		t := f.Ticket
		switch i {
		case 1:
			t.Status, t.AgentID, t.Tags = desk.StatusOpen, "ann", []string{"VIP", `we"ird%`, "Über fällig"}
		case 2:
			t.Priority, t.TeamID, t.Title = desk.Urgent, "sales", "100% Straße_x"
		case 3:
			t.Type, t.Channel, t.Description = "BUG", desk.Slack, "the Printer burns in ŁÓDŹ"
		case 4:
			t.CustomerID, t.Source = "cust", "mail2"
			t.Clocks = []desk.Clock{{Metric: desk.Resolution, State: desk.ClockRunning, DueAt: start.Add(30 * time.Hour)}}
		case 5:
			due := start.Add(40 * time.Hour)
			t.DueDate, t.UpdatedAt = &due, start.Add(50*time.Hour)
		}
		h.filed(f)
		made = append(made, t)
	}
	h.change(h.opened("deleted").ID, func(t *desk.Ticket) { t.DeletedAt = &h.now })
	number := fmt.Sprint(h.ticket(made[3].ID).Number)
	for name, c := range map[string]struct {
		f    desk.TicketFilter
		want []int // newest first
	}{
		"all":              {desk.TicketFilter{}, []int{5, 4, 3, 2, 1, 0}},
		"status":           {desk.TicketFilter{Status: []desk.Status{desk.StatusOpen, desk.StatusClosed}}, []int{1}},
		"priority":         {desk.TicketFilter{Priority: []desk.Priority{desk.Urgent}}, []int{2}},
		"type":             {desk.TicketFilter{Type: []desk.Type{"BUG"}}, []int{3}},
		"team":             {desk.TicketFilter{Team: []desk.TeamID{"sales"}}, []int{2}},
		"agent":            {desk.TicketFilter{Agent: []desk.AgentID{"ann"}}, []int{1}},
		"unassigned":       {desk.TicketFilter{Unassigned: true}, []int{5, 4, 3, 2, 0}},
		"agent or none":    {desk.TicketFilter{Unassigned: true, Agent: []desk.AgentID{"ann"}}, []int{5, 4, 3, 2, 1, 0}},
		"customer":         {desk.TicketFilter{Customer: "cust"}, []int{4}},
		"channel":          {desk.TicketFilter{Channel: []desk.Channel{desk.Slack}}, []int{3}},
		"source":           {desk.TicketFilter{Source: "mail2"}, []int{4}},
		"tag":              {desk.TicketFilter{Tag: "vip"}, []int{1}},
		"odd tag":          {desk.TicketFilter{Tag: `we"ird%`}, []int{1}},
		"tag, any letter":  {desk.TicketFilter{Tag: "ÜBER FÄLLIG"}, []int{1}},
		"part of a tag":    {desk.TicketFilter{Tag: "vi"}, nil},
		"title":            {desk.TicketFilter{Text: "100% s"}, []int{2}},
		"title, letter":    {desk.TicketFilter{Text: "ße_x"}, []int{2}},
		"wildcards":        {desk.TicketFilter{Text: "1_0%"}, nil},
		"description":      {desk.TicketFilter{Text: "PRINTER"}, []int{3}},
		"any letter":       {desk.TicketFilter{Text: "in łódź"}, []int{3}},
		"as it is":         {desk.TicketFilter{Text: "ŁÓDŹ"}, []int{3}},
		"number":           {desk.TicketFilter{Text: "#" + number}, []int{3}},
		"due":              {desk.TicketFilter{DueBefore: start.Add(41 * time.Hour)}, []int{5, 4}},
		"clock due":        {desk.TicketFilter{DueBefore: start.Add(31 * time.Hour)}, []int{4}},
		"created":          {desk.TicketFilter{CreatedAfter: start.Add(time.Hour), CreatedBefore: start.Add(3 * time.Hour)}, []int{2, 1}},
		"updated":          {desk.TicketFilter{UpdatedAfter: start.Add(49 * time.Hour)}, []int{5}},
		"two that exclude": {desk.TicketFilter{Team: []desk.TeamID{"sales"}, Tag: "vip"}, nil},
	} {
		got, next, err := h.s.Tickets(h.ctx, c.f)
		h.must(err)
		var want, ids []desk.TicketID
		for _, i := range c.want {
			want = append(want, made[i].ID)
		}
		for _, t := range got {
			ids = append(ids, t.ID)
		}
		if !slices.Equal(ids, want) || next != "" {
			h.Errorf("%s: got %v, want %v, next %q", name, ids, want, next)
		}
	}
}

func stablePages(h *house) {
	var want []desk.TicketID
	for i := range 7 {
		want = append([]desk.TicketID{h.opened(fmt.Sprint(i)).ID}, want...)
		h.now = h.now.Add(time.Millisecond)
	}
	var got []desk.TicketID
	pages := 0
	for f := (desk.TicketFilter{Limit: 3}); ; pages++ {
		list, next, err := h.s.Tickets(h.ctx, f)
		h.must(err)
		for _, t := range list {
			got = append(got, t.ID)
		}
		h.opened(fmt.Sprint("while paging ", pages))
		if next == "" {
			break
		}
		f.Cursor = next
	}
	h.equal("tickets", got, want)
	h.equal("pages after the first", pages, 2)
	list, next, err := h.s.Tickets(h.ctx, desk.TicketFilter{Limit: 10})
	h.must(err)
	if len(list) != 10 || next != "" {
		h.Fatalf("a page that fits exactly: %d, next %q", len(list), next)
	}
}

func foreignCursor(h *house) {
	id := h.opened("a").ID
	for _, c := range []string{"x", "!!", "YWZ0ZXI6", "YWZ0ZXI6JyBPUiAx", "bm90Om91cnM"} {
		_, _, err := h.s.Tickets(h.ctx, desk.TicketFilter{Cursor: c})
		_, _, err2 := h.s.Messages(h.ctx, id, 10, c, false)
		for _, err := range []error{err, err2} {
			var invalid *desk.Invalid
			if !errors.As(err, &invalid) || invalid.Field != "cursor" {
				h.Errorf("%q: %v", c, err)
			}
		}
	}
}

func changes(h *house) {
	t := h.opened("a")
	h.now = h.now.Add(time.Minute)
	title, high := "new title", desk.High
	got, err := h.s.Change(h.ctx, t.ID, 0, func(t *desk.Ticket) ([]desk.Event, error) {
		t.Number, t.Version, t.CreatedAt = 99, 99, h.now // not fn's to change
		return t.Apply(desk.NewPolicy(), desk.Change{At: h.now, By: desk.Actor{Kind: desk.ByAgent, ID: "ann"}, Title: &title, Priority: &high})
	})
	h.must(err)
	h.equal("returned", *got, *h.ticket(t.ID))
	if got.Title != title || got.Priority != desk.High || got.Version != t.Version+1 || got.Number != t.Number || !got.CreatedAt.Equal(t.CreatedAt) {
		h.Fatalf("got %+v", got)
	}
	events := h.events(t.ID)
	if len(events) != 3 || events[1].Kind != desk.EventUpdated || events[2].Kind != desk.EventPriority || events[2].Actor.ID != "ann" {
		h.Fatalf("events %+v", events)
	}
	later, err := h.s.Events(h.ctx, t.ID, 1, 1)
	h.must(err)
	h.equal("events after 1", later, events[1:2])

	same, err := h.s.Change(h.ctx, t.ID, 0, func(*desk.Ticket) ([]desk.Event, error) { return nil, nil })
	h.must(err)
	h.equal("nothing changed", same.Version, got.Version)
	stop := errors.New("stop")
	_, err = h.s.Change(h.ctx, t.ID, 0, func(t *desk.Ticket) ([]desk.Event, error) { t.Title = "never"; return nil, stop })
	h.refused(err, stop)
	h.equal("title", h.ticket(t.ID).Title, title)
	h.change(t.ID, func(t *desk.Ticket) { t.DeletedAt = &h.now })
	for _, id := range []desk.TicketID{t.ID, "unknown"} {
		_, err = h.s.Change(h.ctx, id, 0, func(*desk.Ticket) ([]desk.Event, error) { return nil, nil })
		h.refused(err, desk.ErrNotFound)
		_, err = h.s.Ticket(h.ctx, string(id))
		h.refused(err, desk.ErrNotFound)
	}
}

func versions(h *house) {
	t := h.opened("a")
	change := func(version int64, title string) error {
		_, err := h.s.Change(h.ctx, t.ID, version, func(t *desk.Ticket) ([]desk.Event, error) { t.Title = title; return nil, nil })
		return err
	}
	h.must(change(t.Version, "one"))
	h.refused(change(t.Version, "two"), desk.ErrConflict)
	h.must(change(t.Version+1, "three"))
	h.equal("title", h.ticket(t.ID).Title, "three")
}

func changeRace(h *house) {
	t := h.opened("a")
	const n = 20
	h.atOnce(n, func(i int) error {
		_, err := h.s.Change(h.ctx, t.ID, 0, func(t *desk.Ticket) ([]desk.Event, error) {
			return t.Apply(desk.NewPolicy(), desk.Change{At: h.now, AddHandling: time.Minute, AddTags: []string{fmt.Sprint(i)}})
		})
		return err
	})
	got := h.ticket(t.ID)
	if got.Handling != n*60 || len(got.Tags) != n || got.Version != t.Version+n || got.EventCount != 1+2*n {
		h.Fatalf("got %+v", got)
	}
}

func dueClocks(h *house) {
	policy := desk.NewPolicy()
	var made []desk.TicketID
	for i, minutes := range []int{30, 10, 20} {
		f := h.opens(h.accept(h.draft(fmt.Sprint(i)))[0])
		sla := desk.SLA{Name: "gold", Targets: []desk.Target{{Metric: desk.FirstResponse, Default: time.Duration(minutes) * time.Minute},
			{Metric: desk.Resolution, Default: 8 * time.Hour}}}
		h.must(f.Ticket.StartClocks(policy, sla, h.now))
		made = append(made, h.filed(f)[0].Ticket)
	}
	due := func(minutes int) []desk.TicketID {
		h.Helper()
		ids, err := h.s.DueClocks(h.ctx, h.now.Add(time.Duration(minutes)*time.Minute), 10)
		h.must(err)
		return ids
	}
	h.equal("at 10", due(10), []desk.TicketID{})
	h.equal("at 21", due(21), []desk.TicketID{made[1], made[2]})
	now := h.now.Add(21 * time.Minute)
	t, err := h.s.Change(h.ctx, made[1], 0, func(t *desk.Ticket) ([]desk.Event, error) { return t.Breach(now), nil })
	h.must(err)
	h.equal("marked", t.Clocks[0].BreachedAt, h.now.Add(10*time.Minute))
	h.equal("after marking", due(21), []desk.TicketID{made[2]})
	h.equal("its other clock", due(8*60+1), []desk.TicketID{made[2], made[0], made[1]})
	h.change(made[2], func(t *desk.Ticket) { t.DeletedAt = &now })
	h.equal("after deleting", due(21), []desk.TicketID{})
	ids, err := h.s.DueClocks(h.ctx, h.now.Add(24*time.Hour), 1)
	h.must(err)
	h.equal("limit", len(ids), 1)
}
