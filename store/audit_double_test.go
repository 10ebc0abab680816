package store

import (
	"strings"
	"testing"

	"switchboard/pipeline/desk"
)

// What came as the same bytes is a duplicate, whatever a newer reader reads in them,
// and so is what repeats a duplicate. One that names a row that is not there, or
// itself, is found.
func TestAuditOfDuplicatesThatWereReadAnew(t *testing.T) {
	eachAuditHouse(t, func(t *testing.T, h *auditHouse) {
		double := func(source, reason string) desk.Receipt {
			t.Helper()
			r := h.accepts(source, "case0", func(d *desk.Draft) { d.Fingerprint = "as " + source + " reads it" })
			if strings.HasSuffix(reason, " ") {
				reason += string(r.ID)
			}
			h.ends(r, desk.Duplicate, reason)
			return r
		}
		first := double("newer", "the same message came by mail as receipt "+h.names["receipt0"])
		double("newest", "the same message came by newer as receipt "+string(first.ID))
		double("again", "the same message is on ticket "+h.names["ticket0"]+" as message "+h.names["message0"])
		h.clean("with duplicates that were read anew")

		itself := double("itself", "the same message came by itself as receipt ")
		other := double("other mail", "the same message came by mail as receipt "+h.names["dropped"])
		checks, err := h.s.Audit(t.Context(), h.options())
		h.must(err)
		wrong := findings(checks)
		for _, r := range []desk.Receipt{itself, other} {
			if !strings.Contains(strings.Join(wrong, "\n"), "ledger.duplicate "+string(r.ID)) || len(wrong) != 2 {
				t.Errorf("the duplicate of %s is not found among %v", r.Source, wrong)
			}
		}
	})
}
