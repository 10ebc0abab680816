package store

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gorm.io/gorm"

	"switchboard/pipeline/desk"
)

func findings(checks []*Check) (wrong []string) {
	for _, c := range checks {
		for _, e := range c.Examples {
			wrong = append(wrong, c.Name+" "+e.ID+": "+e.Why)
		}
	}
	return wrong
}

// A house in order passes, and every check looked at something, in whatever
// pages; so it does since an instant.
func TestAuditOfAHouseInOrder(t *testing.T) {
	eachAuditHouse(t, func(t *testing.T, h *auditHouse) {
		for _, batch := range []int{1, 2, 500} {
			o := h.options()
			o.Batch = batch
			checks, err := h.s.Audit(t.Context(), o)
			h.must(err)
			for _, c := range checks {
				if c.Wrong != 0 || c.Looked == 0 {
					t.Errorf("in pages of %d: %s: %d looked at, %d wrong", batch, c.Name, c.Looked, c.Wrong)
				}
			}
			if len(checks) != len(auditChecks) {
				t.Errorf("%d checks of %d", len(checks), len(auditChecks))
			}
			for _, f := range findings(checks) {
				t.Error(f)
			}
		}
		o := h.options()
		o.Since, o.Acknowledged = time.Now().Add(-time.Hour), nil
		checks, err := h.s.Audit(t.Context(), o)
		h.must(err)
		looked := map[string]int64{}
		for _, c := range checks {
			looked[c.Name] = c.Looked
		}
		if f := findings(checks); len(f) > 0 || looked["message.ticket"] != 2 || looked["ledger.state"] != 0 {
			t.Errorf("since an hour ago: %v, %v", looked, f)
		}
	})
}

