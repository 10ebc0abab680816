package store

import (
	"bytes"
	"context"
	"encoding/hex"
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
	Pause time.Duration // between two batches
	Temp  string        // folder for sorting; empty: the system's
}

// Orphans finds bytes that no row refers to: left by a process that died between
// its upload and its ledger row, or by retention. It reads the references of all
// rows, in pages by key and with pauses, sorts them outside memory, and compares
// them with what is there. Small bytes kept in the books are taken away here;
// for each blob remove is called, which must look once more that it was not put
// again since. It returns how many there were.
//
// Nothing needed is taken: a row that is written after its page was read got its
// bytes by a Put that is younger than the grace, and a Put of bytes that are there
// already makes them young again.
func (s *Store) Orphans(ctx context.Context, o OrphanOptions, remove func(ref desk.BlobRef, before time.Time) (bool, error)) (blobs, kept int64, err error) {
	a := newAuditor(s, ctx, AuditOptions{Now: o.Began, Grace: o.Grace, Batch: o.Batch, Blobs: o.Blobs})
	a.refs, a.tx = newSpill(o.Temp), s.read(ctx)
	defer a.refs.close()
	pause := func() error {
		if o.Pause <= 0 {
			return ctx.Err()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(o.Pause):
			return nil
		}
	}
	// Receipts before messages: what a receipt brings is on its message next.
	err = pages(a, a.tx.Select("id", "raw_digest", "raw_size"), "id", "", receiptID, func(rows []receiptRow) error {
		if err := a.receiptBlobs(rows); err != nil {
			return err
		}
		return pause()
	})
	if err == nil {
		q := a.tx.Select("id", "raw_digest", "raw_size", "html_digest", "html_size", "attachments")
		err = pages(a, q, "id", "", messageID, func(rows []messageRow) error {
			if err := a.messageBlobs(rows); err != nil {
				return err
			}
			return pause()
		})
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
	sweep := &keptSweep{a: a, began: o.Began, before: o.Began.Add(-max(o.Grace, keptMargin))}
	ref, more, err := next()
	advance := func(key []byte) error { // nil: to the end
		for more && err == nil && (key == nil || bytes.Compare(ref.key[:], key) < 0) {
			if err = sweep.used(ref.key[:]); err == nil {
				ref, more, err = next()
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
		if more && ref.key == key || !put.Before(before) {
			return nil
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
	began  time.Time
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
// them young, or, accepted by the version before this one, which does not, a
// receipt that came in since the walk began names them as its raw request. They
// are locked first: who accepts such bytes at this moment locks them too
// ([Store.keep]), and so either is seen here or writes them anew.
func (k *keptSweep) take(rows []keptRow) error {
	if len(rows) == 0 {
		return nil
	}
	s := k.a.s
	since := string(desk.FirstID[desk.ReceiptID](k.began.Add(-keptMargin)))
	return s.write(k.a.ctx, func(tx *gorm.DB) error {
		digests := make([][]byte, len(rows))
		for i, r := range rows {
			digests[i] = r.Digest
		}
		var locked []keptRow
		if err := s.forUpdate(tx).Select("digest").Where("digest IN ? AND at < ?", digests, k.before.UnixMicro()).Order("digest").Find(&locked).Error; err != nil {
			return err
		}
		texts := make([]string, len(locked))
		for i, r := range locked {
			texts[i] = hex.EncodeToString(r.Digest)
		}
		if len(texts) == 0 {
			return nil
		}
		var again []string
		err := tx.Model(&receiptRow{}).Where("id >= ?", since).Where(s.in("raw_digest", texts)).Pluck("raw_digest", &again).Error
		if err != nil {
			return err
		}
		wanted := make(map[string]bool, len(again))
		for _, d := range again {
			wanted[d] = true
		}
		digests = digests[:0]
		for i, r := range locked {
			if !wanted[texts[i]] {
				digests = append(digests, r.Digest)
			}
		}
		if len(digests) == 0 {
			return nil
		}
		res := tx.Where("digest IN ?", digests).Delete(&keptRow{})
		if res.Error == nil {
			k.gone += res.RowsAffected
		}
		return res.Error
	})
}
