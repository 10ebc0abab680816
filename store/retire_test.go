package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"switchboard/pipeline/desk"
)

// retireAll runs one kind of retention to its end, in small batches.
func (h *auditHouse) retireAll(take func(context.Context, time.Time, int) (int64, bool, error), before time.Time) (all int64) {
	h.Helper()
	for n := 0; ; n++ {
		rows, more, err := take(h.Context(), before, 2)
		h.must(err)
		all += rows
		if !more {
			return all
		}
		if n > 10000 {
			h.Fatal("it never ends")
		}
	}
}

func (h *auditHouse) clean(why string) {
	h.Helper()
	o := h.options()
	o.Acknowledged = nil
	checks, err := h.s.Audit(h.Context(), o)
	h.must(err)
	for _, f := range findings(checks) {
		h.Errorf("%s: %s", why, f)
	}
}

// status finishes a ticket, or opens it again.
func (h *auditHouse) status(ticket string, to desk.Status, at time.Time) {
	h.Helper()
	_, err := h.s.Change(h.Context(), desk.TicketID(ticket), 0, func(t *desk.Ticket) ([]desk.Event, error) {
		return t.Apply(h.policy(), desk.Change{At: at, By: desk.Actor{Kind: desk.ByAgent, ID: "ada"}, Status: &to})
	})
	h.must(err)
}

// Of resolved tickets the raw messages and the history go, of old messages their
// earlier words, of old receipts the drafts and then the rows: and the books stay
// in order all along.
func TestRetention(t *testing.T) {
	eachAuditHouse(t, func(t *testing.T, h *auditHouse) {
		ctx := t.Context()
		resolved, other := desk.TicketID(h.names["ticket0"]), desk.TicketID(h.names["ticket1"])
		later := time.Now().Add(time.Hour)
		was, _, err := h.s.Messages(ctx, resolved, 10, "", false)
		h.must(err)

		if n := h.retireAll(h.s.RetireRaw, later); n != 1 {
			t.Errorf("%d raw messages", n)
		}
		is, _, err := h.s.Messages(ctx, resolved, 10, "", false)
		h.must(err)
		if !is[0].Raw.IsZero() || is[0].HTML != was[0].HTML || is[0].Text != was[0].Text || len(is[0].Attachments) != 1 {
			t.Errorf("message %+v", is[0])
		}
		if r, err := h.s.Receipt(ctx, is[0].Receipt); err != nil || r.Draft != nil || !r.Raw.IsZero() || r.State != desk.Filed {
			t.Errorf("receipt %+v, %v", r, err)
		}
		if list, _, err := h.s.Messages(ctx, other, 10, "", false); err != nil || list[0].Raw.IsZero() {
			t.Errorf("an open ticket lost its raw message: %v", err)
		}
		h.clean("without raw")

		before, err := h.s.Events(ctx, resolved, 0, 100)
		h.must(err)
		if n := h.retireAll(h.s.RetireEvents, later); n != int64(len(before)-1) {
			t.Errorf("%d events of %d", n, len(before))
		}
		after, err := h.s.Events(ctx, resolved, 0, 100)
		h.must(err)
		if len(after) != 1 || after[0].Kind != desk.EventRetired || after[0].Seq != len(before) || !after[0].At.Equal(before[len(before)-1].At) {
			t.Errorf("events %+v", after)
		}
		if list, err := h.s.Events(ctx, other, 0, 100); err != nil || len(list) < 3 || list[0].Kind != desk.EventCreated {
			t.Errorf("an open ticket lost its history: %v, %v", list, err)
		}
		h.clean("without history")
		h.status(string(resolved), desk.StatusOpen, time.Now())
		if n := h.retireAll(h.s.RetireEvents, later); n != 0 {
			t.Errorf("%d events of a ticket that is open again", n)
		}
		h.clean("opened again")
		h.status(string(resolved), desk.StatusResolved, time.Now())
		if n := h.retireAll(h.s.RetireEvents, later); n < 2 {
			t.Errorf("%d events after the second end", n)
		}
		h.clean("resolved again")

		if n := h.retireAll(h.s.RetireRevisions, h.now.Add(-100*time.Hour)); n != 0 {
			t.Errorf("%d young revisions", n)
		}
		if n := h.retireAll(h.s.RetireRevisions, later); n != 1 {
			t.Errorf("%d revisions", n)
		}
		h.clean("without revisions")
		if _, err := h.s.Revise(ctx, resolved, desk.Revision{Message: desk.MessageID(h.names["note"]), Act: desk.ActEdit, Text: "better", At: time.Now()}, desk.Actor{}, nil); err != nil {
			t.Error(err)
		}
		h.clean("revised again")

		if n := h.retireAll(h.s.RetireDrafts, later); n == 0 {
			t.Error("no drafts")
		}
		h.clean("without drafts")
		if ids, err := h.s.Reopen(ctx, desk.ReceiptFilter{State: desk.Dropped}, h.now); err != nil || len(ids) != 0 {
			t.Errorf("reopened what has no draft: %v, %v", ids, err)
		}
		ids, err := h.s.Reopen(ctx, desk.ReceiptFilter{State: desk.Held}, h.now)
		if err != nil || len(ids) != 1 {
			t.Fatalf("what waits for a person lost its draft: %v, %v", ids, err)
		}
		h.must(h.s.Fail(ctx, ids[0], "again", h.now))
		if n := h.retireAll(h.s.RetireLedger, later); n == 0 {
			t.Error("no receipts")
		}
		h.clean("without receipts")
		counts, err := h.s.Counts(ctx)
		h.must(err)
		if counts[desk.Filed]+counts[desk.Dropped]+counts[desk.Duplicate] != 0 || counts[desk.Failed] != 2 || counts[desk.Accepted] != 1 {
			t.Errorf("left: %v", counts)
		}
	})
}

