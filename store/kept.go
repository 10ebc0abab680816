package store

import (
	"bytes"
	"context"
	"encoding/hex"
	"slices"

	"gorm.io/gorm"

	"switchboard/pipeline/desk"
)

// keptRow is a small raw request, mail or part of one, named by its SHA-256. It is written with the
// ledger row that needs it: no flush of its own, and never one without the other.
type keptRow struct {
	Digest []byte `gorm:"primaryKey"`
	Bytes  []byte
	At     int64 // when a receipt last brought them, microseconds since 1970
}

func (keptRow) TableName() string { return "kept" }

// gift is what a receipt brings along.
type gift struct {
	row     keptRow
	receipt string
}

func compareGifts(a, b gift) int { return bytes.Compare(a.row.Digest, b.row.Digest) }

// gifts are what the drafts of receipts bring along, sorted.
func gifts(rs []desk.Receipt) ([]gift, error) {
	var all []gift
	for i := range rs {
		if rs[i].Draft == nil {
			continue
		}
		for _, k := range rs[i].Draft.Kept {
			digest, err := hex.DecodeString(k.Ref.Digest)
			if err != nil {
				return nil, desk.Permanent(err)
			}
			all = append(all, gift{keptRow{digest, k.Bytes, rs[i].AcceptedAt.UnixMicro()}, string(rs[i].ID)})
		}
	}
	slices.SortFunc(all, compareGifts)
	return all, nil
}

// keptRows are the rows of gifts, each once, and who brings each.
func keptRows(all []gift) (rows []keptRow, by []string) {
	for i, g := range all {
		if i == 0 || compareGifts(all[i-1], g) != 0 {
			rows, by = append(rows, g.row), append(by, g.receipt)
		}
	}
	return rows, by
}

// lockKept locks what is there, so that nobody takes it away before the receipt
// that needs it is written, and makes it young, so that nobody does afterwards. A
// picture that comes with every mail of somebody is written again only once a
// minute.
const lockKept = "ON CONFLICT (digest) DO UPDATE SET at = excluded.at WHERE kept.at < excluded.at - 60000000"

// keep writes what the receipts bring along. What is there already stays.
func (s *Store) keep(tx *gorm.DB, rs []desk.Receipt) error {
	all, err := gifts(rs)
	if err == nil {
		rows, _ := keptRows(all)
		_, err = insert(tx, rows, lockKept)
	}
	return err
}

// Kept returns the bytes a draft brought along ([desk.Draft.Kept]) by their
// SHA-256 in hex, and false when there are none.
func (s *Store) Kept(ctx context.Context, digest string) ([]byte, bool, error) {
	raw, err := hex.DecodeString(digest)
	if err != nil {
		return nil, false, nil
	}
	var rows []keptRow
	if err := s.read(ctx).Where("digest = ?", raw).Find(&rows).Error; err != nil {
		return nil, false, failed("kept", err)
	}
	if len(rows) == 0 {
		return nil, false, nil
	}
	return rows[0].Bytes, true, nil
}
