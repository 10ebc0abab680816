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
