package store

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"switchboard/pipeline/desk"
)

// compared is what the audit says of a list.
func (h *auditHouse) compared(lines ...string) (wrong []string) {
	h.Helper()
	o := h.options()
	o.Blobs, o.Digest, o.Acknowledged = nil, false, strings.NewReader(strings.Join(lines, "\n"))
	checks, err := h.s.Audit(h.Context(), o)
	h.must(err)
	return slices.DeleteFunc(findings(checks), func(f string) bool { return !strings.HasPrefix(f, "acknowledged.") })
}

// An external ID that was used again for other content names either message: what
// a line expects must be true of one of them. What is doubled under it, or waits,
// is found all the same.
func TestAuditOfAnIDThatWasUsedAgain(t *testing.T) {
	eachAuditHouse(t, func(t *testing.T, h *auditHouse) {
		again := h.accepts("mail", "case0", func(d *desk.Draft) { d.Fingerprint = desk.Fingerprint("other words") })
		other := h.opens(again)
		other.Identities, other.Claims, other.Group, other.Account, other.Customer.AccountID = nil, nil, nil, nil, ""
		h.filed(other)
		first, second, third := h.names["ticket0"], string(other.Ticket.ID), h.names["ticket1"]
		line := func(more string) string { return `{"source":"mail","externalId":"case0"` + more + `}` }
		on := func(ticket, talk string) string { return line(fmt.Sprintf(`,"ticket":%q,"thread":%q`, ticket, talk)) }
		talk := func(id, talk string) string {
			return fmt.Sprintf(`{"source":"mail","externalId":%q,"thread":%q}`, id, talk)
		}
		for _, good := range [][]string{
			{line("")}, {line(""), line(`,"state":"filed"`)}, {on(first, "a"), on(second, "b")}, {line(`,"receipt":"` + string(again.ID) + `"`)},
			{talk("case0", "a"), talk("edit", "a")}, {talk("case0", "a"), talk("case0", "b"), on(second, "b")},
		} {
			if wrong := h.compared(good...); len(wrong) > 0 {
				t.Errorf("%q: %q", good, wrong)
			}
		}
		for _, bad := range [][]string{
			{"acknowledged.kept", line(`,"state":"dropped"`)},
			{"acknowledged.filed", on(third, "a")},
			{"acknowledged.thread", on(first, "a"), on(second, "a")},
			{"acknowledged.thread", talk("case0", "a"), talk("case1", "a")},
		} {
			if wrong := h.compared(bad[1:]...); len(wrong) != 1 || !strings.HasPrefix(wrong[0], bad[0]+" ") {
				t.Errorf("%q: %q", bad, wrong)
			}
		}
		for _, damage := range []string{
			"UPDATE ledger SET state = 'accepted', accepted_at = '2020-01-01 00:00:00+00:00' WHERE id = '" + string(again.ID) + "'",
			"UPDATE ledger SET state = 'filed' WHERE id = '" + string(again.ID) + "'; DELETE FROM messages WHERE id = '" + string(other.Message.ID) + "'",
			"DROP INDEX ledger_external; UPDATE ledger SET fingerprint = (SELECT l.fingerprint FROM ledger l WHERE l.id = '" + h.names["receipt0"] + "') WHERE id = '" + string(again.ID) + "'",
		} {
			for _, q := range strings.Split(damage, ";") {
				h.must(h.s.w.Exec(q).Error)
			}
			if wrong := h.compared(line("")); len(wrong) != 1 {
				t.Errorf("%s: %q", damage, wrong)
			}
		}
	})
}

// What retention took from the ledger was not lost, when its message is on a
// ticket or the line says how old it is. What is younger was.
func TestAuditOfAListOlderThanTheLedger(t *testing.T) {
	eachAuditHouse(t, func(t *testing.T, h *auditHouse) {
		var old []string
		for _, line := range h.acked {
			old = append(old, strings.Replace(line, "{", `{"at":"`+h.now.Add(-49*time.Hour).Format(time.RFC3339)+`",`, 1))
		}
		if wrong := h.compared(old...); len(wrong) > 0 {
			t.Fatal(wrong)
		}
		h.must(h.s.Fail(t.Context(), desk.ReceiptID(h.names["waiting"]), "kept", h.now))
		h.retireAll(h.s.RetireLedger, time.Now().Add(time.Hour))
		if r, err := h.s.Receipts(t.Context(), []desk.ReceiptID{desk.ReceiptID(h.names["receipt0"])}); err != nil || len(r) > 0 {
			t.Fatalf("%v, %v", r, err)
		}
		if wrong := h.compared(old...); len(wrong) > 0 {
			t.Errorf("of an old list: %q", wrong)
		}
		// Without a time: what is on a ticket is known, of the rest nobody can tell.
		wrong := h.compared(`{"source":"mail","externalId":"case0"}`, `{"source":"other","externalId":"case0","state":"duplicate"}`, `{"receipt":"`+h.names["dropped"]+`"}`)
		if len(wrong) > 0 {
			t.Errorf("without times: %q", wrong)
		}
		young := string(desk.NewID[desk.ReceiptID](time.Now().Add(time.Hour)))
		for _, line := range []string{
			`{"source":"mail","externalId":"spam"}`,
			`{"source":"mail","externalId":"spam","at":"` + time.Now().Add(time.Hour).Format(time.RFC3339) + `"}`,
			`{"receipt":"` + young + `"}`, `{"source":"mail","externalId":"spam","receipt":"` + young + `"}`,
			`{"source":"mail","externalId":"case0","ticket":"` + h.names["ticket1"] + `"}`,
			`{"source":"mail","externalId":"case0","receipt":"` + h.names["receipt0"] + `","ticket":"` + h.names["ticket1"] + `"}`,
			`{"source":"other","externalId":"case0","receipt":"` + h.names["receipt0"] + `"}`,
		} {
			if wrong := h.compared(line); len(wrong) != 1 {
				t.Errorf("%s: %q", line, wrong)
			}
		}
	})
}