// auditBreaks are books that were broken, with the check that must notice and
// the row it must name. Each is one statement or more, undone afterwards.
var auditBreaks = []struct{ check, id, sql string }{
	{"ledger.state", "{receipt1}", "UPDATE ledger SET state = 'lost' WHERE id = '{receipt1}'"},
	{"ledger.state", "{receipt1}", "UPDATE ledger SET settled_at = NULL WHERE id = '{receipt1}'"},
	{"ledger.waiting", "{waiting}", "UPDATE ledger SET accepted_at = '2020-01-01 00:00:00+00:00' WHERE id = '{waiting}'"},
	{"ledger.filed", "{receipt1}", "DELETE FROM messages WHERE id = '{message1}'"},
	{"ledger.filed", "{receipt1}", "UPDATE ledger SET message_id = '' WHERE id = '{receipt1}'"},
	{"ledger.filed", "{receipt1}", "UPDATE ledger SET message_id = '{message2}', ticket_id = '{ticket2}' WHERE id = '{receipt1}'"},
	{"ledger.filed", "{receipt1}", "UPDATE ledger SET ticket_id = '{ticket0}' WHERE id = '{receipt1}'"},
	{"ledger.filed", "{edit}", "UPDATE ledger SET draft = '' WHERE id = '{edit}'"},
	{"ledger.reason", "{dropped}", "UPDATE ledger SET reason = ' ' WHERE id = '{dropped}'"},
	{"ledger.duplicate", "{twice}", "UPDATE ledger SET external_id = 'nothing', reason = 'of receipt 01ARZ3NDEKTSV4RRFFQ69G5FAV' WHERE id = '{twice}'"},
	{"ledger.words", "{small}", "DELETE FROM kept"},
	{"ledger.words", "{small}", "UPDATE ledger SET raw_digest = '' WHERE id = '{small}'"},
	{"ledger.words", "{small}", `UPDATE ledger SET draft = replace(draft, '"offset":', '"offset":9') WHERE id = '{small}'`},
	{"ledger.words", "{small}", `UPDATE ledger SET draft = replace(draft, '"as":"json"', '"as":"cipher"') WHERE id = '{small}'`},
	{"ledger.words", "{small}", `UPDATE ledger SET draft = replace(draft, '"length"', '"width"') WHERE id = '{small}'`},
	{"message.receipt", "{message1}", "DELETE FROM ledger WHERE id = '{receipt1}'"},
	{"message.receipt", "{message1}", "UPDATE ledger SET state = 'dropped' WHERE id = '{receipt1}'"},
	{"message.receipt", "{message1}", "UPDATE messages SET receipt_id = '' WHERE id = '{message1}'"},
	{"message.receipt", "{message2}", "UPDATE messages SET receipt_id = '{receipt1}' WHERE id = '{message2}'"},
	{"message.ticket", "{message1}", "DELETE FROM tickets WHERE id = '{ticket1}'"},
	{"message.author", "{message1}", "DELETE FROM customers WHERE id = '{customer1}'"},
	{"message.revisions", "{message0}", "DELETE FROM revisions WHERE message_id = '{message0}'"},
	{"message.revisions", "{message0}", "UPDATE messages SET revisions = 2 WHERE id = '{message0}'"},
	{"message.revisions", "{message0}", "UPDATE revisions SET n = 2 WHERE message_id = '{message0}'; UPDATE messages SET revisions = 2 WHERE id = '{message0}'"},
	{"delivery.state", "{sent}", "UPDATE messages SET sent_at = NULL WHERE id = '{sent}'"},
	{"delivery.state", "{failed}", "UPDATE messages SET send_error = '' WHERE id = '{failed}'"},
	{"delivery.state", "{queued}", "UPDATE messages SET send_state = 'flying' WHERE id = '{queued}'"},
	{"delivery.sending", "{sending}", "UPDATE messages SET taken_at = '2020-01-01 00:00:00+00:00' WHERE id = '{sending}'"},
	{"delivery.waiting", "{queued}", "UPDATE messages SET send_after = '2020-01-01 00:00:00+00:00' WHERE id = '{queued}'"},
	{"delivery.note", "{note}", "UPDATE messages SET send_state = 'queued' WHERE id = '{note}'"},
	{"delivery.note", "{note}", "UPDATE messages SET external_id = 'theirs' WHERE id = '{note}'"},
	{"delivery.note", "{note}", "UPDATE messages SET sent_at = created_at WHERE id = '{note}'"},
	{"ticket.messages", "{ticket1}", "DELETE FROM messages WHERE ticket_id = '{ticket1}'"},
	{"ticket.messages", "{ticket1}", "UPDATE tickets SET message_count = 7 WHERE id = '{ticket1}'"},
	{"ticket.described", "{ticket1}", "UPDATE tickets SET described = 'gone' WHERE id = '{ticket1}'"},
	{"ticket.described", "{ticket1}", "UPDATE tickets SET described = '{message2}' WHERE id = '{ticket1}'"},
	{"ticket.described", "{ticket1}", "DELETE FROM messages WHERE id = '{message1}'"},
	{"ticket.number", "{ticket1}", "DROP INDEX tickets_number; UPDATE tickets SET number = 1 WHERE id = '{ticket1}'"},
	{"ticket.number", "{ticket1}", "UPDATE tickets SET number = 0 WHERE id = '{ticket1}'"},
	{"ticket.times", "{ticket1}", "UPDATE tickets SET updated_at = '2020-01-01 00:00:00+00:00' WHERE id = '{ticket1}'"},
	{"ticket.times", "{ticket0}", "UPDATE tickets SET resolved_at = '2020-01-01 00:00:00+00:00' WHERE id = '{ticket0}'"},
	{"ticket.people", "{ticket1}", "UPDATE tickets SET customer_id = 'nobody' WHERE id = '{ticket1}'"},
	{"ticket.merged", "{ticket3}", "UPDATE tickets SET merged_into = id WHERE id = '{ticket3}'"},
	{"ticket.merged", "{ticket3}", "UPDATE tickets SET merged_into = 'nowhere' WHERE id = '{ticket3}'"},
	{"ticket.clocks", "{ticket1}", "UPDATE tickets SET clocks = '{' WHERE id = '{ticket1}'"},
	{"ticket.clocks", "{ticket1}", `UPDATE tickets SET clocks = replace(clocks, '[2,0,', '[2,1,') WHERE id = '{ticket1}'`},
	{"ticket.clocks", "{ticket1}", `UPDATE tickets SET clocks = replace(clocks, '[0,0,', '[2,0,'), first_response_at = NULL WHERE id = '{ticket3}';
		UPDATE tickets SET clocks = (SELECT clocks FROM tickets WHERE id = '{ticket3}') WHERE id = '{ticket1}'`},
	{"ticket.clocks", "{ticket1}", `UPDATE tickets SET clocks = replace(clocks, ']]', ',900000]]') WHERE id = '{ticket1}'`},
	{"ticket.clocks", "{ticket1}", `UPDATE tickets SET clocks = replace(clocks, '[2,0,', '[2,0,-') WHERE id = '{ticket1}'`},
	{"ticket.clocks", "{ticket1}", `UPDATE tickets SET clocks = replace(clocks, '[2,0,', '[9,0,') WHERE id = '{ticket1}'`},
	{"ticket.clocks", "{ticket1}", `UPDATE tickets SET clocks = '[{"metric":"RESOLUTION","sla":"standard","calendar":"","target":-1,"state":"RUNNING","startedAt":"2026-01-01T00:00:00Z","used":0}]' WHERE id = '{ticket1}'`},
	{"ticket.clocks", "{ticket1}", "UPDATE tickets SET resolved_at = updated_at WHERE id = '{ticket1}'"},
	{"ticket.clocks", "{ticket0}", `UPDATE tickets SET clocks = replace(clocks, '[0,2,', '[0,3,') WHERE id = '{ticket0}'`},
	{"ticket.due", "{ticket1}", "UPDATE tickets SET next_due_at = NULL WHERE id = '{ticket1}'"},
	{"ticket.breach", "{ticket1}", `UPDATE tickets SET clocks = replace(clocks, ',0,5760000]', ',0,-5760000]') WHERE id = '{ticket1}'`},
	{"event.gapless", "{ticket0}", "DELETE FROM events WHERE ticket_id = '{ticket0}' AND seq = 2"},
	{"event.gapless", "{ticket1}", "DELETE FROM events WHERE ticket_id = '{ticket1}' AND seq = 1"},
	{"event.gapless", "{ticket1}", "DELETE FROM events WHERE ticket_id = '{ticket1}'"},
	{"event.gapless", "{ticket1}", "UPDATE tickets SET event_count = event_count + 1 WHERE id = '{ticket1}'"},
	{"event.gapless", "{ticket1}", "UPDATE events SET kind = 'ticket:updated' WHERE ticket_id = '{ticket1}' AND seq = 1"},
	{"event.times", "{ticket1}", "UPDATE events SET at = '2020-01-01 00:00:00+00:00' WHERE ticket_id = '{ticket1}' AND seq = 1"},
	{"event.ticket", "", "DELETE FROM tickets WHERE id = '{ticket1}'"},
	{"thread.ticket", "EMAIL case1", "DELETE FROM tickets WHERE id = '{ticket1}'"},
	{"group.ticket", "EMAIL case1", "UPDATE message_groups SET ticket_id = 'nowhere' WHERE key = 'case1'"},
	{"link.tickets", "{ticket0}", "UPDATE links SET to_id = 'nowhere' WHERE to_id = '{ticket1}'"},
	{"revision.message", "gone", "UPDATE revisions SET message_id = 'gone' WHERE message_id = '{message0}'"},
	{"customer.account", "{customer1}", "UPDATE customers SET account_id = 'nowhere' WHERE id = '{customer1}'"},
	{"customer.merged", "{customer3}", "UPDATE customers SET merged_into = 'nobody' WHERE id = '{customer3}'"},
	{"customer.merged", "{customer3}", "UPDATE customers SET merged_into = '{customer3}' WHERE id = '{customer1}'; UPDATE customers SET merged_into = '{customer1}' WHERE id = '{customer3}'"},
	{"identity.customer", "email case1@example.com", "DELETE FROM customers WHERE id = '{customer1}'"},
	{"cursor.sane", "mail INBOX", "UPDATE cursors SET last_uid = -1"},
	{"contact.sane", "teams person ann", "UPDATE contacts SET address = '' WHERE handle = 'ann'"},
	{"contact.sane", "teams ghost ann", "UPDATE contacts SET kind = 'ghost' WHERE handle = 'ann'"},
	{"contact.sane", "teams place room", "UPDATE contacts SET at = '2100-01-01 00:00:00+00:00' WHERE handle = 'room'"},
	{"canary.times", "mail", "UPDATE canaries SET settled_at = NULL"},
	{"canary.times", "mail", "UPDATE canaries SET settled_at = '2020-01-01 00:00:00+00:00'"},
	{"canary.receipt", "{canary}", "UPDATE ledger SET state = 'filed' WHERE id = '{canary}'"},
	{"canary.receipt", "{canary}", "DELETE FROM ledger WHERE id = '{canary}'"},
	{"blob.there", "{message1}", "UPDATE messages SET raw_size = 3 WHERE id = '{message1}'"},
	{"blob.there", "{message1}", "UPDATE messages SET raw_digest = 'elsewhere' WHERE id = '{message1}'"},
	{"blob.there", "{small}", "UPDATE ledger SET raw_size = 3 WHERE id = '{small}'"},
	{"blob.there", "{message1}: what this message refers to cannot be read", "UPDATE messages SET attachments = substr(attachments, 1, 40) WHERE id = '{message1}'"},
	{"blob.there", "{waiting}: what this receipt refers to cannot be read", "UPDATE ledger SET draft = substr(draft, 1, length(draft) - 1) WHERE id = '{waiting}'"},
	{"acknowledged.kept", "{receipt1}", "DELETE FROM ledger WHERE id = '{receipt1}'"},
	{"acknowledged.kept", "mail spam", "UPDATE ledger SET external_id = 'other' WHERE id = '{dropped}'"},
	{"acknowledged.kept", "mail spam", `DROP INDEX ledger_external; UPDATE ledger SET external_id = 'spam', fingerprint = (SELECT l.fingerprint FROM ledger l WHERE l.id = '{dropped}')
		WHERE id = '{receipt2}'`},
	{"acknowledged.kept", "{dropped}", "UPDATE ledger SET state = 'accepted' WHERE id = '{dropped}'"},
	{"acknowledged.kept", "{receipt1}", "UPDATE ledger SET state = 'failed' WHERE id = '{receipt1}'"},
	{"acknowledged.kept", "{receipt1}", "UPDATE ledger SET source = 'elsewhere' WHERE id = '{receipt1}'"},
	{"acknowledged.filed", "{receipt1}", "DELETE FROM messages WHERE id = '{message1}'"},
	{"acknowledged.filed", "{receipt1}", "UPDATE messages SET ticket_id = '{ticket2}' WHERE id = '{message1}'"},
	{"acknowledged.filed", "{edit}", "UPDATE ledger SET draft = '' WHERE id = '{edit}'"},
	{"acknowledged.thread", "{edit}", "UPDATE ledger SET ticket_id = '{ticket2}' WHERE id = '{edit}'"},
}

