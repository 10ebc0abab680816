package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"time"

	"gorm.io/gorm"

	"switchboard/pipeline/desk"
)

// OrphanOptions says how blobs without a row are looked for.
type OrphanOptions struct {
	Blobs AuditBlobs
	Began time.Time     // when the walk began
	Grace time.Duration // bytes put later than this before it are left alone
	Batch int           // rows read at once
	Temp  string        // folder for sorting; empty: the system's
	// Read rests after a page was read, Delete after a batch of small requests was
	// taken away, each after what took so long; nil: nobody rests.
	Read, Delete func(ctx context.Context, took time.Duration) error
	// Held is asked before anything is taken away: an error ends the walk. nil: it
	// always may.
	Held func() error
}

// Orphans finds bytes that no row refers to: left by a process that died between
// its upload and its ledger row, or by retention. It reads the references of all
// rows, in pages by key and with rests, sorts them outside memory, 32 bytes each,
// and compares them with what is there. Small bytes kept in the books are taken
// away here; for each blob remove is called, which must look once more that it was
// not put again since. It returns how many there were.
//
// Nothing needed is taken, however long the walk is and whoever else walks: a row
// that is written after its page was read got its bytes by a Put that is younger
// than the grace, and a Put of bytes that are there already makes them young again.
// A row whose references cannot be read ends the walk before it takes anything.
func (s *Store) Orphans(ctx context.Context, o OrphanOptions, remove func(ref desk.BlobRef, before time.Time) (bool, error)) (blobs, kept int64, err error) {
	rest := func(context.Context, time.Duration) error { return ctx.Err() }
	if o.Read == nil {
		o.Read = rest
	}
	if o.Delete == nil {
		o.Delete = rest
	}
	if o.Held == nil {
		o.Held = ctx.Err
	}
	a := newAuditor(s, ctx, AuditOptions{Now: o.Began, Grace: o.Grace, Batch: o.Batch, Blobs: o.Blobs})
	a.refs, a.short, a.tx = newSpill(o.Temp, sha256.Size), true, s.read(ctx)
	defer a.refs.close()
	if err := a.refs.probe(); err != nil {
		return 0, 0, failed("orphans", err)
	}
	begun := time.Now()
	rested := func(err error) error {
		if err == nil {
			err = o.Read(ctx, time.Since(begun))
		}
		begun = time.Now()
		return err
	}
	// Receipts before messages: what a receipt brings is on its message next.
	err = pages(a, a.tx.Select("id", "raw_digest", "raw_size"), "id", "", receiptID, func(rows []receiptRow) error {
		return rested(a.receiptBlobs(rows))
	})
	if err == nil {
		q := a.tx.Select("id", "raw_digest", "raw_size", "html_digest", "html_size", "attachments")
		err = pages(a, q, "id", "", messageID, func(rows []messageRow) error { return rested(a.messageBlobs(rows)) })
	}
	if err != nil {
		return 0, 0, failed("orphans", err)
	}
	blobs, kept, err = a.orphans(o, remove)
	return blobs, kept, failed("orphans", err)
}

// orphans compares the sorted references with the blobs and with what is kept.
func (a *auditor) orphans(o OrphanOptions, remove func(desk.BlobRef, time.Time) (bool, error)) (blobs, kept int64, err error) {
	next, err := a.refs.sorted()
	if err != nil {
		return 0, 0, err
	}
	sweep := &keptSweep{a: a, o: o, before: o.Began.Add(-max(o.Grace, keptMargin))}
	ref, err := next()
	advance := func(key []byte) error { // nil: to the end
		for ref != nil && err == nil && (key == nil || bytes.Compare(ref, key) < 0) {
			if err = sweep.used(ref); err == nil {
				ref, err = next()
			}
		}
		return err
	}
	before := o.Began.Add(-o.Grace)
	walk := a.o.Blobs.Walk(a.ctx, func(b desk.BlobRef, put time.Time) error {
		key := spilledRef(0, "", b).key
		if err := advance(key[:]); err != nil {
			return err
		}
		if bytes.Equal(ref, key[:]) || !put.Before(before) {
			return nil
		}
		if err := o.Held(); err != nil {
			return err
		}
		gone, err := remove(b, before)
		if gone {
			blobs++
		}
		return err
	})
	if walk != nil {
		return blobs, sweep.gone, walk
	}
	if err := advance(nil); err != nil {
		return blobs, sweep.gone, err
	}
	err = sweep.used(nil)
	return blobs, sweep.gone, err
}

// keptMargin is how far the clocks of processes that accept may be apart, and how
// long one of them may take.
const keptMargin = 10 * time.Minute

// keptSweep takes away the small requests between those that are used, which come
// in order.
type keptSweep struct {
	a      *auditor
	o      OrphanOptions
	before time.Time // what was brought later is left alone
	page   []keptRow
	after  []byte
	ended  bool
	unused []keptRow
	gone   int64
}

// used says that a digest is used, nil that no more are: what is kept before it
// and was not named is not.
func (k *keptSweep) used(digest []byte) error {
	for {
		for len(k.page) > 0 {
			order := -1
			if digest != nil {
				order = bytes.Compare(k.page[0].Digest, digest)
			}
			if order > 0 {
				return nil
			}
			if order < 0 {
				k.unused = append(k.unused, k.page[0])
			}
			k.page = k.page[1:]
		}
		if len(k.unused) >= k.a.o.Batch || k.ended && digest == nil {
			if err := k.take(k.unused); err != nil {
				return err
			}
			k.unused = nil
		}
		if k.ended {
			return nil
		}
		q := k.a.s.read(k.a.ctx).Select("digest")
		if k.after != nil {
			q = q.Where("digest > ?", k.after)
		}
		if err := q.Order("digest").Limit(k.a.o.Batch).Find(&k.page).Error; err != nil {
			return err
		}
		if k.ended = len(k.page) < k.a.o.Batch; len(k.page) > 0 {
			k.after = k.page[len(k.page)-1].Digest
		}
	}
}

// take deletes kept bytes unless a receipt has brought them since, which makes
// them young. They are locked first: who accepts such bytes at this moment locks
// them too ([Store.keep]), and so either is seen here or writes them anew.
func (k *keptSweep) take(rows []keptRow) error {
	if len(rows) == 0 {
		return nil
	}
	if err := k.o.Held(); err != nil {
		return err
	}
	s, begun := k.a.s, time.Now()
	digests := make([][]byte, len(rows))
	for i, r := range rows {
		digests[i] = r.Digest
	}
	var gone int64
	err := s.write(k.a.ctx, func(tx *gorm.DB) error {
		gone = 0
		var locked []keptRow
		err := s.forUpdate(tx).Select("digest").Where("digest IN ? AND at < ?", digests, k.before.UnixMicro()).Order("digest").Find(&locked).Error
		if err != nil || len(locked) == 0 {
			return err
		}
		old := make([][]byte, len(locked))
		for i, r := range locked {
			old[i] = r.Digest
		}
		res := tx.Where("digest IN ?", old).Delete(&keptRow{})
		gone = res.RowsAffected
		return res.Error
	})
	if err != nil {
		return err
	}
	k.gone += gone
	return k.o.Delete(k.a.ctx, time.Since(begun))
}