// Whatever the ages and states, retention takes what is finished and old, and
// nothing else; what is left is still known when it comes again; and the books
// stay in order.
func TestRetentionTakesNothingThatIsNeeded(t *testing.T) {
	for _, d := range []string{SQLite, Postgres} {
		t.Run(d, func(t *testing.T) {
			s := emptyBooks(t, d)
			states := []desk.State{desk.Accepted, desk.Filed, desk.Duplicate, desk.Dropped, desk.Held, desk.Failed}
			round := 0
			rapid.Check(t, func(rt *rapid.T) {
				round++
				ctx, now := t.Context(), micro(time.Now())
				fatal := func(err error) {
					if err != nil {
						rt.Fatal(err)
					}
				}
				fatal(s.w.Exec("DELETE FROM ledger").Error)
				fatal(s.w.Exec("DELETE FROM retention").Error)
				type kept struct {
					r       desk.Receipt
					state   desk.State
					settled time.Time
				}
				var all []kept
				var rs []desk.Receipt
				for i := range rapid.IntRange(1, 12).Draw(rt, "receipts") {
					accepted := now.Add(-time.Duration(rapid.IntRange(1, 100).Draw(rt, "hours ago")) * time.Hour)
					x := &desk.Draft{Source: "mail", Channel: desk.Email, Scope: "EMAIL", ExternalID: fmt.Sprint(round, "-", i), Fingerprint: "f", Text: "words"}
					if rapid.Bool().Draw(rt, "an edit") {
						x.Act = desk.ActEdit
					}
					settled := accepted.Add(time.Duration(rapid.IntRange(0, 50).Draw(rt, "hours later")) * time.Hour)
					all = append(all, kept{desk.NewReceipt(x, accepted), rapid.SampledFrom(states).Draw(rt, "state"), settled})
					rs = append(rs, all[i].r)
				}
				_, err := s.Accept(ctx, nil, rs)
				fatal(err)
				for _, k := range all {
					if k.state != desk.Accepted {
						fatal(s.w.Exec("UPDATE ledger SET state = ?, reason = 'why', settled_at = ? WHERE id = ?", string(k.state), k.settled, string(k.r.ID)).Error)
					}
				}
				drafts := now.Add(-time.Duration(rapid.IntRange(1, 100).Draw(rt, "drafts")) * time.Hour)
				ledger := now.Add(-time.Duration(rapid.IntRange(1, 100).Draw(rt, "ledger")) * time.Hour)
				limit := rapid.IntRange(1, 5).Draw(rt, "batch")
				for _, take := range []func() (bool, error){
					func() (bool, error) { _, more, err := s.RetireDrafts(ctx, drafts, limit); return more, err },
					func() (bool, error) { _, more, err := s.RetireLedger(ctx, ledger, limit); return more, err },
				} {
					for more := true; more; {
						var err error
						more, err = take()
						fatal(err)
					}
				}
				for _, k := range all {
					done := k.state == desk.Filed || k.state == desk.Duplicate || k.state == desk.Dropped
					// An ID knows its milliseconds; what was settled is not before.
					old := func(before time.Time) bool {
						return done && k.settled.Before(before) && k.r.AcceptedAt.UnixMilli() < before.UnixMilli()
					}
					got, err := s.Receipt(ctx, k.r.ID)
					if old(ledger) {
						if !errors.Is(err, desk.ErrNotFound) {
							rt.Fatalf("%+v is still there: %v", k, err)
						}
						continue
					}
					fatal(err)
					slim := got.Draft == nil || got.Draft.Text == ""
					if old(drafts) != slim {
						rt.Fatalf("%+v: slim %t", k, slim)
					}
					if k.state == desk.Filed && slim && (got.Draft != nil) != (k.r.Draft.Act != "") {
						rt.Fatalf("%+v: what it did is %+v", k, got.Draft)
					}
					again := desk.NewReceipt(k.r.Draft, now)
					ids, err := s.Accept(ctx, nil, []desk.Receipt{again})
					if err != nil || ids[0] != k.r.ID {
						rt.Fatalf("%+v came again and is %v: %v", k, ids, err)
					}
				}
			})
		})
	}
}

