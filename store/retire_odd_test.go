package store

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"switchboard/pipeline/desk"
)

// What JSON may hold and the text of a database may not is in the way of no
// retention: of such an edit too it stays to be seen that it was one.
func TestOddDraftsGo(t *testing.T) {
	eachAuditHouse(t, func(t *testing.T, h *auditHouse) {
		var edits []desk.ReceiptID
		for i, odd := range []func(*desk.Draft){
			func(d *desk.Draft) { d.Text = "NUL \x00" },
			func(d *desk.Draft) { d.Headers = map[string]string{"x": "\x00"} },
			func(d *desk.Draft) { d.Thread.Address = json.RawMessage(`{"id":"a\u0000b"}`) },
			func(d *desk.Draft) { d.Thread.Address = json.RawMessage(`{"id":"a\ud800b"}`) },
		} {
			r := h.accepts("mail", fmt.Sprint("odd", i), func(d *desk.Draft) {
				d.Act, d.Target = desk.ActEdit, "case0"
				odd(d)
			})
			h.filed(&desk.Filing{Receipt: r.ID, At: h.now, Verdict: desk.Filed, Into: desk.TicketID(h.names["ticket0"]), Policy: h.policy(),
				Revision: &desk.Revision{Message: desk.MessageID(h.names["message0"]), Act: desk.ActEdit, Text: fmt.Sprint("words ", i), At: h.now}})
			edits = append(edits, r.ID)
		}
		h.retireAll(h.s.RetireDrafts, time.Now().Add(time.Hour))
		rs, err := h.s.Receipts(t.Context(), edits)
		h.must(err)
		for _, r := range rs {
			if d := r.Draft; d == nil || d.Act != desk.ActEdit || d.Text != "" || d.Headers != nil || d.Thread.Address != nil {
				t.Errorf("left of the edit %s is %+v", r.ExternalID, d)
			}
		}
		h.clean("with odd edits that are slim")
	})
}

// A walk that began anew when a clock was far ahead does not put the next one off
// until then.
func TestDraftsGoAfterAClockThatWasAhead(t *testing.T) {
	s, ctx, now := emptyBooks(t, SQLite), t.Context(), micro(time.Now())
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	accept := func(id string, state desk.State) desk.ReceiptID {
		t.Helper()
		old := now.Add(-time.Hour)
		r := desk.NewReceipt(&desk.Draft{Source: "mail", Channel: desk.Email, Scope: "EMAIL", ExternalID: id, Fingerprint: "f", Text: "words"}, old)
		_, err := s.Accept(ctx, nil, []desk.Receipt{r})
		must(err)
		_, err = s.File(ctx, []*desk.Filing{{Receipt: r.ID, At: old, Verdict: state, Reason: "why"}})
		must(err)
		return r.ID
	}
	walk := func() {
		t.Helper()
		for more := true; more; {
			var err error
			_, more, err = s.RetireDrafts(ctx, now, 10)
			must(err)
		}
	}
	held := accept("held", desk.Held)
	accept("first", desk.Dropped)
	walk() // began anew: the books are new
	accept("second", desk.Dropped)
	walk()
	must(s.w.Exec("UPDATE ledger SET state = 'dropped' WHERE id = ?", string(held)).Error)
	must(s.w.Exec("UPDATE retention SET at = ? WHERE name = ?", now.AddDate(10, 0, 0), retiredAnew).Error)
	walk()
	walk()
	if r, err := s.Receipt(ctx, held); err != nil || r.Draft != nil {
		t.Errorf("a draft that went late is kept for ten years: %+v, %v", r.Draft, err)
	}
}

// The raw message of what joins a ticket whose turn is over, and does not open it
// again, goes with the next walk.
func TestLateRawMessagesGo(t *testing.T) {
	eachAuditHouse(t, func(t *testing.T, h *auditHouse) {
		before := time.Now().Add(time.Hour)
		walk := func() int64 {
			t.Helper()
			h.retireAll(h.s.RetireRaw, before)
			var left int64
			h.must(h.s.read(t.Context()).Model(&messageRow{}).Where("ticket_id = ? AND raw_digest <> ''", h.names["ticket0"]).Count(&left).Error)
			return left
		}
		walk()
		walk() // began anew: the books are new
		if left := walk(); left != 0 {
			t.Fatalf("%d raw messages are left", left)
		}
		r := h.accepts("mail", "out of office", nil)
		m := h.message(r)
		m.Author = desk.Actor{Kind: desk.ByCustomer, ID: h.names["customer0"]}
		h.filed(&desk.Filing{Receipt: r.ID, At: h.now, Verdict: desk.Filed, Into: desk.TicketID(h.names["ticket0"]), Policy: h.policy(), Message: m,
			Change: desk.Change{At: h.now, By: m.Author, Said: &desk.Said{Message: m.ID, By: desk.ByCustomer, Public: true, Auto: true}}})
		walk()
		if left := walk(); left != 1 {
			t.Errorf("in the same week %d raw messages are left, want the late one", left)
		}
		h.must(h.s.w.Exec("UPDATE retention SET at = ? WHERE name = ?", time.Now().Add(-draftsAnew-time.Hour), retiredRawAnew).Error)
		walk()
		if left := walk(); left != 0 {
			t.Errorf("the next week %d raw messages are left", left)
		}
		h.clean("with late raw messages that are gone")
	})
}
