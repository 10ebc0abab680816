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
		RawDigest: r.Raw.Digest, RawSize: r.Raw.Size, Draft: p.draft(r.Draft), State: string(r.State), Reason: desk.Clean(r.Reason),
		Attempts: r.Attempts, TicketID: string(r.TicketID), MessageID: string(r.MessageID), SettledAt: microp(r.SettledAt),
		Trail: p.trail(r.Trail),
	}
	return row, p.err
}

func (r *receiptRow) desk() (desk.Receipt, error) {
	var u unpacker
	out := desk.Receipt{
		ID: desk.ReceiptID(r.ID), Source: r.Source, Scope: r.Scope, ExternalID: r.ExternalID, Fingerprint: r.Fingerprint,
		ThreadKey: r.ThreadKey, SourceTime: r.SourceTime.UTC(), AcceptedAt: r.AcceptedAt.UTC(),
		Raw: desk.BlobRef{Digest: r.RawDigest, Size: r.RawSize}, State: desk.State(r.State), Reason: r.Reason,
		Attempts: r.Attempts, TicketID: desk.TicketID(r.TicketID), MessageID: desk.MessageID(r.MessageID), SettledAt: timeOf(r.SettledAt),
	}
	u.draft(r.Draft, &out.Draft)
	u.trail(r.Trail, &out.Trail)
	return out, u.err
}

func receiptsOf(rows []receiptRow) ([]desk.Receipt, error) {
	out := make([]desk.Receipt, 0, len(rows))
	for i := range rows {
		r, err := rows[i].desk()
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

// threadRow says which ticket a conversation key or external ID belongs to.
type threadRow struct {
	Scope     string `gorm:"primaryKey"`
	Key       string `gorm:"primaryKey"`
	TicketID  string
	CreatedAt time.Time `gorm:"autoCreateTime:false"`
}

func (threadRow) TableName() string { return "threads" }
