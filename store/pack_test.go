package store

import (
	"math"
	"reflect"
	"testing"
	"time"

	"switchboard/pipeline/desk"
)

// usualTicket is a ticket as they are after their first message, its message and
// event.
func usualTicket() (*desk.Ticket, *desk.Message, *desk.Event) {
	at := time.Date(2026, 3, 2, 12, 0, 0, 123456000, time.UTC)
	clock := desk.Clock{Metric: desk.FirstResponse, SLA: "standard", Calendar: "office", Target: 4 * time.Hour, State: desk.ClockRunning, StartedAt: at, RunningAt: at, DueAt: at.Add(5 * time.Hour)}
	long := clock
	long.Metric, long.Target, long.DueAt = desk.Resolution, 16*time.Hour, at.Add(50*time.Hour)
	by := desk.Actor{Kind: desk.ByCustomer, ID: "01KJQ6PSG05WZPQN2DCZCBMM40", Name: "Customer 7"}
	t := &desk.Ticket{ID: "01KJQ6PSG05WZPQN2DD05AG0TT", Number: 7, Title: "Question", Status: desk.StatusNew, Priority: desk.High, Type: "QUESTION",
		Channel: desk.Chat, Source: "shop", Scope: "CHAT", Tags: []string{"money"}, CustomerID: "01KJQ6PSG05WZPQN2DCZCBMM40", TeamID: "billing",
		AssignedBy: desk.AssignedBy{Route: "money", Agent: "round robin, turn 4 of 2 agents"}, Custom: map[string]any{}, Participants: []string{"shop:customer-7"},
		Clocks: []desk.Clock{clock, long}, CreatedAt: at, UpdatedAt: at, LastCustomerAt: &at, MessageCount: 1}
	m := &desk.Message{ID: "01KJQ6PSG05WZPQN2DD588MEAD", TicketID: t.ID, Direction: desk.Inbound, Public: true, Author: by, Channel: desk.Chat, Source: "shop",
		From: desk.Party{Name: "Customer 7", Handle: "shop:customer-7"}, Text: "words", SentAt: at, CreatedAt: at}
	e := t.Opened(by, at)
	return t, m, &e
}

// clocksBefore are its clocks as rows had them before there was a short form.
const clocksBefore = `[{"metric":"FIRST_RESPONSE","sla":"standard","calendar":"office","target":14400000000000,"state":"RUNNING","startedAt":"2026-03-02T12:00:00.123456Z","runningAt":"2026-03-02T12:00:00.123456Z","used":0,"dueAt":"2026-03-02T17:00:00.123456Z"},` +
	`{"metric":"RESOLUTION","sla":"standard","calendar":"office","target":57600000000000,"state":"RUNNING","startedAt":"2026-03-02T12:00:00.123456Z","runningAt":"2026-03-02T12:00:00.123456Z","used":0,"dueAt":"2026-03-04T14:00:00.123456Z"}]`

// Rows hold the same texts as ever, and bring back what was put in.
func TestRowsBringBackWhatWasPutIn(t *testing.T) {
	ticket, message, event := usualTicket()
	row, err := newTicketRow(ticket)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ got, want string }{
		{row.Tags, `["money"]`},
		{row.Custom, `{}`},
		{row.Participants, `["shop:customer-7"]`},
		{row.AssignedBy, `{"route":"money","agent":"round robin, turn 4 of 2 agents"}`},
		{row.Clocks, `[1,1772452800.123456,"standard","office",[0,0,14400,0,18000],[2,0,57600,0,180000]]`},
	} {
		if c.got != c.want {
			t.Errorf("%s\nwant %s", c.got, c.want)
		}
	}
	if got, err := row.desk(); err != nil || !reflect.DeepEqual(got, ticket) {
		t.Errorf("ticket %+v, %v\nwant   %+v", got, err, ticket)
	}
	row.Clocks = clocksBefore
	if got, err := row.desk(); err != nil || !reflect.DeepEqual(got, ticket) {
		t.Errorf("an old row is %+v, %v\nwant   %+v", got, err, ticket)
	}
	wrote, err := newMessageRow(message)
	if err != nil || wrote.Attachments+wrote.Mentions+wrote.Damage != "" || wrote.Auto != "{}" {
		t.Errorf("message row %+v, %v", wrote, err)
	}
	if got, err := wrote.desk(); err != nil || !reflect.DeepEqual(got, *message) {
		t.Errorf("message %+v, %v\nwant    %+v", got, err, *message)
	}
	line, err := newEventRow(event)
	if want := `{"priority":"HIGH","source":"CHAT","team":"billing"}`; err != nil || line.Data != want {
		t.Errorf("event %s, %v, want %s", line.Data, err, want)
	}
	for _, actor := range []string{`[0,"01KJQ6PSG05WZPQN2DCZCBMM40","Customer 7"]`, `{"kind":"CUSTOMER","id":"01KJQ6PSG05WZPQN2DCZCBMM40","name":"Customer 7"}`} {
		if actor[0] == '[' && (line.Actor != actor || wrote.Author != actor) {
			t.Errorf("actor %s, author %s, want %s", line.Actor, wrote.Author, actor)
		}
		line.Actor = actor
		if got, err := line.desk(); err != nil || len(got.Data) != 3 || got.Actor != event.Actor {
			t.Errorf("event %+v, %v", got, err)
		}
	}
}

// What no JSON holds is the fault of that row, for good.
func TestRowsThatCannotBeWritten(t *testing.T) {
	_, _, event := usualTicket()
	event.Data = map[string]any{"n": math.NaN()}
	if _, err := newEventRow(event); !desk.IsPermanent(err) {
		t.Errorf("a number no JSON holds: %v", err)
	}
	ticket, _, _ := usualTicket()
	row, err := newTicketRow(ticket)
	if err != nil {
		t.Fatal(err)
	}
	row.Clocks = "[{"
	if _, err := row.desk(); err == nil {
		t.Error("broken clocks were read")
	}
}

// BenchmarkRows turns what a new ticket brings into rows, and back.
func BenchmarkRows(b *testing.B) {
	ticket, message, event := usualTicket()
	tr, _ := newTicketRow(ticket)
	mr, _ := newMessageRow(message)
	er, _ := newEventRow(event)
	for _, bench := range []struct {
		name string
		do   func()
	}{
		{"ticket/write", func() { newTicketRow(ticket) }},
		{"ticket/read", func() { tr.desk() }},
		{"message/write", func() { newMessageRow(message) }},
		{"message/read", func() { mr.desk() }},
		{"event/write", func() { newEventRow(event) }},
		{"event/read", func() { er.desk() }},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				bench.do()
			}
		})
	}
}
