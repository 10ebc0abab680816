package store

import (
	"fmt"
	"slices"

	"gorm.io/gorm"

	"switchboard/pipeline/desk"
)

// groups returns the ticket of each group's latest message; groups without one
// are left out.
func (s *Store) groups(db *gorm.DB, keys []pair) (map[pair]groupRow, error) {
	out := make(map[pair]groupRow, len(keys))
	if len(keys) == 0 {
		return out, nil
	}
	rows, err := find[groupRow](db, "", s.inPairs("scope", "key", keys), "")
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		out[pair{r.Scope, r.Key}] = r
	}
	return out, nil
}

// latest is a group as a group of filings finds and leaves it.
type latest struct {
	was, is groupRow
}

// group is the entry's group in the form the index holds, and false when it has
// none.
func (e *entry) group() (pair, bool) {
	if e.f.Group == nil || e.f.Group.Key == "" {
		return pair{}, false
	}
	return pair{e.message.Scope, key(e.f.Group.Key)}, true
}

func (g *group) lookUpGroups() error {
	g.latest = map[pair]*latest{}
	var keys []pair
	for e := range g.filed {
		if k, ok := e.group(); ok {
			keys = append(keys, k)
		}
	}
	rows, err := g.s.groups(g.tx, keys)
	for _, k := range keys {
		g.latest[k] = &latest{was: rows[k], is: rows[k]}
	}
	return err
}

// judgeGroup refuses an entry that was decided on another state of its group:
// of two messages that both open a ticket for it, the second runs again.
func (g *group) judgeGroup(e *entry) error {
	k, ok := e.group()
	if !ok {
		return nil
	}
	if now := g.latest[k].is.TicketID; now != string(e.f.Group.Last) && now != e.mine {
		return fmt.Errorf("store: file: the group went on elsewhere: %w", desk.ErrConflict)
	}
	return nil
}

// commitGroup makes a standing entry the latest of its group, unless a later
// one is there.
func (g *group) commitGroup(e *entry) {
	k, ok := e.group()
	if !ok {
		return
	}
	if at, l := micro(e.f.Group.At), g.latest[k]; !at.Before(l.is.At) {
		l.is = groupRow{Scope: k.a, Key: k.b, TicketID: e.mine, At: at}
	}
}

func (g *group) writeGroups() error {
	var keys []pair
	for k, l := range g.latest {
		if l.is != l.was {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, comparePairs)
	var fresh []groupRow
	for _, k := range keys {
		l := g.latest[k]
		if l.was.TicketID == "" {
			fresh = append(fresh, l.is)
			continue
		}
		res := g.tx.Exec(`UPDATE message_groups SET ticket_id = ?, at = ? WHERE scope = ? AND key = ? AND ticket_id = ? AND at = ?`,
			l.is.TicketID, l.is.At, k.a, k.b, l.was.TicketID, micro(l.was.At))
		if res.Error != nil {
			return res.Error
		}
		if res.RowsAffected == 0 {
			return errAgain
		}
	}
	return insertNew(g.tx, fresh)
}