var errUndo = errors.New("undo")

// For every check there are books it finds broken.
func TestAuditFindsWhatIsBroken(t *testing.T) {
	eachAuditHouse(t, func(t *testing.T, h *auditHouse) {
		broken := map[string]bool{"blob.digest": true, "blob.orphan": true} // broken by hand, below
		var names []string
		for name, id := range h.names {
			names = append(names, "{"+name+"}", id)
		}
		fill := strings.NewReplacer(names...).Replace
		for _, b := range auditBreaks {
			broken[b.check] = true
			var checks []*Check
			err := h.s.w.Transaction(func(tx *gorm.DB) error {
				for _, q := range strings.Split(b.sql, ";") {
					res := tx.Exec(fill(q))
					if res.Error != nil || res.RowsAffected == 0 && !strings.Contains(q, "DROP") {
						t.Fatalf("%s: %v, %d rows", q, res.Error, res.RowsAffected)
					}
				}
				a := newAuditor(h.s, t.Context(), h.options())
				a.tx, a.refs, checks = tx, newSpill(h.dir, spilledSize), a.checks
				defer a.refs.close()
				h.must(a.walks())
				h.must(a.blobs())
				return errUndo
			})
			if !errors.Is(err, errUndo) {
				t.Fatal(err)
			}
			want, found := b.check+" "+fill(b.id), false
			all := findings(checks)
			for _, f := range all {
				found = found || strings.HasPrefix(f, want)
			}
			if !found {
				t.Errorf("%s\nis not found by %s; found is\n%s", fill(b.sql), want, strings.Join(all, "\n"))
			}
		}
		for _, c := range auditChecks {
			if !broken[c.name] {
				t.Errorf("nothing breaks %s", c.name)
			}
		}
		if checks, err := h.s.Audit(t.Context(), h.options()); err != nil || len(findings(checks)) > 0 {
			t.Errorf("what was undone is still broken: %v, %v", findings(checks), err)
		}
	})
}

