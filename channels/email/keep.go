package email

import (
	"bytes"
	"context"
	"io"
	"slices"
	"sync"

	"switchboard/channels"
	"switchboard/pipeline/desk"
)

// keeper keeps the bytes of one mail, the mail itself and its parts: what is
// small goes with the draft into the ledger's own transaction
// ([desk.Draft.Kept]), what is not into a blob before. A file of its own would
// cost each of them three flushes of the disk. It belongs to one goroutine.
type keeper struct {
	blobs channels.Blobs
	most  int64 // bytes of what goes with the draft; 0: nothing does
	total int64 // bytes that do
	kept  []desk.Kept
}

// keptTimes bounds what goes with one draft, in sizes of the largest that may: a
// mail of very many small parts must not be held in memory.
const keptTimes = 4

// room is the size up to which the next bytes go with the draft.
func (k *keeper) room() int64 { return min(k.most, keptTimes*k.most-k.total) }

// whole keeps bytes that nobody changes any more.
func (k *keeper) whole(ctx context.Context, b []byte) (desk.BlobRef, error) {
	if int64(len(b)) > k.room() {
		return k.blobs.Put(ctx, bytes.NewReader(b))
	}
	return k.keep(b), nil
}

// read keeps what r has.
func (k *keeper) read(ctx context.Context, r io.Reader) (desk.BlobRef, error) {
	most := k.room()
	if most <= 0 {
		return k.blobs.Put(ctx, r)
	}
	b := desks.Get().(*bytes.Buffer)
	defer desks.Put(b)
	b.Reset()
	if _, err := b.ReadFrom(io.LimitReader(r, most+1)); err != nil {
		return desk.BlobRef{}, err
	}
	if int64(b.Len()) > most {
		return k.blobs.Put(ctx, io.MultiReader(b, r))
	}
	return k.keep(bytes.Clone(b.Bytes())), nil
}

// desks have room for bytes until it is known how many they are.
var desks = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func (k *keeper) keep(b []byte) desk.BlobRef {
	one := desk.Keep(b)
	k.kept = append(k.kept, one)
	k.total += one.Ref.Size
	return one.Ref
}

// of is what was kept and the draft still refers to.
func (k *keeper) of(d *desk.Draft) []desk.Kept {
	return slices.DeleteFunc(k.kept, func(x desk.Kept) bool {
		return x.Ref != d.Raw && x.Ref != d.HTML &&
			!slices.ContainsFunc(d.Attachments, func(a desk.Attachment) bool { return a.Blob == x.Ref })
	})
}