// A draft whose receipt was settled late, or was in somebody's hand, goes with the
// walk of the next week, which leaves what is slim alone and looks at so many rows at
// once and no more.
func TestLateDraftsGo(t *testing.T) {
	for _, d := range []string{SQLite, Postgres} {
		t.Run(d, func(t *testing.T) {
			s, ctx, now := emptyBooks(t, d), t.Context(), micro(time.Now())
			must := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			ago := func(hours int) time.Time { return now.Add(-time.Duration(hours) * time.Hour) }
			var rs []desk.Receipt
			for i := range 50 {
				x := &desk.Draft{Source: "mail", Channel: desk.Email, Scope: "EMAIL", ExternalID: fmt.Sprint(i), Fingerprint: "f", Text: "words"}
				if i%2 == 1 {
					x.Act = desk.ActEdit
				}
				rs = append(rs, desk.NewReceipt(x, ago(60).Add(time.Duration(i)*time.Second)))
			}
			_, err := s.Accept(ctx, nil, rs)
			must(err)
			settle := func(id desk.ReceiptID, state desk.State, at time.Time) {
				t.Helper()
				must(s.w.Exec("UPDATE ledger SET state = ?, reason = 'why', settled_at = ? WHERE id = ?", string(state), at, string(id)).Error)
			}
			for _, r := range rs {
				settle(r.ID, desk.Filed, ago(59))
			}
			late, held, locked := rs[1].ID, rs[2].ID, rs[3].ID
			settle(late, desk.Filed, ago(45))
			settle(held, desk.Held, ago(59))
			nextWeek := func() {
				must(s.w.Exec("UPDATE retention SET at = ? WHERE name = ?", now.Add(-draftsAnew-time.Hour), retiredAnew).Error)
			}
			walk := func(before time.Time) (all int64, batches int) {
				t.Helper()
				for more := true; more; batches++ {
					var n int64
					n, more, err = s.RetireDrafts(ctx, before, 2)
					must(err)
					all += n
				}
				return all, batches
			}

			inHand := s.w.WithContext(ctx).Begin()
			want := int64(48)
			if d == Postgres { // SQLite has one writer
				want--
				must(inHand.Exec("SELECT id FROM ledger WHERE id = ? FOR UPDATE", string(locked)).Error)
			} else {
				must(inHand.Rollback().Error)
			}
			if n, batches := walk(ago(48)); n != want || batches < 24 {
				t.Errorf("%d drafts in %d batches, want %d", n, batches, want)
			}
			if d == Postgres {
				must(inHand.Rollback().Error)
			}
			settle(held, desk.Filed, ago(45))
			walk(ago(40)) // began anew: the books are new
			if n, _ := walk(ago(40)); n != 0 {
				t.Errorf("%d drafts in the same week", n)
			}
			for _, r := range rs {
				got, err := s.Receipt(ctx, r.ID)
				must(err)
				if got.Draft != nil && got.Draft.Text != "" {
					t.Errorf("%s has its draft still", got.ExternalID)
				}
				if edit := r.Draft.Act != ""; (got.Draft != nil) != edit {
					t.Errorf("%s: what it did is %+v", got.ExternalID, got.Draft)
				}
			}
			settle(late, desk.Filed, ago(39))
			must(s.w.Exec("UPDATE ledger SET raw_digest = ? WHERE id = ?", desk.Keep(nil).Ref.Digest, string(late)).Error) // as one that was replayed
			walk(ago(30))
			if n, _ := walk(ago(30)); n != 0 {
				t.Errorf("%d drafts in the same week", n)
			}
			nextWeek()
			walk(ago(30))
			n, batches := walk(ago(30))
			if n != 1 || batches != 50/(2*draftsPage)+1 {
				t.Errorf("the next week %d drafts went in %d batches", n, batches)
			}
			nextWeek()
			walk(ago(30))
			if n, _ := walk(ago(30)); n != 0 {
				t.Errorf("%d receipts that are slim were made slim again", n)
			}
		})
	}
}