// Bytes that no row refers to are wrong only when the house had to take them away:
// its last walk came to its end, they were old by then, and no row lost them since.
func TestAuditOfBlobsThatWait(t *testing.T) {
	eachAuditHouse(t, func(t *testing.T, h *auditHouse) {
		ctx, now := t.Context(), time.Now()
		ref := h.put("nobody's")
		put := now.Add(-5 * time.Hour)
		h.must(os.Chtimes(filepath.Join(h.dir, ref.Digest[:2], ref.Digest[2:4], ref.Digest), put, put))
		check := func(why string, wrong int64, change func(*AuditOptions)) {
			t.Helper()
			o := h.options()
			if change != nil {
				change(&o)
			}
			checks, err := h.s.Audit(ctx, o)
			h.must(err)
			for _, c := range checks {
				waits := strings.HasPrefix(c.Note, "1 more have no row and wait")
				if c.Name == "blob.orphan" && (c.Wrong != wrong || waits == (wrong > 0)) {
					t.Errorf("%s: %d wrong, %s", why, c.Wrong, c.Note)
				}
			}
		}
		day := func(o *AuditOptions) { o.Orphans = 24 * time.Hour }
		check("no walk yet, and none had to be", 0, day)
		check("no walk yet, and one had to be", 1, nil)
		check("strictly, whatever is taken away", 1, func(o *AuditOptions) { o.Orphans, o.Strict = 0, true })
		check("none ever is", 0, func(o *AuditOptions) { o.Orphans = 0 })
		h.must(h.s.MarkRetired(ctx, retiredOrphans, now.Add(-4*time.Hour-30*time.Minute)))
		check("too young for the last walk", 0, nil)
		h.must(h.s.MarkRetired(ctx, retiredOrphans, now.Add(-3*time.Hour)))
		check("left by the last walk", 1, nil)
		h.must(h.s.MarkRetired(ctx, retiredDrafts, now.Add(-2*time.Hour)))
		check("a row lost them since", 0, func(o *AuditOptions) { o.Freed = 4 * time.Hour })
		check("no row that had them was old enough to lose them", 1, func(o *AuditOptions) { o.Freed = 6 * time.Hour })
	})
}

