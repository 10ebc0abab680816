package store

import "sync"

// takeTurns takes all turns of a team at once and hands them out in order. On
// PostgreSQL they are taken beside the transaction, on a connection of their
// own: a row that every group wants would stay locked until the commit, and let
// one group through at a time. What a run took that is run again goes to the next
// who asks this process. Should the transaction fail otherwise, somebody's turn is
// passed over.
func (g *group) takeTurns() error {
	wanted := map[string]int{}
	for e := range g.filed {
		if e.f.Turn != nil && e.ticket != nil && len(e.f.Turn.Candidates) > 0 {
			wanted[string(e.f.Turn.Team)]++
		}
	}
	db := g.tx
	if g.s.turns != nil {
		db = g.s.turns.WithContext(g.tx.Statement.Context)
	}
	g.took = make(map[string][]int64, len(wanted))
	for _, team := range sorted(wanted) {
		g.took[team] = g.s.spare.take(team, wanted[team])
		missing := wanted[team] - len(g.took[team])
		if missing == 0 {
			continue
		}
		var row turnRow
		err := db.Raw(`INSERT INTO turns (team_id, n) VALUES (?, ?) ON CONFLICT (team_id) DO UPDATE SET n = turns.n + excluded.n
			RETURNING team_id, n`, team, missing).Scan(&row).Error
		if err != nil {
			return err
		}
		for n := row.N - int64(missing); n < row.N; n++ {
			g.took[team] = append(g.took[team], n)
		}
	}
	next := map[string]int{}
	for e := range g.filed {
		if e.f.Turn != nil && e.ticket != nil && len(e.f.Turn.Candidates) > 0 {
			team := string(e.f.Turn.Team)
			e.f.Take(g.took[team][next[team]])
			next[team]++
			e.events = e.f.Events
			numberEvents(e.ticket, e.events)
		}
	}
	return nil
}

// returnTurns gives back the turns of a run that is certain to be rolled back; those
// taken in its transaction are, with it.
func (g *group) returnTurns() {
	if g.s.turns == nil {
		return
	}
	for team, numbers := range g.took {
		g.s.spare.put(team, numbers)
	}
	g.took = nil
}

// spareTurns are turns that were taken and given back. It is safe for concurrent
// use.
type spareTurns struct {
	mu sync.Mutex
	of map[string][]int64
}

func (s *spareTurns) take(team string, most int) []int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.of[team]
	n := min(most, len(all))
	if n == 0 {
		return nil
	}
	s.of[team] = all[n:]
	return append([]int64(nil), all[:n]...)
}

func (s *spareTurns) put(team string, numbers []int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of == nil {
		s.of = map[string][]int64{}
	}
	s.of[team] = append(s.of[team], numbers...)
}
