package store

import (
	"context"
	"encoding/hex"

	"gorm.io/gorm"

	"switchboard/pipeline/desk"
)

// The words of a message stand in its raw request already. When that is kept in
// the books too, written in the same transaction, the draft says where they are
// instead of repeating them: of the 2 KB of a usual draft three quarters.
//
// Neither does a draft repeat what else its row holds: see [desk.Beside].
//
// The bytes stay for as long as a draft needs them: the row of the draft and the
// draft itself name them as its raw request, retention takes both at once and
// only from a receipt that is finished ([Store.RetireDrafts], [Store.RetireRaw]),
// and [Store.Orphans] takes bytes that no row names. The audit checks it
// (ledger.words).

// passageOf is where the words of a receipt's draft are in the raw request that is
// written with it; zero when they are to be in the draft.
func passageOf(r *desk.Receipt) desk.Passage {
	if d := r.Draft; d != nil && !r.Raw.IsZero() {
		for i := range d.Kept {
			if d.Kept[i].Ref != r.Raw {
				continue
			}
			at, _ := desk.Locate(d.Kept[i].Bytes, d.Text)
			return at
		}
	}
	return desk.Passage{}
}

// receiptsOf are rows with their drafts whole. A draft whose words are gone is
// nil, as one that retention took: whoever files it fails that receipt alone, and
// says so.
func (s *Store) receiptsOf(tx *gorm.DB, rows []receiptRow) ([]desk.Receipt, error) {
	out := make([]desk.Receipt, 0, len(rows))
	var at []desk.Passage // as long as out, or empty
	var digests []string
	for i := range rows {
		r, p, err := rows[i].desk()
		if err != nil {
			return nil, err
		}
		out = append(out, r)
		if p.IsZero() {
			continue
		}
		if at == nil {
			at, digests = make([]desk.Passage, len(rows)), make([]string, 0, len(rows))
		}
		at[i] = p
		digests = append(digests, r.Raw.Digest)
	}
	if at == nil {
		return out, nil
	}
	kept, err := s.keptBytes(tx, digests)
	if err != nil {
		return nil, err
	}
	for i := range out {
		if at[i].IsZero() {
			continue
		}
		if words, err := wordsIn(kept, out[i].Raw.Digest, at[i]); err == nil {
			out[i].Draft.Text = words
		} else {
			out[i].Draft = nil
		}
	}
	return out, nil
}

// receiptOf is receiptsOf for one row.
func (s *Store) receiptOf(ctx context.Context, row *receiptRow) (desk.Receipt, error) {
	rs, err := s.receiptsOf(s.read(ctx), []receiptRow{*row})
	if err != nil {
		return desk.Receipt{}, failed("receipt", err)
	}
	return rs[0], nil
}

// wordsIn reads words out of the kept bytes of a digest in hex. The error wraps
// desk.ErrNoWords.
func wordsIn(kept map[string][]byte, digest string, at desk.Passage) (string, error) {
	key, err := hex.DecodeString(digest)
	if err != nil {
		return "", desk.ErrNoWords
	}
	raw, ok := kept[string(key)]
	if !ok {
		return "", desk.ErrNoWords
	}
	return at.Text(raw)
}

// keptBytes are the kept bytes of digests in hex, by digest as it is kept. Those
// that are not there are left out.
func (s *Store) keptBytes(tx *gorm.DB, digests []string) (map[string][]byte, error) {
	keys := make([][]byte, 0, len(digests))
	for _, d := range named(digests) {
		if key, err := hex.DecodeString(d); err == nil {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil, nil
	}
	where := gorm.Expr("digest = ?", keys[0])
	switch {
	case len(keys) == 1:
	case s.dialect == Postgres:
		where = gorm.Expr("digest = ANY(?)", &keys)
	default:
		where = gorm.Expr("digest IN (SELECT unhex(value) FROM json_each(?))", mustJSON(named(digests)))
	}
	rows, err := find[keptRow](tx, "digest bytes", where, "")
	if err != nil {
		return nil, err
	}
	out := make(map[string][]byte, len(rows))
	for i := range rows {
		out[string(rows[i].Digest)] = rows[i].Bytes
	}
	return out, nil
}
