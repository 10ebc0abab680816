package store

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"switchboard/pipeline/desk"
)

// View is what the pipeline looks up while it works on a group of drafts: read
// ahead for all of them with a handful of queries, and asked for one by one
// where nobody could know. It is as old as [Store.View] made it; what was
// overtaken meanwhile is found out by [Store.File]. After desk.ErrConflict the
// line needs a new View. It is safe for concurrent use.
type View struct {
	s  *Store
	mu sync.Mutex // over the maps; held while a query fills one

	seen      map[pair][]desk.Seen
	waiting   map[pair]desk.ReceiptID  // the oldest of a conversation
	requester map[pair]*desk.Requester // nil: nobody
	customer  map[string]*desk.Requester
	account   map[string]desk.Account
	thread    map[pair]desk.TicketID
	group     map[pair]groupRow
	entry     map[pair][]*messageRow // oldest first
	ticket    map[string]*ticketRow
	team      map[string]bool
	unseen    []pair // keys of seen that are read, all together, when one is asked for
}

// View reads ahead what the line will ask about the drafts.
func (s *Store) View(ctx context.Context, drafts []*desk.Draft) (*View, error) {
	n := len(drafts)
	v := &View{s: s, seen: map[pair][]desk.Seen{}, waiting: make(map[pair]desk.ReceiptID, n), requester: make(map[pair]*desk.Requester, n),
		customer: map[string]*desk.Requester{}, account: map[string]desk.Account{}, thread: make(map[pair]desk.TicketID, n),
		group: map[pair]groupRow{}, entry: make(map[pair][]*messageRow, n), ticket: map[string]*ticketRow{}, team: map[string]bool{}}
	if err := v.readAhead(ctx, drafts); err != nil {
		return nil, failed("view", err)
	}
	return v, nil
}

