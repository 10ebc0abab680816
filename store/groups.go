package store

import (
	"gorm.io/gorm"
)

// groups returns the ticket of each group's latest message; groups without one
// are left out.
func (s *Store) groups(db *gorm.DB, keys []pair) (map[pair]groupRow, error) {
	out := make(map[pair]groupRow, len(keys))
	if len(keys) == 0 {
		return out, nil
	}
	var rows []groupRow
	if err := db.Where(s.inPairs("scope", "key", keys)).Find(&rows).Error; err != nil {
		return nil, err
	}
	for _, r := range rows {
		out[pair{r.Scope, r.Key}] = r
	}
	return out, nil
}
