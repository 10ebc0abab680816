package store

import (
	"time"

	"switchboard/pipeline/desk"
)

// receiptRow is a row of the ledger.
type receiptRow struct {
	ID          string `gorm:"primaryKey"`
	Source      string
	Scope       string
	ExternalID  string
	Fingerprint string
	ThreadKey   string
	SourceTime  time.Time
	AcceptedAt  time.Time
	RawDigest   string
	RawSize     int64
	Draft       string
	State       string
	Reason      string
	Attempts    int
	TicketID    string
	MessageID   string
	SettledAt   *time.Time
	SweptAt     *time.Time
	Trail       string
}

func (receiptRow) TableName() string { return "ledger" }

func newReceiptRow(r *desk.Receipt) (receiptRow, error) {
	var p packer
	row := receiptRow{
		ID: string(r.ID), Source: r.Source, Scope: r.Scope, ExternalID: key(r.ExternalID), Fingerprint: key(r.Fingerprint),
		ThreadKey: key(r.ThreadKey), SourceTime: micro(r.SourceTime), AcceptedAt: micro(r.AcceptedAt),
		RawDigest: r.Raw.Digest, RawSize: r.Raw.Size, State: string(r.State), Reason: desk.Clean(r.Reason),
		Attempts: r.Attempts, TicketID: string(r.TicketID), MessageID: string(r.MessageID), SettledAt: microp(r.SettledAt),
		Trail: p.trail(r.Trail),
	}
	has := row.receipt()
	row.Draft = p.draft(r.Draft, passageOf(r), r.Draft.BesideOf(&has))
	return row, p.err
}

// desk is the receipt of a row. The passage, unless zero, is where in its raw
// request the words of the draft are; see [Store.receiptsOf].
func (r *receiptRow) desk() (desk.Receipt, desk.Passage, error) {
	var u unpacker
	out := r.receipt()
	at := u.draft(r.Draft, &out)
	u.trail(r.Trail, &out.Trail)
	return out, at, u.err
}

// receipt is the receipt of a row without its draft and trail.
func (r *receiptRow) receipt() desk.Receipt {
	return desk.Receipt{
		ID: desk.ReceiptID(r.ID), Source: r.Source, Scope: r.Scope, ExternalID: r.ExternalID, Fingerprint: r.Fingerprint,
		ThreadKey: r.ThreadKey, SourceTime: r.SourceTime.UTC(), AcceptedAt: r.AcceptedAt.UTC(),
		Raw: desk.BlobRef{Digest: r.RawDigest, Size: r.RawSize}, State: desk.State(r.State), Reason: r.Reason,
		Attempts: r.Attempts, TicketID: desk.TicketID(r.TicketID), MessageID: desk.MessageID(r.MessageID), SettledAt: timeOf(r.SettledAt),
	}
}

// threadRow says which ticket a conversation key or external ID belongs to.
type threadRow struct {
	Scope     string `gorm:"primaryKey"`
	Key       string `gorm:"primaryKey"`
	TicketID  string
	CreatedAt time.Time `gorm:"autoCreateTime:false"`
}

func (threadRow) TableName() string { return "threads" }