// An answer of long ago that failed and is sent again is due from now on.
func TestAuditOfWhatIsSentAgain(t *testing.T) {
	eachAuditHouse(t, func(t *testing.T, h *auditHouse) {
		by := desk.Actor{Kind: desk.BySystem, ID: "resend"}
		h.must(h.s.Resend(t.Context(), desk.MessageID(h.names["failed"]), by, time.Now()))
		h.clean("sent again")
	})
}

// What is wrong with the blobs is found: bytes that are gone, cut short, changed,
// or nobody's.
func TestAuditOfBlobs(t *testing.T) {
	eachAuditHouse(t, func(t *testing.T, h *auditHouse) {
		file := func(ref desk.BlobRef) string {
			return filepath.Join(h.dir, ref.Digest[:2], ref.Digest[2:4], ref.Digest)
		}
		wrong := func(check, id string) {
			t.Helper()
			checks, err := h.s.Audit(t.Context(), h.options())
			h.must(err)
			all := findings(checks)
			if !slices.ContainsFunc(all, func(f string) bool { return strings.HasPrefix(f, check+" "+id) }) {
				t.Errorf("%s %s is not among %q", check, id, all)
			}
			if check == "" && len(all) > 0 {
				t.Errorf("found: %q", all)
			}
		}
		young := h.put("nobody's, and young")
		if checks, err := h.s.Audit(t.Context(), h.options()); err != nil || len(findings(checks)) > 0 {
			t.Errorf("a young orphan: %q, %v", findings(checks), err)
		}
		old := time.Now().Add(-3 * time.Hour)
		h.must(os.Chtimes(file(young), old, old))
		wrong("blob.orphan", young.Digest)
		h.must(os.Remove(file(young)))

		ref := h.put("file case1")
		was, err := os.ReadFile(file(ref))
		h.must(err)
		h.must(os.WriteFile(file(ref), []byte("FILE case1"), 0o600))
		wrong("blob.digest", ref.Digest)
		h.must(os.WriteFile(file(ref), was[:3], 0o600))
		wrong("blob.there", h.names["message1"])
		h.must(os.Remove(file(ref)))
		wrong("blob.there", h.names["message1"])
		for id, sql := range map[string]string{h.names["small"]: "UPDATE kept SET bytes = substr(bytes, 2)", "": "DELETE FROM kept"} {
			h.must(h.s.w.Exec(sql).Error)
			wrong("blob.there", id)
		}
		// A draft needs its bytes as much as a message does.
		h.must(os.Remove(file(h.put("html waiting"))))
		wrong("blob.there", h.names["waiting"])
	})
}

