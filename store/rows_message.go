package store

import (
	"time"

	"switchboard/pipeline/desk"
)

// messageRow is a row of messages.
type messageRow struct {
	ID          string `gorm:"primaryKey"`
	TicketID    string
	ReceiptID   string
	Direction   string
	Public      bool
	Author      string
	Channel     string
	Source      string
	Scope       string
	ExternalID  string
	Fingerprint string
	Sender      string
	Subject     string
	Body        string
	HTMLDigest  string
	HTMLSize    int64
	RawDigest   string
	RawSize     int64
	Attachments string
	Mentions    string
	Damage      string
	Auto        string
	SendState   string
	SendTries   int
	SendError   string
	SweptAt     *time.Time
	TakenAt     *time.Time
	SentAt      *time.Time
	CreatedAt   time.Time `gorm:"autoCreateTime:false"`
	EditedAt    *time.Time
	DeletedAt   *time.Time
	Revisions   int
	Follow      bool
	SendAfter   *time.Time
	Trace       string
	Via         string
}

func (messageRow) TableName() string { return "messages" }

func newMessageRow(m *desk.Message) (messageRow, error) {
	var p packer
	row := messageRow{
		ID: string(m.ID), TicketID: string(m.TicketID), ReceiptID: string(m.Receipt), Direction: string(m.Direction), Public: m.Public,
		Author: p.actor(m.Author), Channel: string(m.Channel), Source: m.Source, Scope: m.Scope, ExternalID: key(m.ExternalID),
		Fingerprint: key(m.Fingerprint), Sender: p.party(m.From), Subject: desk.Clean(m.Subject), Body: desk.Clean(m.Text),
		HTMLDigest: m.HTML.Digest, HTMLSize: m.HTML.Size, RawDigest: m.Raw.Digest, RawSize: m.Raw.Size,
		Attachments: p.attachments(m.Attachments), Mentions: p.texts(m.Mentions), Damage: p.texts(m.Damage), Auto: p.auto(m.Auto),
		SendState: string(m.Send), SendError: desk.Clean(m.SendError), SentAt: microp(m.SentAt), CreatedAt: micro(m.CreatedAt),
		EditedAt: microp(m.EditedAt), DeletedAt: microp(m.DeletedAt), Trace: m.Trace,
	}
	if m.Via != nil {
		row.Via = p.pack(m.Via)
	}
	return row, p.err
}

func (r *messageRow) desk() (desk.Message, error) {
	var u unpacker
	m := desk.Message{
		ID: desk.MessageID(r.ID), TicketID: desk.TicketID(r.TicketID), Receipt: desk.ReceiptID(r.ReceiptID),
		Direction: desk.Direction(r.Direction), Public: r.Public, Channel: desk.Channel(r.Channel), Source: r.Source, Scope: r.Scope,
		ExternalID: r.ExternalID, Fingerprint: r.Fingerprint, Subject: r.Subject, Text: r.Body,
		HTML: desk.BlobRef{Digest: r.HTMLDigest, Size: r.HTMLSize}, Raw: desk.BlobRef{Digest: r.RawDigest, Size: r.RawSize},
		Send: desk.SendState(r.SendState), SendError: r.SendError, SentAt: timeOf(r.SentAt), CreatedAt: r.CreatedAt.UTC(),
		EditedAt: timeOf(r.EditedAt), DeletedAt: timeOf(r.DeletedAt), Trace: r.Trace,
	}
	u.actor(r.Author, &m.Author)
	u.party(r.Sender, &m.From)
	u.attachments(r.Attachments, &m.Attachments)
	u.texts(r.Mentions, &m.Mentions)
	u.texts(r.Damage, &m.Damage)
	u.auto(r.Auto, &m.Auto)
	if r.Via != "" {
		u.unpack(r.Via, &m.Via)
	}
	return m, u.err
}

// revisionRow is one thing that was done to a message, with the words it had
// before.
type revisionRow struct {
	MessageID string `gorm:"primaryKey"`
	N         int    `gorm:"primaryKey;autoIncrement:false"`
	Act       string
	Text      string
	Actor     string
	At        time.Time
}

func (revisionRow) TableName() string { return "revisions" }

// groupRow names the ticket of a group's latest message.
type groupRow struct {
	Scope    string `gorm:"primaryKey"`
	Key      string `gorm:"primaryKey"`
	TicketID string
	At       time.Time
}

func (groupRow) TableName() string { return "message_groups" }