// emptyBooks are new books of a dialect.
func emptyBooks(t testing.TB, dialect string) *Store {
	t.Helper()
	s, err := Open(t.Context(), Options{URL: emptyURL(t, dialect)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// Messages are filed, answered and resolved while everything finished is taken
// away at once: nothing fails, nothing is missing, the books are in order.
func TestIntakeGoesOnWhileRetentionRuns(t *testing.T) {
	eachAuditHouse(t, func(t *testing.T, h *auditHouse) {
		ctx := t.Context()
		done := make(chan struct{})
		var takers sync.WaitGroup
		takes := []func(context.Context, time.Time, int) (int64, bool, error){h.s.RetireDrafts, h.s.RetireRaw, h.s.RetireEvents, h.s.RetireRevisions, h.s.RetireLedger}
		var taken int64
		takers.Go(func() {
			for ended := false; !ended; {
				select {
				case <-done:
					ended = true
				default:
				}
				for _, take := range takes {
					n, _, err := take(ctx, time.Now().Add(time.Hour), 5)
					if err != nil {
						t.Error(err)
						return
					}
					taken += n
				}
				_, _, err := h.s.Orphans(ctx, OrphanOptions{Blobs: h.blobs, Began: time.Now(), Grace: time.Hour, Batch: 50, Temp: h.dir},
					func(ref desk.BlobRef, before time.Time) (bool, error) { return h.blobs.RemoveOld(ctx, ref, before) })
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
		h.now = micro(time.Now())
		var filed []string
		for i := range 40 {
			f := h.opens(h.accepts("mail", fmt.Sprint("while", i), func(d *desk.Draft) {
				if i%2 == 0 {
					k := desk.Keep(fmt.Append(nil, "small ", i%4))
					d.Raw, d.Kept = k.Ref, []desk.Kept{k}
				}
			}))
			h.filed(f)
			filed = append(filed, string(f.Ticket.ID))
			h.says(f.Ticket.ID, false)
			h.status(string(f.Ticket.ID), desk.StatusResolved, h.now)
		}
		close(done)
		takers.Wait()
		if taken == 0 {
			t.Error("retention took nothing: nothing was tried")
		}
		for _, id := range filed {
			list, _, err := h.s.Messages(ctx, desk.TicketID(id), 10, "", false)
			if err != nil || len(list) != 2 {
				t.Errorf("ticket %s has %d messages, %v", id, len(list), err)
			}
		}
		h.clean("afterwards")
	})
}

// Bytes go when nobody refers to them and they are old; others stay.
func TestOrphansGo(t *testing.T) {
	eachAuditHouse(t, func(t *testing.T, h *auditHouse) {
		ctx := t.Context()
		old := time.Now().Add(-2 * time.Hour)
		all := func() (n int, kept int64) {
			h.must(h.blobs.Walk(ctx, func(ref desk.BlobRef, _ time.Time) error {
				n++
				name := filepath.Join(h.dir, ref.Digest[:2], ref.Digest[2:4], ref.Digest)
				h.must(os.Chtimes(name, old, old))
				return nil
			}))
			h.must(h.s.read(ctx).Model(&keptRow{}).Count(&kept).Error)
			return n, kept
		}
		orphans := func() (blobs, kept int64) {
			t.Helper()
			blobs, kept, err := h.s.Orphans(ctx, OrphanOptions{Blobs: h.blobs, Began: time.Now(), Grace: time.Hour, Batch: 2, Temp: h.dir},
				func(ref desk.BlobRef, before time.Time) (bool, error) { return h.blobs.RemoveOld(ctx, ref, before) })
			h.must(err)
			return blobs, kept
		}
		all()
		if b, k := orphans(); b != 1 || k != 0 { // a raw message that is kept in the books instead
			t.Errorf("%d blobs and %d kept of those that are needed", b-1, k)
		}
		for i := range 5 {
			h.put(fmt.Sprint("nobody's ", i))
			k := desk.Keep(fmt.Append(nil, "nobody's, and small ", i))
			h.must(h.s.keep(h.s.w.WithContext(ctx), []desk.Receipt{{Draft: &desk.Draft{Kept: []desk.Kept{k}}}}))
		}
		was, small := all()
		h.put("nobody's 0") // again: it is young
		again := desk.Keep([]byte("nobody's, and small 0"))
		h.must(h.s.keep(h.s.w.WithContext(ctx), []desk.Receipt{{AcceptedAt: time.Now(), Draft: &desk.Draft{Kept: []desk.Kept{again}}}}))
		if b, k := orphans(); b != 4 || k != 4 {
			t.Errorf("%d blobs and %d kept, want 4 and 4", b, k)
		}
		if is, left := all(); is != was-4 || left != small-4 {
			t.Errorf("left are %d blobs of %d, %d kept of %d", is, was, left, small)
		}
		if b, _ := orphans(); b != 1 {
			t.Errorf("%d blobs, want the last", b)
		}
		h.clean("without orphans")
	})
}

// A row whose references cannot be read ends the walk, and is named: what it needs
// stays.
func TestOrphansEndAtARowThatCannotBeRead(t *testing.T) {
	eachAuditHouse(t, func(t *testing.T, h *auditHouse) {
		ctx := t.Context()
		walk := func() (blobs int64, err error) {
			o := OrphanOptions{Blobs: h.blobs, Began: time.Now().Add(24 * time.Hour), Grace: time.Hour, Batch: 2, Temp: h.dir}
			blobs, _, err = h.s.Orphans(ctx, o, func(ref desk.BlobRef, before time.Time) (bool, error) { return h.blobs.RemoveOld(ctx, ref, before) })
			return blobs, err
		}
		for _, c := range []struct{ table, column, end, id string }{{"ledger", "draft", "}", h.names["waiting"]}, {"messages", "attachments", "]", h.names["message1"]}} {
			set := func(to string) {
				h.must(h.s.w.Exec("UPDATE "+c.table+" SET "+c.column+" = "+to+" WHERE id = ?", c.id).Error)
			}
			set("substr(" + c.column + ", 1, length(" + c.column + ") - 1)")
			if n, err := walk(); n != 0 || err == nil || !strings.Contains(err.Error(), c.id) {
				t.Errorf("%s %s: %d blobs went, %v", c.table, c.id, n, err)
			}
			set(c.column + " || '" + c.end + "'")
		}
		if _, err := walk(); err != nil {
			t.Error(err)
		}
	})
}

// Who lost the lease takes nothing away; who has it rests after each page that was
// read and each batch that went; a folder that takes no files ends the walk before
// it reads.
func TestOrphansAreTakenByWhoMay(t *testing.T) {
	eachAuditHouse(t, func(t *testing.T, h *auditHouse) {
		ctx := t.Context()
		h.put("nobody's")
		k := desk.Keep([]byte("nobody's, and small"))
		h.must(h.s.keep(h.s.w.WithContext(ctx), []desk.Receipt{{Draft: &desk.Draft{Kept: []desk.Kept{k}}}}))
		lost, removed, read, deleted := error(desk.ErrLeaseLost), 0, 0, 0
		o := OrphanOptions{Blobs: h.blobs, Began: time.Now().Add(24 * time.Hour), Grace: time.Hour, Batch: 2, Temp: h.dir, Held: func() error { return lost },
			Read:   func(context.Context, time.Duration) error { read++; return nil },
			Delete: func(context.Context, time.Duration) error { deleted++; return nil }}
		remove := func(desk.BlobRef, time.Time) (bool, error) { removed++; return true, nil }
		if b, kept, err := h.s.Orphans(ctx, o, remove); !errors.Is(err, desk.ErrLeaseLost) || b != 0 || kept != 0 || removed != 0 || deleted != 0 {
			t.Errorf("without the lease: %d blobs, %d kept, %d removed, %v", b, kept, removed, err)
		}
		o.Blobs = noBlobs{} // the small ones alone
		if _, kept, err := h.s.Orphans(ctx, o, remove); !errors.Is(err, desk.ErrLeaseLost) || kept != 0 || deleted != 0 {
			t.Errorf("without the lease: %d kept, %v", kept, err)
		}
		var receipts, messages int64
		h.must(h.s.read(ctx).Model(&receiptRow{}).Count(&receipts).Error)
		h.must(h.s.read(ctx).Model(&messageRow{}).Count(&messages).Error)
		lost, read, o.Blobs = nil, 0, h.blobs
		b, kept, err := h.s.Orphans(ctx, o, remove)
		if err != nil || b == 0 || int64(removed) != b || kept != 1 || deleted != 1 {
			t.Errorf("with it: %d blobs, %d kept, %d removed, %d rests, %v", b, kept, removed, deleted, err)
		}
		if want := (receipts+1)/2 + (messages+1)/2; int64(read) != want {
			t.Errorf("%d pages were rested after, want %d", read, want)
		}
		read, o.Temp = 0, filepath.Join(h.dir, "missing")
		if _, _, err := h.s.Orphans(ctx, o, remove); !errors.Is(err, os.ErrNotExist) || read != 0 {
			t.Errorf("no folder to sort in: %v after %d pages", err, read)
		}
	})
}

// A history that is longer than a batch goes by and by, between others that go
// together; each ends in one event that knows how many it stands for.
func TestLongAndShortHistories(t *testing.T) {
	eachAuditHouse(t, func(t *testing.T, h *auditHouse) {
		ctx := t.Context()
		h.now = micro(time.Now())
		var ids []desk.TicketID
		for i := range 6 {
			f := h.opens(h.accepts("mail", fmt.Sprint("history", i), nil))
			h.filed(f)
			for range i % 3 * 4 {
				h.says(f.Ticket.ID, false)
			}
			h.status(string(f.Ticket.ID), desk.StatusResolved, h.now)
			ids = append(ids, f.Ticket.ID)
		}
		numbers := map[desk.TicketID]int{}
		for _, id := range ids {
			list, err := h.s.Events(ctx, id, 0, 100)
			h.must(err)
			numbers[id] = len(list)
		}
		batches, largest := 0, int64(0)
		for more := true; more; batches++ {
			var n int64
			var err error
			n, more, err = h.s.RetireEvents(ctx, time.Now().Add(time.Hour), 7)
			h.must(err)
			largest = max(largest, n)
		}
		if batches < 3 || largest > 7 {
			t.Errorf("%d batches, the largest of %d rows", batches, largest)
		}
		for _, id := range ids {
			list, err := h.s.Events(ctx, id, 0, 100)
			h.must(err)
			if len(list) != 1 || list[0].Kind != desk.EventRetired || list[0].Seq != numbers[id] || fmt.Sprint(list[0].Data["events"]) != fmt.Sprint(numbers[id]) {
				t.Errorf("of %d events are left %+v", numbers[id], list)
			}
		}
		h.clean("long and short")
	})
}
