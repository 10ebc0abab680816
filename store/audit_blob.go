package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"switchboard/pipeline/desk"
)

// Which row refers to a blob.
const (
	byReceipt = 'r'
	byMessage = 'm'
)

// blobRefs are the references in the JSON of a draft or of a message's
// attachments.
type blobRefs struct {
	HTML        desk.BlobRef      `json:"html"`
	Raw         desk.BlobRef      `json:"raw"`
	Attachments []desk.Attachment `json:"attachments"`
}

// receiptBlobs notes what receipts refer to, in their rows and their drafts.
func (a *auditor) receiptBlobs(rows []receiptRow) error {
	if a.refs == nil {
		return nil
	}
	for len(rows) > 0 {
		part := rows[:min(len(rows), draftsAtOnce)]
		rows = rows[len(part):]
		drafts, err := byID(a, valuesOf(part, receiptID), receiptID, "id", "draft")
		if err != nil {
			return err
		}
		for _, r := range part {
			refs := []desk.BlobRef{{Digest: r.RawDigest, Size: r.RawSize}}
			if d := drafts[r.ID]; d != nil {
				more, err := refsOfDraft(d.Draft)
				if err = a.unread("receipt", r.ID, err); err != nil {
					return err
				}
				refs = append(refs, more...)
			}
			if err := a.refer(byReceipt, r.ID, refs); err != nil {
				return err
			}
		}
	}
	return nil
}

// refsOfDraft are the references in a draft as it is kept.
func refsOfDraft(draft string) ([]desk.BlobRef, error) {
	if !strings.Contains(draft, `"sha256"`) { // most drafts have none but in their row
		return nil, nil
	}
	var d blobRefs
	if err := json.Unmarshal([]byte(draft), &d); err != nil {
		return nil, err
	}
	out := []desk.BlobRef{d.Raw, d.HTML}
	for _, f := range d.Attachments {
		out = append(out, f.Blob)
	}
	return out, nil
}

// refsOfMessage are the references of a message's row: without those of its
// attachments when these cannot be read.
func refsOfMessage(m *messageRow) ([]desk.BlobRef, error) {
	out := []desk.BlobRef{{Digest: m.RawDigest, Size: m.RawSize}, {Digest: m.HTMLDigest, Size: m.HTMLSize}}
	if m.Attachments == "" {
		return out, nil
	}
	var files []desk.Attachment
	if err := json.Unmarshal([]byte(m.Attachments), &files); err != nil {
		return out, err
	}
	for _, f := range files {
		out = append(out, f.Blob)
	}
	return out, nil
}

func (a *auditor) messageBlobs(rows []messageRow) error {
	if a.refs == nil {
		return nil
	}
	for i := range rows {
		refs, err := refsOfMessage(&rows[i])
		if err = a.unread("message", rows[i].ID, err); err != nil {
			return err
		}
		if err := a.refer(byMessage, rows[i].ID, refs); err != nil {
			return err
		}
	}
	return nil
}

// unread notes a row whose references cannot be read. The walk that takes away what
// no row refers to ends with it: nobody knows what that row needs.
func (a *auditor) unread(what, id string, err error) error {
	if err != nil && a.short {
		return fmt.Errorf("what %s %s refers to cannot be read: %w", what, id, err)
	}
	if err != nil {
		a.named["blob.there"].bad(id, "what this %s refers to cannot be read: %v", what, err)
	}
	return nil
}

// refer notes that a row refers to blobs.
func (a *auditor) refer(kind byte, id string, refs []desk.BlobRef) error {
	c := a.named["blob.there"]
	for _, ref := range refs {
		if ref.IsZero() {
			continue
		}
		c.Looked++
		if !ref.Valid() {
			c.bad(id, "refers to %q, which is no digest", ref.Digest)
			continue
		}
		r := spilledRef(kind, id, ref)
		record := r.record()
		if a.short {
			record = r.key[:]
		}
		if err := a.refs.add(record); err != nil {
			return err
		}
	}
	return nil
}

func spilledRef(kind byte, id string, ref desk.BlobRef) spilled {
	r := spilled{n: ref.Size, kind: kind, id: sealed(id)}
	_, _ = hex.Decode(r.key[:], []byte(ref.Digest))
	return r
}

// blobs goes through the references and the blobs side by side, both ordered by
// digest.
func (a *auditor) blobs() error {
	next, err := sortedSpilled(a.refs)
	if err != nil {
		return err
	}
	ref, more, err := next()
	if err != nil {
		return err
	}
	there, orphan := a.named["blob.there"], a.named["blob.orphan"]
	kept, wait := &keptWalk{a: a}, 0
	before := func(key []byte) error { // references to what is not in the blob store; nil: all that are left
		for more && err == nil && (key == nil || bytes.Compare(ref.key[:], key) < 0) {
			if err = kept.look(ref); err == nil {
				ref, more, err = next()
			}
		}
		return err
	}
	walkErr := a.o.Blobs.Walk(a.ctx, func(b desk.BlobRef, put time.Time) error {
		key := spilledRef(0, "", b).key
		if err := before(key[:]); err != nil {
			return err
		}
		used := false
		for ; more && err == nil && ref.key == key; ref, more, err = next() {
			used = true
			if ref.n != b.Size {
				there.bad(opened(ref.id), "refers to %s with %d bytes, and it has %d", b.Digest, ref.n, b.Size)
			}
		}
		if err != nil {
			return err
		}
		if orphan != nil {
			orphan.Looked++
			switch {
			case used || !a.old(put):
			case !a.overdue(put):
				wait++
			default:
				orphan.bad(b.Digest, "%d bytes, put at %s, that no row refers to", b.Size, stamp(put))
			}
		}
		if used && a.o.Digest {
			return a.blobDigest(b)
		}
		return nil
	})
	if walkErr != nil {
		return walkErr
	}
	if wait > 0 {
		orphan.Note = fmt.Sprintf("%d more have no row and wait for the walk that takes them away (retention.orphans)", wait)
	}
	return before(nil)
}

