package store

import "time"

// retiredRow says how far retention came with one kind of row.
type retiredRow struct {
	Name    string `gorm:"primaryKey"`
	Place   string // where the next batch begins
	Highest string // the highest ID it took away so far
	At      time.Time
}

func (retiredRow) TableName() string { return "retention" }

// The kinds of row that retention takes away.
const (
	retiredDrafts    = "drafts"
	retiredAnew      = "drafts anew" // when their walk last began anew
	retiredLedger    = "ledger"
	retiredRaw       = "raw"
	retiredRawAnew   = "raw anew" // as for drafts
	retiredEvents    = "events"
	retiredRevisions = "revisions"
	retiredOrphans   = "orphans" // when the last walk for bytes without a row began that came to its end: see [Store.MarkRetired]
)