// readAhead knows which questions the line asks of every draft.
func (v *View) readAhead(ctx context.Context, drafts []*desk.Draft) error {
	var seen, waiting, people, threads, groups, entries, named []pair
	var customers, domains, tickets, teams []string
	for _, d := range drafts {
		own, thread := pair{d.Scope, key(d.ExternalID)}, pair{d.Scope, key(d.Thread.Key)}
		if d.Alone() {
			v.unseen = append(v.unseen, own)
		} else {
			seen = append(seen, own)
		}
		if d.Thread.Plain {
			entries = append(entries, own)
		} else {
			threads = append(threads, own)
		}
		if d.Thread.Key != "" {
			threads = append(threads, thread)
			if thread != own {
				named = append(named, thread)
			}
		}
		if d.Conversation() != "" {
			waiting = append(waiting, pair{d.Scope, key(d.Conversation())})
		}
		if d.Group != "" {
			groups = append(groups, pair{d.Scope, key(d.Group)})
		}
		if d.Target != "" {
			seen = append(seen, pair{d.Scope, key(d.Target)})
			entries = append(entries, pair{d.Scope, key(d.Target)})
		}
		for _, ref := range d.References {
			threads = append(threads, pair{d.Scope, key(ref)})
			seen = append(seen, pair{d.Scope, key(ref)})
		}
		for _, signed := range d.Signed {
			if signed.Ticket != "" {
				tickets = append(tickets, string(signed.Ticket))
			}
		}
		kind := desk.IdentityKind(d.Channel)
		if handle := desk.Handle(kind, d.From.Handle); handle != "" {
			people = append(people, pair{kind, key(handle)})
			if domain := desk.Domain(handle); domain != "" {
				domains = append(domains, key(domain))
			}
		}
		if p := d.Profile; p != nil && p.EmailVerified && p.Email != "" { // nobody asks about an address anybody may have typed
			email := desk.Handle("email", p.Email)
			people = append(people, pair{"email", key(email)})
			domains = append(domains, key(desk.Domain(email)))
		}
		if d.Ask != nil && d.Ask.CustomerID != "" {
			customers = append(customers, key(d.Ask.CustomerID))
		}
		if d.Ask != nil && d.Ask.TeamID != "" {
			teams = append(teams, string(d.Ask.TeamID))
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.loadSeen(ctx, seen); err != nil {
		return err
	}
	if err := v.loadWaiting(ctx, waiting); err != nil {
		return err
	}
	if err := v.loadThreads(ctx, threads); err != nil {
		return err
	}
	named = slices.DeleteFunc(named, func(p pair) bool { return v.thread[p] != "" }) // nobody asks how these stand
	if err := v.loadSeen(ctx, named); err != nil {
		return err
	}
	if err := v.loadGroups(ctx, groups); err != nil {
		return err
	}
	if err := v.loadEntries(ctx, entries); err != nil {
		return err
	}
	for _, p := range threads {
		if id := v.thread[p]; id != "" {
			tickets = append(tickets, string(id))
		}
	}
	for _, p := range groups {
		if id := v.group[p].TicketID; id != "" {
			tickets = append(tickets, id)
		}
	}
	if err := v.loadTickets(ctx, tickets); err != nil {
		return err
	}
	if err := v.loadRequesters(ctx, people); err != nil {
		return err
	}
	if err := v.loadCustomers(ctx, customers); err != nil {
		return err
	}
	if err := v.loadAccounts(ctx, domains); err != nil {
		return err
	}
	return v.loadTeams(ctx, teams)
}

// known returns what a map of the view holds under k, after filling it with
// load when it has no answer yet.
func known[K comparable, V any](ctx context.Context, v *View, m map[K]V, k K, load func(context.Context, []K) error) (V, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if _, ok := m[k]; !ok {
		if err := load(ctx, []K{k}); err != nil {
			var zero V
			return zero, failed("view", err)
		}
	}
	return m[k], nil
}

// Seen returns the ledger rows with a scope and external ID, in every state and
// the draft's own among them, oldest first.
func (v *View) Seen(ctx context.Context, scope, externalID string) ([]desk.Seen, error) {
	return known(ctx, v, v.seen, pair{scope, key(externalID)}, func(ctx context.Context, keys []pair) error {
		for _, p := range v.unseen { // what was read stays as it was read
			if _, had := v.seen[p]; !had {
				keys = append(keys, p)
			}
		}
		v.unseen = nil
		return v.loadSeen(ctx, keys)
	})
}

// TicketOf returns the ticket of a receipt's message, and "" when it is on none.
func (v *View) TicketOf(ctx context.Context, id desk.ReceiptID) (desk.TicketID, error) {
	var rows []receiptRow
	if err := v.s.read(ctx).Select("ticket_id").Where("id = ?", string(id)).Find(&rows).Error; err != nil {
		return "", failed("view", err)
	}
	if len(rows) == 0 {
		return "", nil
	}
	return desk.TicketID(rows[0].TicketID), nil
}

// Ahead returns the oldest receipt of a conversation that was accepted before
// another, is not settled and had no trouble so far; false when there is none.
func (v *View) Ahead(ctx context.Context, scope, threadKey string, before desk.ReceiptID) (desk.ReceiptID, bool, error) {
	oldest, err := known(ctx, v, v.waiting, pair{scope, key(threadKey)}, v.loadWaiting)
	if err != nil || oldest == "" || oldest >= before {
		return "", false, err
	}
	return oldest, true, nil
}

// Requester returns who owns a handle; see [desk.Handle] for its form. One
// whose Found is false is not an error.
func (v *View) Requester(ctx context.Context, kind, handle string) (desk.Requester, error) {
	return found(known(ctx, v, v.requester, pair{kind, key(handle)}, v.loadRequesters))
}

// CustomerByID returns a customer by uid or external ID. One whose Found is
// false is not an error.
func (v *View) CustomerByID(ctx context.Context, id string) (desk.Requester, error) {
	return found(known(ctx, v, v.customer, key(id), v.loadCustomers))
}

// found is the requester a view has, or one that was not found.
func found(r *desk.Requester, err error) (desk.Requester, error) {
	if r == nil {
		return desk.Requester{}, err
	}
	return *r, err
}

// AccountByDomain returns the company of a mail domain, and false when there is
// none.
func (v *View) AccountByDomain(ctx context.Context, domain string) (desk.Account, bool, error) {
	a, err := known(ctx, v, v.account, key(domain), v.loadAccounts)
	return a, a.ID != "", err
}

// Threads returns which of the keys belong to a ticket, by key. Keys of deleted
// tickets belong to nobody.
func (v *View) Threads(ctx context.Context, scope string, keys []string) (map[string]desk.TicketID, error) {
	out := make(map[string]desk.TicketID)
	v.mu.Lock()
	defer v.mu.Unlock()
	var ask []pair
	for _, k := range keys {
		if _, ok := v.thread[pair{scope, key(k)}]; !ok {
			ask = append(ask, pair{scope, key(k)})
		}
	}
	if err := v.loadThreads(ctx, ask); err != nil {
		return nil, failed("view", err)
	}
	for _, k := range keys {
		if id := v.thread[pair{scope, key(k)}]; id != "" {
			out[k] = id
		}
	}
	return out, nil
}

// Ticket returns a copy of a ticket that is the caller's own, or
// desk.ErrNotFound. A deleted ticket is returned with its DeletedAt, so that the
// line can say so. Words that its first message has are left there: see
// [View.Describe].
func (v *View) Ticket(ctx context.Context, id desk.TicketID) (*desk.Ticket, error) {
	row, err := known(ctx, v, v.ticket, string(id), v.loadTickets)
	if err != nil {
		return nil, err
	}
	if row == nil {
		return nil, fmt.Errorf("store: ticket: %w", desk.ErrNotFound)
	}
	return row.desk()
}

// Describe fills in the words of a ticket that [View.Ticket] returned. The first
// time it fetches those of all that were read.
func (v *View) Describe(ctx context.Context, t *desk.Ticket) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	row := v.ticket[string(t.ID)]
	if row == nil || !row.elsewhere() {
		return nil
	}
	if row.words == "" {
		var rows []*ticketRow
		for _, r := range v.ticket {
			if r != nil && r.words == "" {
				rows = append(rows, r)
			}
		}
		if err := v.s.describe(v.s.read(ctx), rows...); err != nil {
			return failed("view", err)
		}
	}
	t.Description = row.words
	return nil
}

// Group returns the ticket of a group's latest message and when that was said,
// and false when there is none.
func (v *View) Group(ctx context.Context, scope, group string) (desk.TicketID, time.Time, bool, error) {
	row, err := known(ctx, v, v.group, pair{scope, key(group)}, v.loadGroups)
	return desk.TicketID(row.TicketID), row.At.UTC(), row.TicketID != "", err
}

// Entry returns the message on a ticket with an external ID and a fingerprint, or
// else the newest with the ID, and false when there is none.
func (v *View) Entry(ctx context.Context, scope, externalID, fingerprint string) (*desk.Message, bool, error) {
	rows, err := known(ctx, v, v.entry, pair{scope, key(externalID)}, v.loadEntries)
	if err != nil || len(rows) == 0 {
		return nil, false, err
	}
	row := rows[len(rows)-1]
	if same := slices.IndexFunc(rows, func(r *messageRow) bool { return r.Fingerprint == key(fingerprint) }); same >= 0 && fingerprint != "" {
		row = rows[same]
	}
	m, err := row.desk()
	return &m, err == nil, err
}

// TicketByNumber is [View.Ticket] by the number people use.
func (v *View) TicketByNumber(ctx context.Context, n int64) (*desk.Ticket, error) {
	var row ticketRow
	if err := v.s.read(ctx).Where("number = ?", n).Take(&row).Error; err != nil {
		return nil, notFound("ticket", err)
	}
	if err := v.s.describe(v.s.read(ctx), &row); err != nil {
		return nil, failed("view", err)
	}
	return row.desk()
}

// HasTeam reports whether a team was made on first use. The teams of the config
// are not in the books.
func (v *View) HasTeam(ctx context.Context, id desk.TeamID) (bool, error) {
	return known(ctx, v, v.team, string(id), v.loadTeams)
}
