package store

import (
	"encoding/json"
	"strings"

	"switchboard/pipeline/desk"
)

// draftsAtOnce bounds how many drafts are in memory: one can be large.
const draftsAtOnce = 50

// ledger walks the ledger.
func (a *auditor) ledger() error {
	q := a.tx.Select("id", "source", "scope", "external_id", "fingerprint", "accepted_at", "settled_at", "state", "reason", "attempts",
		"ticket_id", "message_id", "raw_digest", "raw_size")
	return pages(a, q, "id", a.since, receiptID, func(rows []receiptRow) error {
		a.receiptStates(rows)
		if err := a.receiptsFiled(rows); err != nil {
			return err
		}
		if err := a.receiptsRepeated(rows); err != nil {
			return err
		}
		if err := a.receiptWords(rows); err != nil {
			return err
		}
		return a.receiptBlobs(rows)
	})
}

func (a *auditor) receiptStates(rows []receiptRow) {
	state, waiting, reason := a.check("ledger.state", len(rows)), a.check("ledger.waiting", 0), a.check("ledger.reason", 0)
	for _, r := range rows {
		switch desk.State(r.State) {
		case desk.Accepted:
			waiting.Looked++
			if a.old(r.waitsSince()) {
				waiting.bad(r.ID, "accepted from %s at %s after %d attempts %s", r.Source, stamp(r.AcceptedAt), r.Attempts, r.Reason)
			}
		case desk.Duplicate, desk.Dropped, desk.Held, desk.Failed:
			reason.Looked++
			if strings.TrimSpace(r.Reason) == "" {
				reason.bad(r.ID, "%s, without a reason", r.State)
			}
		case desk.Filed:
		default:
			state.bad(r.ID, "state %q", r.State)
			continue
		}
		if (r.State == string(desk.Accepted)) != (r.SettledAt == nil) {
			state.bad(r.ID, "%s, settled at %s", r.State, stampp(r.SettledAt))
		}
	}
}

// receiptsFiled looks for the messages of filed receipts.
func (a *auditor) receiptsFiled(rows []receiptRow) error {
	var filed []receiptRow
	for _, r := range rows {
		if r.State == string(desk.Filed) {
			filed = append(filed, r)
		}
	}
	c := a.check("ledger.filed", len(filed))
	messages, err := byID(a, valuesOf(filed, func(r *receiptRow) string { return r.MessageID }), messageID, "id", "ticket_id", "receipt_id")
	if err != nil {
		return err
	}
	tickets, err := a.ticketsOf(valuesOf(filed, func(r *receiptRow) string { return r.TicketID }))
	if err != nil {
		return err
	}
	var others []receiptRow // of whose message is another's: they must have revised it
	for _, r := range filed {
		m, t := messages[r.MessageID], tickets[r.TicketID]
		switch {
		case m == nil:
			c.bad(r.ID, "filed as message %q, which is not there", r.MessageID)
		case t == nil:
			c.bad(r.ID, "filed on ticket %q, which is not there", r.TicketID)
		case m.TicketID != r.TicketID && t.MergedInto == "":
			c.bad(r.ID, "filed on ticket %s, but its message %s is on %s", r.TicketID, m.ID, m.TicketID)
		case m.ReceiptID != r.ID:
			others = append(others, r)
		}
	}
	for len(others) > 0 {
		part := others[:min(len(others), draftsAtOnce)]
		others = others[len(part):]
		drafts, err := byID(a, valuesOf(part, receiptID), receiptID, "id", "draft")
		if err != nil {
			return err
		}
		for _, r := range part {
			if actOf(drafts[r.ID]) == "" {
				c.bad(r.ID, "filed as message %s, which is receipt %q's", r.MessageID, messages[r.MessageID].ReceiptID)
			}
		}
	}
	return nil
}

// actOf is what a receipt did to an earlier message, "" for a message of its own.
func actOf(r *receiptRow) desk.Act {
	var d struct {
		Act desk.Act `json:"act"`
	}
	if r == nil || json.Unmarshal([]byte(r.Draft), &d) != nil {
		return ""
	}
	return d.Act
}

// receiptsRepeated looks for what duplicates repeat: another receipt of the same
// message, or the message itself. What came as the same bytes is the same message
// too, whatever was read in them; the bytes may have been forgotten since, and so the
// row that the reason names is looked for.
func (a *auditor) receiptsRepeated(rows []receiptRow) error {
	var doubles []receiptRow
	var pairs []pair
	for _, r := range rows {
		if r.State == string(desk.Duplicate) {
			doubles = append(doubles, r)
			pairs = append(pairs, pair{r.Scope, r.ExternalID})
		}
	}
	if len(doubles) == 0 {
		return nil
	}
	c := a.check("ledger.duplicate", len(doubles))
	known, ids := map[message]bool{}, map[pair]map[string]bool{}
	there := func(id, scope, externalID string) {
		k := pair{scope, externalID}
		if ids[k] == nil {
			ids[k] = map[string]bool{}
		}
		ids[k][id] = true
	}
	var firsts []receiptRow
	err := a.tx.Select("id", "scope", "external_id", "fingerprint", "state").Where(a.s.inPairs("scope", "external_id", pairs)).Find(&firsts).Error
	if err != nil {
		return err
	}
	for _, r := range firsts {
		there(r.ID, r.Scope, r.ExternalID)
		if r.State != string(desk.Duplicate) {
			known[message{r.Scope, r.ExternalID, r.Fingerprint}] = true
		}
	}
	var entries []messageRow
	err = a.tx.Select("id", "scope", "external_id", "fingerprint").Where(a.s.inPairs("scope", "external_id", pairs)).
		Where("external_id <> ''").Find(&entries).Error
	if err != nil {
		return err
	}
	for _, m := range entries {
		there(m.ID, m.Scope, m.ExternalID)
		known[message{m.Scope, m.ExternalID, m.Fingerprint}] = true
	}
	for _, r := range doubles {
		last := r.Reason[strings.LastIndexByte(r.Reason, ' ')+1:] // the reason ends with the receipt or message it repeats
		named := last != r.ID && ids[pair{r.Scope, r.ExternalID}][last]
		if !known[message{r.Scope, r.ExternalID, r.Fingerprint}] && !named && !(desk.IsID(last) && a.gone(retiredLedger, last)) {
			c.bad(r.ID, "a duplicate of nothing that is there: %s", r.Reason)
		}
	}
	return nil
}
