package store

import (
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"gorm.io/gorm"

	"switchboard/pipeline/desk"
	"switchboard/store/storetest/pgtest"
)

// wholeTable finds a step of a query plan that reads a table from end to end.
// SQLite says "SCAN ledger" for that and adds "USING INDEX" when the order of an
// index is followed, which a LIMIT ends; PostgreSQL says "Seq Scan on ledger".
var wholeTable = map[string]*regexp.Regexp{
	SQLite:   regexp.MustCompile(`(?m)^SCAN (ledger|threads|tickets|messages|events|accounts|customers|identities|teams|turns|links|api_keys|revisions|message_groups|kept|contacts|canary_receipts)$`),
	Postgres: regexp.MustCompile(`Seq Scan on \w+`),
}

// indexes are those that hot statements need; the others only keep keys unique.
var indexes = strings.Fields(`ledger_external ledger_backlog ledger_ahead ledger_unfiled tickets_number tickets_status tickets_team
	tickets_agent tickets_customer tickets_due messages_unique messages_ticket messages_sending accounts_domain customers_external
	identities_customer links_to api_keys_hash messages_following customers_merged tickets_resolved messages_failed contacts_recent canary_receipts_settled`)

// Nothing that happens for each message, each sweep or each page may grow with
// the size of the tables. The test runs all of it, collects the statements and
// asks the database how it would answer them.
func TestHotStatementsUseIndexes(t *testing.T) {
	for _, url := range []string{filepath.Join(t.TempDir(), "books.db"), pgtest.New(t)} {
		s, err := Open(t.Context(), Options{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		if err := s.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Run(s.Dialect(), func(t *testing.T) {
			statements := collect(t, s)
			everythingHot(t, s)
			if len(statements) < 40 {
				t.Errorf("only %d statements were collected", len(statements))
			}
			used, needed := map[string]bool{}, indexes
			if s.Dialect() == Postgres {
				needed = append([]string{"customers_gone"}, needed...)
			}
			for text, vars := range statements {
				plan := planOf(t, s, text, vars)
				for _, name := range needed {
					used[name] = used[name] || regexp.MustCompile(`\b`+name+`\b`).MatchString(plan)
				}
				if found := wholeTable[s.Dialect()].FindString(plan); found != "" {
					t.Errorf("%s\n%s\n%s", found, text, plan)
				}
			}
			for _, name := range needed {
				if !used[name] {
					t.Errorf("no statement uses index %s", name)
				}
			}
		})
	}
}

// collect notes every statement that runs from now on, with one set of
// arguments.
func collect(t *testing.T, s *Store) map[string][]any {
	statements := map[string][]any{}
	var mu sync.Mutex
	note := func(db *gorm.DB) {
		mu.Lock()
		defer mu.Unlock()
		if text := db.Statement.SQL.String(); text != "" && !strings.HasPrefix(text, "SELECT pg_advisory") {
			statements[text] = append([]any(nil), db.Statement.Vars...)
		}
	}
	for _, db := range []*gorm.DB{s.w, s.r} {
		c := db.Callback()
		for _, err := range []error{
			c.Query().After("gorm:query").Register("note", note), c.Create().After("gorm:create").Register("note", note),
			c.Update().After("gorm:update").Register("note", note), c.Delete().After("gorm:delete").Register("note", note),
			c.Raw().After("gorm:raw").Register("note", note), c.Row().After("gorm:row").Register("note", note),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		if s.r == s.w {
			break
		}
	}
	return statements
}

// planOf returns the text of a plan, a step a line: on PostgreSQL the one for any
// arguments, which a connection may keep.
func planOf(t *testing.T, s *Store, text string, vars []any) string {
	t.Helper()
	pool, err := s.w.DB()
	if err != nil {
		t.Fatal(err)
	}
	db, err := pool.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	explain := "EXPLAIN QUERY PLAN " + text
	if s.Dialect() == Postgres {
		for _, first := range []string{"SET plan_cache_mode = force_generic_plan", "PREPARE hot AS " + text} {
			if _, err := db.ExecContext(t.Context(), first); err != nil {
				t.Fatalf("%s: %v", first, err)
			}
		}
		defer db.ExecContext(t.Context(), "DEALLOCATE hot")
		explain = "EXPLAIN EXECUTE hot"
		if len(vars) > 0 {
			explain += "(" + strings.TrimSuffix(strings.Repeat("NULL, ", len(vars)), ", ") + ")"
		}
		vars = nil
	}
	rows, err := db.QueryContext(t.Context(), explain, vars...)
	if err != nil {
		t.Fatalf("%s: %v", explain, err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var plan strings.Builder
	for rows.Next() {
		cells := make([]any, len(columns))
		into := make([]any, len(columns))
		for i := range cells {
			into[i] = &cells[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&plan, cells[len(cells)-1])
	}
	return plan.String()
}

// everythingHot does what happens for each message, each sweep and each page.
func everythingHot(t *testing.T, s *Store) {
	t.Helper()
	ctx, now := t.Context(), time.Now()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	token, _, err := s.Acquire(ctx, "inbox", "one", now, time.Minute)
	must(err)
	var tickets []desk.TicketID
	for round := range 3 {
		var drafts []*desk.Draft
		var rs []desk.Receipt
		for i := range 2 {
			id := fmt.Sprint(max(round, 1), "-", i) // the second round brings what is there
			d := &desk.Draft{Source: "mail", Channel: desk.Email, Scope: "EMAIL", ExternalID: id, Fingerprint: "f", From: desk.Party{Handle: id + "@example.com"},
				Thread: desk.Thread{Key: "thread", Address: []byte(`{}`)}, References: []string{"parent"}, ReceivedAt: now,
				Kept: []desk.Kept{desk.Keep([]byte(id))}, Group: "group", Window: time.Minute, Target: "target", Profile: &desk.Profile{Email: "p@example.com", EmailVerified: true},
				Ask: &desk.Ask{CustomerID: "crm", TeamID: "team"}}
			d.Text = strings.Repeat("words of "+id+" ", 40)
			raw := desk.Keep([]byte(d.Text))
			d.Raw, d.Kept = raw.Ref, append(d.Kept, raw)
			drafts, rs = append(drafts, d), append(rs, desk.NewReceipt(d, now))
		}
		ids, err := s.Accept(ctx, &desk.Cursor{Source: "mail", Folder: "INBOX", UIDValidity: 1, LastUID: 1, Lease: "inbox", Token: token}, rs)
		must(err)
		_, err = s.Receipts(ctx, ids)
		must(err)
		_, err = s.Unsettled(ctx, ids)
		must(err)
		v, err := s.View(ctx, drafts)
		must(err)
		if len(tickets) > 0 {
			_, err = v.Ticket(ctx, tickets[0])
			must(err)
		}
		_, _ = v.TicketByNumber(ctx, 1)
		var fs []*desk.Filing
		for i, r := range rs {
			m := &desk.Message{ID: desk.NewID[desk.MessageID](now), Scope: "EMAIL", ExternalID: fmt.Sprint(round, i), Text: strings.Repeat("words ", 100), CreatedAt: now}
			c := &desk.Customer{ID: desk.NewID[desk.CustomerID](now), ExternalID: fmt.Sprint("crm", round, i), CreatedAt: now, UpdatedAt: now}
			f := &desk.Filing{Receipt: ids[i], At: now, Verdict: desk.Filed, Message: m, Customer: c, NewCustomer: round < 2,
				Identities: []desk.Identity{{Kind: "email", Handle: r.Draft.From.Handle + fmt.Sprint(round), CustomerID: c.ID}},
				Account:    &desk.Account{ID: desk.NewID[desk.AccountID](now), Domain: fmt.Sprint("d", round, i), CreatedAt: now},
				Claims:     []string{fmt.Sprint(round, i)}, Thread: r.Draft.Thread, Group: &desk.Group{Key: fmt.Sprint("group", i), At: now}, Team: &desk.Team{ID: "team"}, Turn: &desk.Turn{Team: "team", Candidates: []desk.AgentID{"a"}}}
			if round == 0 {
				f.Ticket = &desk.Ticket{ID: desk.NewID[desk.TicketID](now), Description: m.Text, CustomerID: c.ID, Status: desk.StatusNew, CreatedAt: now, UpdatedAt: now}
				f.Events = []desk.Event{f.Ticket.Opened(desk.Actor{}, now)}
				f.Links = []desk.Link{{From: f.Ticket.ID, To: "x", Type: desk.Relates, CreatedAt: now}}
			} else {
				f.Into, f.Change = tickets[i], desk.Change{At: now, AddTags: []string{m.ExternalID}}
				f.Group.At, f.Group.Last = now.Add(time.Duration(round)*time.Second), tickets[i]
			}
			fs = append(fs, f)
		}
		results, err := s.File(ctx, fs)
		must(err)
		for _, r := range results {
			if r.Err == nil && round == 0 {
				tickets = append(tickets, r.Ticket)
			}
		}
		_, err = s.Change(ctx, tickets[0], 0, func(t *desk.Ticket) ([]desk.Event, error) {
			return t.Apply(desk.NewPolicy(), desk.Change{At: now, AddHandling: time.Hour})
		})
		must(err)
		answer := &desk.Message{ID: desk.NewID[desk.MessageID](now), TicketID: tickets[0], Direction: desk.Outbound, Public: true, Scope: "API",
			ExternalID: fmt.Sprint(round), Auto: desk.Auto{Kind: desk.AutoReply}, Send: desk.SendQueued, CreatedAt: now}
		_, _, err = s.AddMessage(ctx, answer, nil)
		must(err)
		_, err = s.SendsBy(ctx, answer.ID)
		must(err)
		_, err = s.TakeToSend(ctx, answer.ID, now, time.Minute, "")
		must(err)
		must(s.Postpone(ctx, answer.ID, 1, desk.SendQueued, "later", now))
		_, _, err = s.NextToSend(ctx, tickets[0], now)
		must(err)
		must(s.Delivered(ctx, answer.ID, desk.Proof{ExternalID: "out", At: now}))
		_, err = s.Revise(ctx, tickets[0], desk.Revision{Message: answer.ID, Act: desk.ActEdit, Text: "better", At: now}, desk.Actor{}, nil)
		must(err)
		_, err = s.Unsent(ctx, now.Add(time.Hour), now, now, 10)
		must(err)
		must(s.Followed(ctx, answer.ID, 1, "", nil))
	}
	everyoneHot(t, s, tickets, now)
	begunHot(t, s, tickets[0], now)
	must(s.Link(ctx, desk.Link{From: tickets[0], To: tickets[1], Type: desk.Parent, CreatedAt: now}))
	for _, f := range []desk.TicketFilter{{}, {Status: []desk.Status{"NEW"}}, {Team: []desk.TeamID{"team"}}, {Agent: []desk.AgentID{"a"}}, {Customer: "c"},
		{Text: "x"}, {Tag: "x"}} {
		f.Limit = 1
		_, f.Cursor, err = s.Tickets(ctx, f)
		must(err)
		_, _, err = s.Tickets(ctx, f)
		must(err)
	}
	_, err = s.Stale(ctx, "mail", now, now, now, 10)
	must(err)
	_, err = s.Waiting(ctx, 100)
	must(err)
	_, _, err = s.Attempt(ctx, []desk.ReceiptID{"x", "y"}, 5, "", now)
	must(err)
	must(s.Claim(ctx, []desk.ReceiptID{"x", "y"}, now))
	must(s.Survived(ctx, []desk.ReceiptID{"x", "y"}))
	_, err = s.Unsent(ctx, now, now, now, 10)
	must(err)
	_, err = s.DueClocks(ctx, now, 10)
	must(err)
	_, err = s.Pulse(ctx)
	must(err)
	_, err = s.TraceOf(ctx, tickets[0])
	must(err)
	_, _, err = s.Kept(ctx, desk.Keep(nil).Ref.Digest)
	must(err)
	for _, f := range []desk.ReceiptFilter{{}, {State: desk.Failed}, {Newest: true}, {State: desk.Held, Newest: true}, {IDs: []desk.ReceiptID{"x"}}} {
		_, err = s.ReceiptList(ctx, f)
		must(err)
	}
	_, err = s.CanaryTurn(ctx, "mail", 1, now)
	must(err)
	must(s.CanaryHeard(ctx, "mail", now, now, "x"))
	_, _, err = s.ForgetCanaries(ctx, now.Add(time.Hour), 10)
	must(err)
	_, err = s.Reopen(ctx, desk.ReceiptFilter{State: desk.Failed}, now)
	must(err)
	_, _ = s.Trouble(ctx, "x", 3, "", now)
	_ = s.Fail(ctx, "x", "", now)
	_, err = s.States(ctx, []desk.ReceiptID{"x"})
	must(err)
	_, _, err = s.ReceiptOf(ctx, "mail", "x")
	must(err)
	_, _, err = s.Messages(ctx, tickets[0], 10, "", true)
	must(err)
	_, err = s.Events(ctx, tickets[0], 0, 10)
	must(err)
	_, err = s.Links(ctx, tickets[0])
	must(err)
	_, _ = s.Ticket(ctx, "1")
	_, _ = s.KeyByHash(ctx, []byte("x"))
	_, err = s.Customers(ctx, []desk.CustomerID{"x"})
	must(err)
	retirementHot(t, s, tickets, now)
}

// retirementHot takes away what is old, twice: from the start and from a place.
func retirementHot(t *testing.T, s *Store, tickets []desk.TicketID, now time.Time) {
	t.Helper()
	resolved := desk.StatusResolved
	for _, id := range tickets {
		_, err := s.Change(t.Context(), id, 0, func(t *desk.Ticket) ([]desk.Event, error) {
			return t.Apply(desk.NewPolicy(), desk.Change{At: now, Status: &resolved})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		for _, take := range []func(context.Context, time.Time, int) (int64, bool, error){s.RetireDrafts, s.RetireRaw, s.RetireEvents, s.RetireRevisions, s.RetireLedger} {
			if _, _, err := take(t.Context(), now.Add(time.Hour), 1); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// begunHot begins a conversation and remembers whom it was with.
func begunHot(t *testing.T, s *Store, ticket desk.TicketID, now time.Time) {
	t.Helper()
	m := &desk.Message{ID: desk.NewID[desk.MessageID](now), TicketID: ticket, Direction: desk.Outbound, Public: true, Scope: "MS_TEAMS",
		Via: &desk.Via{Source: "teams", To: desk.Party{Handle: "ada"}}, Send: desk.SendQueued, CreatedAt: now}
	if _, _, err := s.AddMessage(t.Context(), m, nil); err != nil {
		t.Fatal(err)
	}
	err := s.Delivered(t.Context(), m.ID, desk.Proof{ExternalID: "begun", At: now, Begun: &desk.Begun{Thread: desk.Thread{Key: "chat"}, Group: "chat", Handle: "ada"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.KeepContact(t.Context(), desk.Contact{Source: "teams", Kind: desk.Place, Handle: "team", At: now}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Contact(t.Context(), "teams", desk.Place, "team"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Contacts(t.Context(), "teams", desk.Place, 10); err != nil {
		t.Fatal(err)
	}
}

// everyoneHot edits what customers said and does what is done to their records.
func everyoneHot(t *testing.T, s *Store, tickets []desk.TicketID, now time.Time) {
	t.Helper()
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	said, _, err := s.Messages(ctx, tickets[1], 10, "", false)
	must(err)
	res, err := s.File(ctx, []*desk.Filing{{At: now, Verdict: desk.Filed, Into: tickets[1],
		Revision: &desk.Revision{Message: said[0].ID, Act: desk.ActEdit, Text: "other words", At: now}}})
	must(err)
	must(res[0].Err)
	_, err = s.Revisions(ctx, said[0].ID)
	must(err)
	one, err := s.Ticket(ctx, string(tickets[0]))
	must(err)
	two, err := s.Ticket(ctx, string(tickets[1]))
	must(err)
	_, err = s.MergeCustomers(ctx, one.CustomerID, two.CustomerID, desk.Actor{}, now)
	must(err)
	_, handles, err := s.CustomerNamed(ctx, string(two.CustomerID))
	must(err)
	_, err = s.SplitCustomer(ctx, one.CustomerID, handles[:1], desk.Actor{}, now)
	must(err)
	_, err = s.ChangeCustomer(ctx, one.CustomerID, func(*desk.Customer) error { return nil })
	must(err)
}
