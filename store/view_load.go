package store

import (
	"context"

	"gorm.io/gorm"

	"switchboard/pipeline/desk"
)

// The loaders fill the view's maps, one query for any number of keys. A key
// without a row gets a zero value, which means: asked, and there is none.

func (v *View) loadSeen(ctx context.Context, keys []pair) error {
	if len(keys) == 0 {
		return nil
	}
	rows, err := find[receiptRow](v.s.read(ctx), "id source scope external_id fingerprint raw_digest state ticket_id", v.s.inPairs("scope", "external_id", keys), "ORDER BY id")
	if err != nil {
		return err
	}
	for _, k := range keys {
		v.seen[k] = nil
	}
	for _, r := range rows {
		k := pair{r.Scope, r.ExternalID}
		v.seen[k] = append(v.seen[k], desk.Seen{Receipt: desk.ReceiptID(r.ID), Source: r.Source, Fingerprint: r.Fingerprint,
			Raw: r.RawDigest, State: desk.State(r.State), TicketID: desk.TicketID(r.TicketID)})
	}
	return nil
}

// loadWaiting keeps only the oldest of each conversation: that is the one the
// others are behind.
func (v *View) loadWaiting(ctx context.Context, keys []pair) error {
	if len(keys) == 0 {
		return nil
	}
	keys = once(keys)
	rows, err := v.s.oldestOf(v.s.read(ctx), keys).Rows()
	if err != nil {
		return err
	}
	defer rows.Close()
	for _, k := range keys {
		v.waiting[k] = ""
	}
	for rows.Next() {
		var k pair
		var id string
		if err := rows.Scan(&k.a, &k.b, &id); err != nil {
			return err
		}
		v.waiting[k] = desk.ReceiptID(id)
	}
	return rows.Err()
}

// oldestOf asks for the oldest receipt that waits, without trouble so far, of
// each conversation that has one. Both databases are told to look up one
// conversation after the other in ledger_ahead: left alone, PostgreSQL compares
// everything that waits with every conversation as long as its statistics say
// that little waits, and SQLite prefers an index that holds the whole scope.
func (s *Store) oldestOf(db *gorm.DB, keys []pair) *gorm.DB {
	if s.dialect == SQLite {
		return db.Table("ledger INDEXED BY ledger_ahead").Select("scope", "thread_key", "min(id) AS id").Where(s.inPairs("scope", "thread_key", keys)).
			Where("state = 'accepted' AND attempts = 0").Group("scope, thread_key")
	}
	scopes, threads := make([]string, len(keys)), make([]string, len(keys))
	for i, k := range keys {
		scopes[i], threads[i] = k.a, k.b
	}
	return db.Raw(`SELECT k.scope, k.thread_key, o.id FROM unnest(?::text[], ?::text[]) AS k (scope, thread_key)
		CROSS JOIN LATERAL (SELECT l.id FROM ledger l WHERE l.state = 'accepted' AND l.attempts = 0
			AND l.scope = k.scope AND l.thread_key = k.thread_key ORDER BY l.scope, l.thread_key, l.id LIMIT 1) AS o`, &scopes, &threads)
}

func (v *View) loadThreads(ctx context.Context, keys []pair) error {
	if len(keys) == 0 {
		return nil
	}
	owners, err := v.s.owners(v.s.read(ctx), keys)
	if err != nil {
		return err
	}
	for _, k := range keys {
		v.thread[k] = ""
		if o, ok := owners[k]; ok && !o.gone {
			v.thread[k] = desk.TicketID(o.ticket)
		}
	}
	return nil
}

func (v *View) loadGroups(ctx context.Context, keys []pair) error {
	if len(keys) == 0 {
		return nil
	}
	rows, err := v.s.groups(v.s.read(ctx), keys)
	if err != nil {
		return err
	}
	for _, k := range keys {
		v.group[k] = rows[k]
	}
	return nil
}

func (v *View) loadEntries(ctx context.Context, keys []pair) error {
	if len(keys) == 0 {
		return nil
	}
	rows, err := find[messageRow](v.s.read(ctx), "", v.s.entriesAt(keys), "ORDER BY id")
	if err != nil {
		return err
	}
	for _, k := range keys {
		v.entry[k] = nil
	}
	for i := range rows {
		k := pair{rows[i].Scope, rows[i].ExternalID}
		v.entry[k] = append(v.entry[k], &rows[i])
	}
	return nil
}

func (v *View) loadTickets(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	rows, err := find[ticketRow](v.s.read(ctx), "", v.s.in("id", ids), "")
	if err != nil {
		return err
	}
	for _, id := range ids {
		v.ticket[id] = nil
	}
	for i := range rows {
		v.ticket[rows[i].ID] = &rows[i]
	}
	return nil
}

func (v *View) loadRequesters(ctx context.Context, handles []pair) error {
	if len(handles) == 0 {
		return nil
	}
	owners, customers, err := v.s.ownersOf(v.s.read(ctx), once(handles))
	if err != nil {
		return err
	}
	found, err := v.s.requestersOf(v.s.read(ctx), customers)
	if err != nil {
		return err
	}
	for _, h := range handles {
		v.requester[h] = found[desk.CustomerID(owners[h])]
	}
	return nil
}

func (v *View) loadCustomers(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	var rows []customerRow
	err := v.s.read(ctx).Select("id", "external_id").Where(v.s.in("id", ids)).Or(v.s.in("external_id", ids)).Find(&rows).Error
	if err != nil {
		return err
	}
	var uids []string
	for _, r := range rows {
		uids = append(uids, r.ID)
	}
	found, err := v.s.requesters(v.s.read(ctx), uids)
	if err != nil {
		return err
	}
	for _, id := range ids {
		v.customer[id] = nil
	}
	for _, r := range rows {
		if ext := orEmpty(r.ExternalID); ext != "" {
			v.customer[ext] = found[desk.CustomerID(r.ID)]
		}
	}
	for _, r := range rows { // a uid wins over somebody else's external ID
		v.customer[r.ID] = found[desk.CustomerID(r.ID)]
	}
	return nil
}

func (v *View) loadAccounts(ctx context.Context, domains []string) error {
	if len(domains) == 0 {
		return nil
	}
	rows, err := find[accountRow](v.s.read(ctx), "", v.s.in("domain", domains), "")
	if err != nil {
		return err
	}
	for _, d := range domains {
		v.account[d] = desk.Account{}
	}
	for i := range rows {
		v.account[orEmpty(rows[i].Domain)] = rows[i].desk()
	}
	return nil
}

func (v *View) loadTeams(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	rows, err := find[teamRow](v.s.read(ctx), "id", v.s.in("id", ids), "")
	if err != nil {
		return err
	}
	for _, id := range ids {
		v.team[id] = false
	}
	for _, r := range rows {
		v.team[r.ID] = true
	}
	return nil
}
