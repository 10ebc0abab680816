package store

import (
	"gorm.io/gorm"
)

// owner is the ticket a conversation key belongs to.
type owner struct {
	ticket string
	gone   bool // the ticket is deleted: whoever claims the key may have it
}

// owners returns to whom the (scope, key) pairs belong; pairs without an owner
// are left out.
func (s *Store) owners(db *gorm.DB, keys []pair) (map[pair]owner, error) {
	out := make(map[pair]owner, len(keys))
	if len(keys) == 0 {
		return out, nil
	}
	threads := s.found("threads", "scope", "key", "ticket_id", once(keys))
	rows, err := db.Raw("SELECT k.a, k.b, at.ticket_id, tickets.deleted_at IS NOT NULL AS gone FROM "+threads.SQL+
		" LEFT JOIN tickets ON tickets.id = at.ticket_id", threads.Vars...).Rows()
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var k pair
		var o owner
		if err := rows.Scan(&k.a, &k.b, &o.ticket, &o.gone); err != nil {
			return nil, err
		}
		out[k] = o
	}
	return out, rows.Err()
}
