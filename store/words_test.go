package store

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"switchboard/pipeline/desk"
)

// worded makes a draft's words stand in a kept request of its own.
func worded(externalID string) (text string, more func(*desk.Draft)) {
	text = strings.Repeat("the words of "+externalID+"\n", 40)
	return text, func(d *desk.Draft) {
		body, _ := json.Marshal(map[string]string{"id": externalID, "text": text})
		k := desk.Keep(body)
		d.Raw, d.Kept, d.Text = k.Ref, []desk.Kept{k}, text
	}
}

func (h *auditHouse) columnOf(id desk.ReceiptID) (draft string) {
	h.Helper()
	h.must(h.s.r.WithContext(h.Context()).Raw("SELECT draft FROM ledger WHERE id = ?", string(id)).Scan(&draft).Error)
	return draft
}

// Words are written once: in the raw request when that is kept in the same
// transaction, in the draft when it is not.
func TestWordsAreWrittenOnce(t *testing.T) {
	eachAuditHouse(t, func(t *testing.T, h *auditHouse) {
		text, more := worded("once")
		if row := h.columnOf(h.accepts("mail", "once", more).ID); !strings.HasPrefix(row, desk.LocatedPrefix) || strings.Contains(row, "the words of") {
			t.Errorf("written twice: %s", row)
		}
		for name, more := range map[string]func(*desk.Draft){
			"in a blob": func(d *desk.Draft) { d.Text, d.Raw = text, h.put(text) },
			"with other bytes": func(d *desk.Draft) {
				d.Text, d.Raw, d.Kept = text, h.put(text), []desk.Kept{desk.Keep([]byte("x" + text))}
			},
			"without a raw": func(d *desk.Draft) {
				d.Text, d.Raw, d.Kept = text, desk.BlobRef{}, []desk.Kept{desk.Keep([]byte(text))}
			},
		} {
			r := h.accepts("mail", name, more)
			if row := h.columnOf(r.ID); !strings.Contains(row, "the words of") {
				t.Errorf("%s: written nowhere: %s", name, row)
			}
		}
	})
}

// A draft whose words are gone is no draft: it fails by itself, and those beside
// it are read.
func TestADraftWithoutItsWordsIsNone(t *testing.T) {
	eachAuditHouse(t, func(t *testing.T, h *auditHouse) {
		ctx := t.Context()
		text, more := worded("whole")
		whole := h.accepts("mail", "whole", more)
		for name, breakIt := range map[string]func(r desk.Receipt) error{
			"gone": func(r desk.Receipt) error {
				return h.s.w.Exec("DELETE FROM kept WHERE length(bytes) = ?", r.Raw.Size).Error
			},
			"elsewhere": func(r desk.Receipt) error {
				return h.s.w.Exec(`UPDATE ledger SET draft = replace(draft, '"offset":', '"offset":99') WHERE id = ?`, string(r.ID)).Error
			},
			"no digest": func(r desk.Receipt) error {
				return h.s.w.Exec(`UPDATE ledger SET raw_digest = 'none' WHERE id = ?`, string(r.ID)).Error
			},
		} {
			_, more := worded(name + " of another length")
			r := h.accepts("mail", name, more)
			if got, err := h.s.Receipt(ctx, r.ID); err != nil || got.Draft == nil {
				t.Fatalf("%s: not there to begin with: %+v, %v", name, got, err)
			}
			h.must(breakIt(r))
			rs, err := h.s.Receipts(ctx, []desk.ReceiptID{whole.ID, r.ID})
			if err != nil || len(rs) != 2 {
				t.Fatalf("%s: %v, %v", name, rs, err)
			}
			for _, got := range rs {
				if got.ID == r.ID && got.Draft != nil || got.ID == whole.ID && (got.Draft == nil || got.Draft.Text != text) {
					t.Errorf("%s: %s has %+v", name, got.ExternalID, got.Draft)
				}
			}
		}
	})
}