// What cannot be read as a list of what was acknowledged is trouble, not a
// finding.
func TestAuditOfANonsensicalList(t *testing.T) {
	eachAuditHouse(t, func(t *testing.T, h *auditHouse) {
		for _, line := range []string{"{", `{"source":"mail"}`, `{"receipt":"x","extra":1}`, `{"receipt":"x"} {"receipt":"y"}`, `[]`, "\x00"} {
			o := h.options()
			o.Acknowledged = strings.NewReader("\n" + line)
			if _, err := h.s.Audit(t.Context(), o); err == nil || !strings.Contains(err.Error(), "acknowledged line 2") || errors.Is(err, desk.ErrUnavailable) {
				t.Errorf("%q: %v", line, err)
			}
		}
	})
}

// What was opened again waits since then, and not since it was accepted.
func TestAuditOfWhatWasOpenedAgain(t *testing.T) {
	eachAuditHouse(t, func(t *testing.T, h *auditHouse) {
		again := func(at time.Time) desk.ReceiptID {
			t.Helper()
			ids, err := h.s.Reopen(t.Context(), desk.ReceiptFilter{State: desk.Failed}, at)
			h.must(err)
			if len(ids) != 1 {
				t.Fatalf("%d receipts are open again", len(ids))
			}
			return ids[0]
		}
		id := again(time.Now())
		h.clean("while it runs")
		h.must(h.s.Fail(t.Context(), id, "it cannot be read", h.now))
		again(time.Now().Add(-2 * time.Hour))
		checks, err := h.s.Audit(t.Context(), h.options())
		h.must(err)
		if all := findings(checks); len(all) != 1 || !strings.Contains(all[0], string(id)) {
			t.Errorf("after two hours: %q", all)
		}
	})
}
