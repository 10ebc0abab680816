package store

import (
	"time"

	"switchboard/pipeline/desk"
)

// linkRow ties one ticket to another.
type linkRow struct {
	FromID    string `gorm:"primaryKey"`
	ToID      string `gorm:"primaryKey"`
	Type      string `gorm:"primaryKey"`
	Actor     string
	Reason    string
	CreatedAt time.Time `gorm:"autoCreateTime:false"`
}

func (linkRow) TableName() string { return "links" }

func newLinkRow(l *desk.Link) (linkRow, error) {
	var p packer
	row := linkRow{FromID: string(l.From), ToID: string(l.To), Type: string(l.Type), Actor: p.actor(l.By),
		Reason: desk.Clean(l.Reason), CreatedAt: micro(l.CreatedAt)}
	return row, p.err
}

func (r *linkRow) desk() (desk.Link, error) {
	var u unpacker
	l := desk.Link{From: desk.TicketID(r.FromID), To: desk.TicketID(r.ToID), Type: desk.LinkType(r.Type), Reason: r.Reason,
		CreatedAt: r.CreatedAt.UTC()}
	u.actor(r.Actor, &l.By)
	return l, u.err
}

// keyRow is an API key.
type keyRow struct {
	ID        string `gorm:"primaryKey"`
	Name      string
	Role      string
	Prefix    string
	Hash      []byte
	CreatedAt time.Time `gorm:"autoCreateTime:false"`
	RevokedAt *time.Time
}

func (keyRow) TableName() string { return "api_keys" }

func newKeyRow(k *desk.Key) keyRow {
	return keyRow{ID: string(k.ID), Name: k.Name, Role: string(k.Role), Prefix: k.Prefix, Hash: k.Hash,
		CreatedAt: micro(k.CreatedAt), RevokedAt: microAt(k.RevokedAt)}
}

func (r *keyRow) desk() desk.Key {
	return desk.Key{ID: desk.KeyID(r.ID), Name: r.Name, Role: desk.Role(r.Role), Prefix: r.Prefix, Hash: r.Hash,
		CreatedAt: r.CreatedAt.UTC(), RevokedAt: timeAt(r.RevokedAt)}
}

// settingRow is a value of the house, for example the signing secret.
type settingRow struct {
	Name  string `gorm:"primaryKey"`
	Value []byte
}

func (settingRow) TableName() string { return "settings" }

// leaseRow says who holds a name now.
type leaseRow struct {
	Name      string `gorm:"primaryKey"`
	Holder    string
	Token     int64
	ExpiresAt time.Time
}

func (leaseRow) TableName() string { return "leases" }

// cursorRow says how far a mailbox folder was read.
type cursorRow struct {
	Source      string `gorm:"primaryKey"`
	Folder      string `gorm:"primaryKey"`
	UIDValidity int64
	LastUID     int64
}

func (cursorRow) TableName() string { return "cursors" }

// turnRow says how many turns a team's round robin has given.
type turnRow struct {
	TeamID string `gorm:"primaryKey"`
	N      int64
}

func (turnRow) TableName() string { return "turns" }