// The bytes stay for as long as a draft needs them: what waits, failed or is held
// keeps its words whatever retention does, and what is finished loses both at
// once.
func TestRetentionKeepsTheWordsOfWhatIsNotFinished(t *testing.T) {
	eachAuditHouse(t, func(t *testing.T, h *auditHouse) {
		ctx, later := t.Context(), time.Now().Add(time.Hour)
		rs := map[string]desk.Receipt{}
		for _, name := range []string{"waits", "failed", "held", "dropped", "filed"} {
			_, more := worded(name)
			rs[name] = h.accepts("mail", name, more)
		}
		h.must(h.s.Fail(ctx, rs["failed"].ID, "no", h.now))
		h.ends(rs["held"], desk.Held, "look")
		h.ends(rs["dropped"], desk.Dropped, "spam")
		f := h.opens(rs["filed"])
		h.filed(f)
		h.status(string(f.Ticket.ID), desk.StatusResolved, time.Now())
		orphans := func() {
			t.Helper()
			_, _, err := h.s.Orphans(ctx, OrphanOptions{Blobs: h.blobs, Began: time.Now().Add(24 * time.Hour), Batch: 2, Temp: h.dir},
				func(ref desk.BlobRef, before time.Time) (bool, error) { return false, nil })
			h.must(err)
		}
		is := func(when string, there ...string) {
			t.Helper()
			for name, r := range rs {
				want := strings.Contains(fmt.Sprint(there), name)
				text, _ := worded(name)
				got, err := h.s.Receipt(ctx, r.ID)
				h.must(err)
				if (got.Draft != nil) != want || want && got.Draft.Text != text {
					t.Errorf("%s: %s: %+v", when, name, got.Draft)
				}
				if _, kept, err := h.s.Kept(ctx, r.Raw.Digest); err != nil || kept != want {
					t.Errorf("%s: bytes of %s: %t, %v", when, name, kept, err)
				}
			}
			checks, err := h.s.Audit(ctx, AuditOptions{Now: h.now, Grace: 1000 * time.Hour})
			h.must(err)
			for _, c := range checks {
				if c.Name == "ledger.words" && (c.Wrong > 0 || c.Looked == 0) {
					t.Errorf("%s: %d of %d, %v", when, c.Wrong, c.Looked, c.Examples)
				}
			}
		}
		orphans()
		is("nothing is old", "waits", "failed", "held", "dropped", "filed")
		h.retireAll(h.s.RetireRaw, later)
		orphans()
		is("without raws", "waits", "failed", "held", "dropped")
		h.retireAll(h.s.RetireDrafts, later)
		orphans()
		is("without drafts", "waits", "failed", "held")
		again, err := h.s.Reopen(ctx, desk.ReceiptFilter{State: desk.Failed, IDs: []desk.ReceiptID{rs["failed"].ID}}, h.now)
		h.must(err)
		if len(again) != 1 {
			t.Errorf("opened again: %v", again)
		}
		is("opened again", "waits", "failed", "held")
	})
}

// A draft repeats nothing its row has, and one that does, as those of versions
// before, is read the same.
func TestADraftRepeatsNothingOfItsRow(t *testing.T) {
	eachAuditHouse(t, func(t *testing.T, h *auditHouse) {
		ctx := t.Context()
		for name, more := range map[string]func(*desk.Draft){
			"plain": func(*desk.Draft) {},
			"group": func(d *desk.Draft) { d.Group, d.Window = "a group", time.Minute },
			"asked": func(d *desk.Draft) { d.Ask = &desk.Ask{Title: "t", CustomFields: map[string]any{"n": "x"}} },
			"long ID": func(d *desk.Draft) {
				d.ExternalID, d.Thread.Key = strings.Repeat("i", maxKey+1), strings.Repeat("k", maxKey+1)
			},
		} {
			_, words := worded(name)
			r := h.accepts("mail", name, func(d *desk.Draft) { words(d); more(d) })
			row, d := h.columnOf(r.ID), r.Draft
			for what, text := range map[string]string{"scope": `"scope"`, "fingerprint": d.Fingerprint, "raw": d.Raw.Digest, "received": `"receivedAt"`} {
				if strings.Contains(row, text) {
					t.Errorf("%s: the %s stands in the draft too: %s", name, what, row)
				}
			}
			if long := len(d.ExternalID) > maxKey; strings.Contains(row, `"externalId"`) != long || strings.Contains(row, `"key"`) != (long || d.Group != "") {
				t.Errorf("%s: %s", name, row)
			}
			got, err := h.s.Receipt(ctx, r.ID)
			h.must(err)
			for form, at := range map[string]desk.Passage{"whole": {}, "words elsewhere": passageOf(&r)} {
				var p packer
				old := p.draft(d, at, 0)
				h.must(p.err)
				if !strings.Contains(old, d.Fingerprint) || !strings.Contains(old, d.Raw.Digest) {
					t.Fatalf("%s, %s: %s", name, form, old)
				}
				h.must(h.s.w.Exec("UPDATE ledger SET draft = ? WHERE id = ?", old, string(r.ID)).Error)
				before, err := h.s.Receipt(ctx, r.ID)
				h.must(err)
				before.Draft.ReceivedAt, before.Draft.SentAt = micro(before.Draft.ReceivedAt), micro(before.Draft.SentAt)
				want := *got.Draft
				want.SentAt = micro(want.SentAt)
				if !reflect.DeepEqual(*before.Draft, want) {
					t.Errorf("%s, %s: %+v\nwant %+v", name, form, *before.Draft, want)
				}
			}
		}
	})
}