// overdue reports whether the house had to take bytes away that no row refers to
// and that were put at an instant: its last walk did, if they were old enough by
// then and no row lost them since; without one, the first that had to be.
func (a *auditor) overdue(put time.Time) bool {
	switch {
	case a.o.Strict:
		return true
	case a.o.Orphans <= 0:
		return false
	}
	since := a.walked
	if since.IsZero() {
		since = a.o.Now.Add(-a.o.Orphans)
	}
	if !put.Before(since.Add(-a.o.Orphans - a.o.Skew)) {
		return false
	}
	lost := a.o.Freed > 0 && a.freed.After(a.walked) && put.Before(a.o.Now.Add(-a.o.Freed))
	return !lost
}

// keptWalk goes through the small requests that are kept in the books, ordered by
// digest, a page at a time.
type keptWalk struct {
	a     *auditor
	rows  []keptSize
	after []byte
	ended bool
}

type keptSize struct {
	Digest []byte
	Size   int64
}

// look compares one reference, which is not in the blob store, with what is kept
// in the books. References come in order.
func (k *keptWalk) look(r spilled) error {
	for {
		for len(k.rows) > 0 && bytes.Compare(k.rows[0].Digest, r.key[:]) < 0 {
			k.rows = k.rows[1:]
		}
		if len(k.rows) > 0 || k.ended {
			break
		}
		q := k.a.s.read(k.a.ctx).Model(&keptRow{}).Select("digest", "length(bytes) AS size")
		after := k.after
		if after == nil { // no page yet: from the first that can be of use
			q = q.Where("digest >= ?", r.key[:])
		} else {
			q = q.Where("digest > ?", after)
		}
		if err := q.Order("digest").Limit(k.a.o.Batch).Find(&k.rows).Error; err != nil {
			return err
		}
		if k.ended = len(k.rows) < k.a.o.Batch; len(k.rows) > 0 {
			k.after = k.rows[len(k.rows)-1].Digest
		}
	}
	if len(k.rows) == 0 || !bytes.Equal(k.rows[0].Digest, r.key[:]) {
		return k.a.blobMissing(r)
	}
	digest := hex.EncodeToString(r.key[:])
	if size := k.rows[0].Size; size != r.n {
		k.a.named["blob.there"].bad(opened(r.id), "refers to %s with %d bytes, and %d are kept", digest, r.n, size)
	}
	if !k.a.o.Digest {
		return nil
	}
	text, ok, err := k.a.s.Kept(k.a.ctx, digest)
	if err != nil || !ok {
		return err
	}
	if sum := sha256.Sum256(text); sum != r.key {
		k.a.named["blob.digest"].bad(digest, "the kept bytes have the digest %x", sum)
	}
	k.a.named["blob.digest"].Looked++
	return nil
}

// blobMissing looks again, outside the snapshot: retention may have taken the
// reference and then the bytes since.
func (a *auditor) blobMissing(r spilled) error {
	id, digest := opened(r.id), hex.EncodeToString(r.key[:])
	var refs []desk.BlobRef
	var receipts []receiptRow
	var messages []messageRow
	var err error
	if r.kind == byReceipt {
		err = a.s.read(a.ctx).Select("id", "raw_digest", "draft").Where("id = ?", id).Find(&receipts).Error
	} else {
		err = a.s.read(a.ctx).Select("id", "raw_digest", "html_digest", "attachments").Where("id = ?", id).Find(&messages).Error
	}
	for _, row := range receipts { // one that cannot be read was named
		refs, _ = refsOfDraft(row.Draft)
		refs = append(refs, desk.BlobRef{Digest: row.RawDigest})
	}
	for i := range messages {
		refs, _ = refsOfMessage(&messages[i])
	}
	for _, ref := range refs {
		if ref.Digest == digest {
			a.named["blob.there"].bad(id, "refers to %s, %d bytes, which is not there", digest, r.n)
			break
		}
	}
	return err
}

// blobDigest reads a blob to its end.
func (a *auditor) blobDigest(ref desk.BlobRef) error {
	c := a.check("blob.digest", 1)
	r, err := a.o.Blobs.Open(a.ctx, ref)
	if errors.Is(err, desk.ErrNotFound) { // taken away since it was listed
		return nil
	}
	if err != nil {
		return err
	}
	defer r.Close()
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		return err
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != ref.Digest {
		c.bad(ref.Digest, "its bytes have the digest %s", got)
	}
	return nil
}
