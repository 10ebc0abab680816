package store

import "switchboard/pipeline/desk"

// receiptWords reads the words of drafts that say where in their raw requests
// they are.
func (a *auditor) receiptWords(rows []receiptRow) error {
	c := a.check("ledger.words", 0)
	ids := valuesOf(rows, receiptID)
	for len(ids) > 0 {
		part := ids[:min(len(ids), draftsAtOnce)]
		ids = ids[len(part):]
		var drafts []receiptRow
		err := a.tx.Select("id", "raw_digest", "draft").Where(a.s.in("id", part)).
			Where("draft LIKE ?", desk.LocatedPrefix+"%").Order("id").Find(&drafts).Error
		if err != nil {
			return err
		}
		kept, err := a.s.keptBytes(a.tx, valuesOf(drafts, func(r *receiptRow) string { return r.RawDigest }))
		if err != nil {
			return err
		}
		for i := range drafts {
			r := &drafts[i]
			c.Looked++
			_, at, err := desk.ReadBeside(r.Draft, &desk.Receipt{})
			if err == nil {
				_, err = wordsIn(kept, r.RawDigest, at)
			}
			if err != nil {
				c.bad(r.ID, "its words, %d bytes from %d of %s: %v", at.Length, at.From, r.RawDigest, err)
			}
		}
	}
	return nil
}
