package store

import (
	"slices"
	"strings"

	"switchboard/pipeline/desk"
)

// standing is what the books know of a line of what was acknowledged.
type standing struct {
	// rows are of the ledger: the one of the receipt, or all of the external ID,
	// each of other content. What retention took of them is there as it was when its
	// message is on a ticket.
	rows []receiptRow
	same map[message]int // how often the ledger has each message
}

// acknowledgedRows finds what each line names.
func (a *auditor) acknowledgedRows(page []Acknowledged) ([]standing, error) {
	columns := []string{"id", "source", "scope", "external_id", "fingerprint", "accepted_at", "state", "reason", "ticket_id", "message_id"}
	byReceipt, err := byID(a, valuesOf(page, func(k *Acknowledged) string { return strings.ToUpper(k.Receipt) }), receiptID, columns...)
	if err != nil {
		return nil, err
	}
	pairs := make([]pair, len(page)) // of source and external ID
	for i, k := range page {
		pairs[i] = pair{k.Source, key(k.ExternalID)}
		if r := byReceipt[strings.ToUpper(k.Receipt)]; r != nil {
			pairs[i] = pair{r.Source, r.ExternalID}
		}
	}
	var rows []receiptRow
	if err := a.tx.Select(columns).Where(a.s.inPairs("source", "external_id", once(pairs))).Order("id").Find(&rows).Error; err != nil {
		return nil, err
	}
	same, named := map[message]int{}, map[pair][]receiptRow{}
	for _, r := range rows {
		k := pair{r.Source, r.ExternalID}
		same[r.message()]++
		named[k] = append(named[k], r)
	}
	retired, err := a.retiredRows(pairs)
	if err != nil {
		return nil, err
	}
	out := make([]standing, len(page))
	for i, k := range page {
		s := standing{same: same}
		if id := strings.ToUpper(k.Receipt); id == "" {
			s.rows = append(slices.Clone(named[pairs[i]]), asOf(retired[pairs[i].b], k.Source)...)
		} else if r := byReceipt[id]; r != nil {
			s.rows = []receiptRow{*r}
		} else {
			s.rows = slices.DeleteFunc(slices.Clone(retired[pairs[i].b]), func(r receiptRow) bool { return r.ID != id })
		}
		out[i] = s
	}
	return out, nil
}

// retiredRows are receipts that retention took, as their messages on tickets
// tell, by external ID. The scope of a source is the config's affair, and there are
// few: all are asked.
func (a *auditor) retiredRows(pairs []pair) (map[string][]receiptRow, error) {
	if a.retired[retiredLedger] == "" {
		return nil, nil
	}
	var in []pair
	for after := ""; ; {
		var scopes []string
		err := a.tx.Raw("SELECT scope FROM messages WHERE external_id <> '' AND scope > ? ORDER BY scope LIMIT 1", after).Scan(&scopes).Error
		if err != nil {
			return nil, err
		}
		if len(scopes) == 0 {
			break
		}
		after = scopes[0]
		for _, p := range pairs {
			if p.b != "" {
				in = append(in, pair{after, p.b})
			}
		}
	}
	entries, err := find[messageRow](a.tx, "receipt_id ticket_id source scope external_id fingerprint", a.s.entriesAt(once(in)), "")
	if err != nil {
		return nil, err
	}
	there, err := byID(a, valuesOf(entries, func(m *messageRow) string { return m.ReceiptID }), receiptID, "id")
	if err != nil {
		return nil, err
	}
	out := map[string][]receiptRow{}
	for _, m := range entries {
		if there[m.ReceiptID] == nil && a.gone(retiredLedger, m.ReceiptID) {
			out[m.ExternalID] = append(out[m.ExternalID], receiptRow{ID: m.ReceiptID, Source: m.Source, Scope: m.Scope, ExternalID: m.ExternalID,
				Fingerprint: m.Fingerprint, State: string(desk.Filed), TicketID: m.TicketID})
		}
	}
	return out, nil
}

// asOf are rows as a source would have had them: what came by another source first
// was a duplicate here.
func asOf(rows []receiptRow, source string) []receiptRow {
	rows = slices.Clone(rows)
	for i := range rows {
		if r := &rows[i]; source != "" && r.Source != source {
			r.Source, r.State = source, string(desk.Duplicate)
		}
	}
	return rows
}

// entries are the messages of one identity.
type entries struct {
	count  int
	ticket string
	acts   map[string]bool // receipts that revised a message and brought none
}

// acknowledgedMessages counts the messages that receipts became.
func (a *auditor) acknowledgedMessages(stands []standing) (map[message]entries, error) {
	var pairs []pair
	var acts []string
	out := map[message]entries{}
	for _, s := range stands {
		for _, r := range s.rows {
			pairs = append(pairs, pair{r.Scope, r.ExternalID})
		}
	}
	if len(pairs) == 0 {
		return out, nil
	}
	found, err := find[messageRow](a.tx, "ticket_id scope external_id fingerprint", a.s.entriesAt(pairs), "")
	if err != nil {
		return nil, err
	}
	for _, m := range found {
		k := message{m.Scope, m.ExternalID, m.Fingerprint}
		out[k] = entries{count: out[k].count + 1, ticket: m.TicketID}
	}
	for _, s := range stands {
		for _, r := range s.rows {
			if r.State == string(desk.Filed) && out[message{r.Scope, r.ExternalID, r.Fingerprint}].count == 0 {
				acts = append(acts, r.ID)
			}
		}
	}
	for len(acts) > 0 {
		part := acts[:min(len(acts), draftsAtOnce)]
		acts = acts[len(part):]
		drafts, err := byID(a, part, receiptID, "id", "scope", "external_id", "fingerprint", "draft")
		if err != nil {
			return nil, err
		}
		for id, d := range drafts {
			if actOf(d) != "" {
				k := message{d.Scope, d.ExternalID, d.Fingerprint}
				e := out[k]
				if e.acts == nil {
					e.acts = map[string]bool{}
				}
				e.acts[id] = true
				out[k] = e
			}
		}
	}
	return out, nil
}
