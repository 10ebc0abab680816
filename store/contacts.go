package store

import (
	"context"
	"fmt"
	"time"

	"switchboard/pipeline/desk"
)

// contactRow is somebody or some place a source can write to first.
type contactRow struct {
	Source  string `gorm:"primaryKey"`
	Kind    string `gorm:"primaryKey"`
	Handle  string `gorm:"primaryKey"`
	Address string
	Gone    string
	At      time.Time
}

func (contactRow) TableName() string { return "contacts" }

func (r *contactRow) desk() desk.Contact {
	return desk.Contact{Source: r.Source, Kind: desk.ContactKind(r.Kind), Handle: r.Handle, Address: []byte(r.Address), Gone: r.Gone, At: r.At.UTC()}
}

// KeepContact writes a contact, unless a newer one is there: news of it may
// overtake each other.
func (s *Store) KeepContact(ctx context.Context, c desk.Contact) error {
	err := s.w.WithContext(ctx).Exec(`INSERT INTO contacts (source, kind, handle, address, gone, at) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (source, kind, handle) DO UPDATE SET address = excluded.address, gone = excluded.gone, at = excluded.at
		WHERE contacts.at <= excluded.at`,
		c.Source, string(c.Kind), key(c.Handle), desk.Clean(string(c.Address)), desk.Clean(c.Gone), micro(c.At)).Error
	if err != nil {
		return failed("keep contact", err)
	}
	return nil
}

// Contact finds one, gone or not; desk.ErrNotFound when there is none.
func (s *Store) Contact(ctx context.Context, source string, kind desk.ContactKind, handle string) (desk.Contact, error) {
	var rows []contactRow
	err := s.read(ctx).Where("source = ? AND kind = ? AND handle = ?", source, string(kind), key(handle)).Limit(1).Find(&rows).Error
	if err != nil {
		return desk.Contact{}, failed("contact", err)
	}
	if len(rows) == 0 {
		return desk.Contact{}, fmt.Errorf("store: contact: %w", desk.ErrNotFound)
	}
	return rows[0].desk(), nil
}

// Contacts lists those of a kind that are not gone, the latest heard of first.
func (s *Store) Contacts(ctx context.Context, source string, kind desk.ContactKind, limit int) ([]desk.Contact, error) {
	var rows []contactRow
	err := s.read(ctx).Where("source = ? AND kind = ? AND gone = ''", source, string(kind)).Order("at DESC").Limit(limit).Find(&rows).Error
	if err != nil {
		return nil, failed("contacts", err)
	}
	out := make([]desk.Contact, len(rows))
	for i := range rows {
		out[i] = rows[i].desk()
	}
	return out, nil
}
