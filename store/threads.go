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
	var rows []struct {
		Scope    string
		Key      string
		TicketID string
		Gone     bool
	}
	err := db.Table("threads").Select("threads.scope", "threads.key", "threads.ticket_id", "tickets.deleted_at IS NOT NULL AS gone").
		Joins("LEFT JOIN tickets ON tickets.id = threads.ticket_id").
		Where(s.inPairs("threads.scope", "threads.key", keys)).Find(&rows).Error
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		out[pair{r.Scope, r.Key}] = owner{r.TicketID, r.Gone}
	}
	return out, nil
}
