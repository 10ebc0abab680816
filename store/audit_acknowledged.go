package store

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"switchboard/pipeline/desk"
)

// Acknowledged is one line of what senders were told yes for, as JSON. A line
// names a message by its receipt, or by its source and external ID, or by both;
// the other fields are what is expected of it, and may be left out. A message
// that was acknowledged twice may have two lines.
//
//	{"source":"support","externalId":"a@b.example","thread":"case 7"}
//	{"receipt":"01J...","ticket":"01J...","state":"filed"}
type Acknowledged struct {
	Source     string `json:"source,omitempty"`
	ExternalID string `json:"externalId,omitempty"`
	Receipt    string `json:"receipt,omitempty"`
	// Ticket is the uid of the ticket it must be on.
	Ticket string `json:"ticket,omitempty"`
	// Thread is any name of the conversation: all of one name must be on one
	// ticket.
	Thread string `json:"thread,omitempty"`
	// State is where it must stand; empty: anywhere but accepted.
	State desk.State `json:"state,omitempty"`

	line int
}

// maxAcknowledged is the longest line of the list.
const maxAcknowledged = 1 << 20

// acknowledged compares the ledger with what was acknowledged.
func (a *auditor) acknowledged() error {
	if a.o.Acknowledged == nil {
		return nil
	}
	threads := newSpill(a.o.Temp)
	defer threads.close()
	in := bufio.NewScanner(a.o.Acknowledged)
	in.Buffer(nil, maxAcknowledged)
	var page []Acknowledged
	flush := func() error {
		err := a.acknowledgedPage(page, threads)
		page = page[:0]
		return err
	}
	for line := 1; in.Scan(); line++ {
		text := bytes.TrimSpace(in.Bytes())
		if len(text) == 0 {
			continue
		}
		k := Acknowledged{line: line}
		d := json.NewDecoder(bytes.NewReader(text))
		d.DisallowUnknownFields()
		if err := d.Decode(&k); err != nil {
			// Not wrapped: the end of a cut line is no lost connection.
			return fmt.Errorf("acknowledged line %d: %v", line, err)
		}
		if _, err := d.Token(); err != io.EOF {
			return fmt.Errorf("acknowledged line %d: more than one value", line)
		}
		if k.Receipt == "" && (k.Source == "" || k.ExternalID == "") {
			return fmt.Errorf("acknowledged line %d: names neither a receipt nor a source and an external ID", line)
		}
		if page = append(page, k); len(page) == a.o.Batch {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if err := in.Err(); err != nil {
		return fmt.Errorf("acknowledged: %w", err)
	}
	if err := flush(); err != nil {
		return err
	}
	return a.acknowledgedThreads(threads)
}

// acknowledgedPage looks for the receipts of some lines and for their messages.
func (a *auditor) acknowledgedPage(page []Acknowledged, threads *spill) error {
	if len(page) == 0 {
		return nil
	}
	kept := a.check("acknowledged.kept", len(page))
	rows, err := a.acknowledgedRows(page)
	if err != nil {
		return err
	}
	filed := a.check("acknowledged.filed", 0)
	messages, err := a.acknowledgedMessages(rows)
	if err != nil {
		return err
	}
	for i, k := range page {
		name := cmp.Or(k.Receipt, k.Source+" "+k.ExternalID)
		if len(rows[i]) != 1 {
			kept.bad(name, "line %d: acknowledged, and %d times in the ledger", k.line, len(rows[i]))
			continue
		}
		r := rows[i][0]
		switch {
		case k.Source != "" && k.Source != r.Source, k.ExternalID != "" && key(k.ExternalID) != r.ExternalID:
			kept.bad(r.ID, "line %d: the receipt is of %s %s, acknowledged was %s %s", k.line, r.Source, r.ExternalID, k.Source, k.ExternalID)
		case k.State != "" && string(k.State) != r.State, k.State == "" && r.State == string(desk.Accepted):
			kept.bad(r.ID, "line %d: %s; %s", k.line, r.State, r.Reason)
		}
		if r.State != string(desk.Filed) && r.State != string(desk.Duplicate) {
			continue
		}
		filed.Looked++
		on := r.TicketID
		n := messages[message{r.Scope, r.ExternalID, r.Fingerprint}]
		// What a duplicate repeats may have been dropped.
		if n.count > 1 || n.count == 0 && r.State == string(desk.Filed) && !n.acts[r.ID] {
			filed.bad(r.ID, "line %d: %s, and %d messages on tickets", k.line, r.State, n.count)
		}
		on = cmp.Or(n.ticket, on)
		if k.Ticket != "" && !strings.EqualFold(k.Ticket, on) {
			filed.bad(r.ID, "line %d: on ticket %q, expected was %s", k.line, on, k.Ticket)
		}
		if k.Thread != "" {
			s := spilled{key: sha256.Sum256([]byte(k.Thread)), id: sealed(r.ID), other: sealed(on)}
			if err := threads.add(s); err != nil {
				return err
			}
		}
	}
	return nil
}

// acknowledgedRows finds the rows of the ledger of each line.
func (a *auditor) acknowledgedRows(page []Acknowledged) ([][]receiptRow, error) {
	columns := []string{"id", "source", "scope", "external_id", "fingerprint", "state", "reason", "ticket_id", "message_id"}
	ids := make([]string, len(page))
	var pairs []pair
	for i, k := range page {
		if ids[i] = strings.ToUpper(k.Receipt); ids[i] == "" {
			pairs = append(pairs, pair{k.Source, key(k.ExternalID)})
		}
	}
	byReceipt, err := byID(a, ids, receiptID, columns...)
	if err != nil {
		return nil, err
	}
	named := map[pair][]receiptRow{}
	if len(pairs) > 0 {
		var rows []receiptRow
		if err := a.tx.Select(columns).Where(a.s.inPairs("source", "external_id", pairs)).Order("id").Find(&rows).Error; err != nil {
			return nil, err
		}
		for _, r := range rows {
			k := pair{r.Source, r.ExternalID}
			named[k] = append(named[k], r)
		}
	}
	out := make([][]receiptRow, len(page))
	for i, k := range page {
		if ids[i] == "" {
			out[i] = named[pair{k.Source, key(k.ExternalID)}]
		} else if r := byReceipt[ids[i]]; r != nil {
			out[i] = []receiptRow{*r}
		}
	}
	return out, nil
}

// entries are the messages of one identity.
type entries struct {
	count  int
	ticket string
	acts   map[string]bool // receipts that revised a message and brought none
}

// acknowledgedMessages counts the messages that receipts became.
func (a *auditor) acknowledgedMessages(rows [][]receiptRow) (map[message]entries, error) {
	var pairs []pair
	var acts []string
	out := map[message]entries{}
	for _, list := range rows {
		for _, r := range list {
			pairs = append(pairs, pair{r.Scope, r.ExternalID})
		}
	}
	if len(pairs) == 0 {
		return out, nil
	}
	var found []messageRow
	err := a.tx.Select("id", "ticket_id", "receipt_id", "scope", "external_id", "fingerprint").Where(a.s.inPairs("scope", "external_id", pairs)).
		Where("external_id <> ''").Find(&found).Error
	if err != nil {
		return nil, err
	}
	for _, m := range found {
		k := message{m.Scope, m.ExternalID, m.Fingerprint}
		out[k] = entries{count: out[k].count + 1, ticket: m.TicketID}
	}
	for _, list := range rows {
		for _, r := range list {
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

// acknowledgedThreads checks that the messages of each conversation, which come
// together here, are on one ticket.
func (a *auditor) acknowledgedThreads(threads *spill) error {
	c := a.check("acknowledged.thread", 0)
	next, err := threads.sorted()
	if err != nil {
		return err
	}
	var first spilled
	for n, ok, err := next(); ok || err != nil; n, ok, err = next() {
		if err != nil {
			return err
		}
		if c.Looked == 0 || n.key != first.key {
			c.Looked++
			first = n
			continue
		}
		if n.other != first.other {
			c.bad(opened(n.id), "on ticket %s, and %s of the same conversation is on %s", opened(n.other), opened(first.id), opened(first.other))
			first = n // once for each further ticket
		}
	}
	return nil
}
