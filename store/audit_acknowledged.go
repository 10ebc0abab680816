package store

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"switchboard/pipeline/desk"
)

// Acknowledged is one line of what senders were told yes for, as JSON. A line
// names a message by its receipt, or by its source and external ID, or by both;
// the other fields are what is expected of it, and may be left out. A message
// that was acknowledged twice may have two lines. A line without a receipt is of
// any message that came under its ID, for one ID may be used for other content.
//
//	{"source":"support","externalId":"a@b.example","at":"2026-03-04T05:06:07Z","thread":"case 7"}
//	{"receipt":"01J...","ticket":"01J...","state":"filed"}
type Acknowledged struct {
	Source     string `json:"source,omitempty"`
	ExternalID string `json:"externalId,omitempty"`
	Receipt    string `json:"receipt,omitempty"`
	// At is when the sender heard yes. Of a line with neither a time nor a receipt
	// nobody can tell whether retention took what it names or it was lost; it counts
	// as lost unless its message is on a ticket.
	At time.Time `json:"at,omitzero"`
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
	threads := newSpill(a.o.Temp, spilledSize)
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
	stands, err := a.acknowledgedRows(page)
	if err != nil {
		return err
	}
	messages, err := a.acknowledgedMessages(stands)
	if err != nil {
		return err
	}
	a.check("acknowledged.kept", len(page))
	for i := range page {
		rows := a.acknowledgedKept(&page[i], stands[i])
		on := a.acknowledgedFiled(&page[i], rows, messages)
		if page[i].Thread == "" {
			continue
		}
		for _, s := range spilledThread(&page[i], on) {
			if err := threads.add(s.record()); err != nil {
				return err
			}
		}
	}
	return nil
}

// acknowledgedKept returns the rows that may be the message of a line.
func (a *auditor) acknowledgedKept(k *Acknowledged, s standing) (fit []receiptRow) {
	kept := a.named["acknowledged.kept"]
	name := cmp.Or(k.Receipt, k.Source+" "+k.ExternalID)
	for _, r := range s.rows {
		if n := s.same[r.message()]; n > 1 {
			kept.bad(name, "line %d: acknowledged, and %d times in the ledger with one content", k.line, n)
			return s.rows
		}
	}
	if len(s.rows) == 0 {
		if !a.retiredLine(k) {
			kept.bad(name, "line %d: acknowledged, and 0 times in the ledger%s", k.line, a.untold(k))
		}
		return nil
	}
	var waiting []receiptRow
	for _, r := range s.rows {
		switch {
		case k.Source != "" && k.Source != r.Source, k.ExternalID != "" && key(k.ExternalID) != r.ExternalID:
			kept.bad(r.ID, "line %d: the receipt is of %s %s, acknowledged was %s %s", k.line, r.Source, r.ExternalID, k.Source, k.ExternalID)
			return s.rows // by its receipt, so there is one
		case k.State != "" && string(k.State) != r.State:
		case k.State == "" && r.State == string(desk.Accepted):
			waiting = append(waiting, r)
		default:
			fit = append(fit, r)
		}
	}
	for _, r := range waiting { // beside one that fits, it may be another that came just now
		if len(fit) == 0 || a.old(r.AcceptedAt) {
			kept.bad(r.ID, "line %d: %s; %s", k.line, r.State, r.Reason)
		}
	}
	if len(fit) == 0 && k.State != "" && (k.Receipt != "" || !a.retiredLine(k)) {
		r := s.rows[0]
		kept.bad(r.ID, "line %d: %s; %s", k.line, r.State, r.Reason)
		return s.rows
	}
	return fit
}

// acknowledgedFiled looks for the messages of rows and returns them as they are on
// tickets.
func (a *auditor) acknowledgedFiled(k *Acknowledged, rows []receiptRow, messages map[message]entries) (on []receiptRow) {
	filed := a.check("acknowledged.filed", 0)
	for _, r := range rows {
		if r.State != string(desk.Filed) && r.State != string(desk.Duplicate) {
			continue
		}
		filed.Looked++
		n := messages[message{r.Scope, r.ExternalID, r.Fingerprint}]
		// What a duplicate repeats may have been dropped.
		if n.count > 1 || n.count == 0 && r.State == string(desk.Filed) && !n.acts[r.ID] {
			filed.bad(r.ID, "line %d: %s, and %d messages on tickets", k.line, r.State, n.count)
		}
		r.TicketID = cmp.Or(n.ticket, r.TicketID)
		on = append(on, r)
	}
	if k.Ticket == "" || len(on) == 0 {
		return on
	}
	i := slices.IndexFunc(on, func(r receiptRow) bool { return strings.EqualFold(k.Ticket, r.TicketID) })
	if i < 0 {
		filed.bad(on[0].ID, "line %d: on ticket %q, expected was %s", k.line, on[0].TicketID, k.Ticket)
		return on
	}
	return on[i : i+1]
}

// retiredLine reports whether retention may have taken the receipt of a line.
func (a *auditor) retiredLine(k *Acknowledged) bool {
	if k.Receipt == "" && !k.At.IsZero() {
		return a.gone(retiredLedger, string(desk.FirstID[desk.ReceiptID](k.At.Add(-a.o.Skew))))
	}
	return a.gone(retiredLedger, strings.ToUpper(k.Receipt))
}

// untold says what a line should have said.
func (a *auditor) untold(k *Acknowledged) string {
	if a.retired[retiredLedger] == "" || k.Receipt != "" || !k.At.IsZero() {
		return ""
	}
	return "; with its receipt or the time (at), the line would tell whether retention took it"
}
