package store

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"

	"switchboard/pipeline/desk"
)

// AddKey keeps an API key. A name that a key in force has already, or a hash
// that is known, is desk.ErrConflict.
func (s *Store) AddKey(ctx context.Context, k desk.Key) error {
	n, err := insert(s.w.WithContext(ctx), []keyRow{newKeyRow(&k)}, doNothing)
	if err == nil && n == 0 {
		err = fmt.Errorf("name or key is taken: %w", desk.ErrConflict)
	}
	return failed("add key", err)
}

// Keys returns all keys, revoked ones too, oldest first.
func (s *Store) Keys(ctx context.Context) ([]desk.Key, error) {
	var rows []keyRow
	if err := s.read(ctx).Order("created_at, id").Find(&rows).Error; err != nil {
		return nil, failed("keys", err)
	}
	out := make([]desk.Key, len(rows))
	for i := range rows {
		out[i] = rows[i].desk()
	}
	return out, nil
}

// KeyByHash returns the key whose secret has this SHA-256, or desk.ErrNotFound.
// The caller looks whether it is revoked.
func (s *Store) KeyByHash(ctx context.Context, hash []byte) (desk.Key, error) {
	var row keyRow
	if err := s.read(ctx).Where("hash = ?", hash).Take(&row).Error; err != nil {
		return desk.Key{}, notFound("key", err)
	}
	return row.desk(), nil
}

// RevokeKey ends the key in force of that name or ID at an instant, or returns
// desk.ErrNotFound.
func (s *Store) RevokeKey(ctx context.Context, nameOrID string, at time.Time) error {
	res := s.w.WithContext(ctx).Model(&keyRow{}).Where("(name = ? OR id = ?) AND revoked_at IS NULL", nameOrID, nameOrID).
		Update("revoked_at", micro(at))
	if res.Error == nil && res.RowsAffected == 0 {
		res.Error = desk.ErrNotFound
	}
	return failed("revoke key", res.Error)
}

// Setting returns a value of the house, such as the signing secret. The first
// caller makes it; of several at once one wins and all get the same.
func (s *Store) Setting(ctx context.Context, name string, create func() ([]byte, error)) ([]byte, error) {
	get := func(db *gorm.DB) ([]byte, bool, error) {
		var rows []settingRow
		err := db.Where("name = ?", name).Find(&rows).Error
		if err != nil || len(rows) == 0 {
			return nil, false, err
		}
		return rows[0].Value, true, nil
	}
	value, ok, err := get(s.read(ctx))
	if err != nil || ok {
		return value, failed("setting", err)
	}
	made, err := create()
	if err != nil {
		return nil, failed("setting", err)
	}
	err = s.write(ctx, func(tx *gorm.DB) error {
		if _, err := insert(tx, []settingRow{{Name: name, Value: made}}, doNothing); err != nil {
			return err
		}
		value, _, err = get(tx)
		return err
	})
	return value, failed("setting", err)
}
