package store

import (
	"math/bits"
	"reflect"
	"sync"
)

// blanks are the columns of a layout, by their numbers, that are blank in all
// rows of a statement: ”, 0, false or null. They stand in its text. A message
// of one channel needs half of the columns there are; each that is left out need
// not be sent, read, and unnested.
type blanks uint64

const maxColumns = 64

func (b blanks) has(i int) bool { return b&(1<<i) != 0 }

func (b blanks) count() int { return bits.OnesCount64(uint64(b)) }

// maxBlankSets bounds the sets of blank columns for which a table has statements
// of their own, since every connection plans each of them.
const maxBlankSets = 24

// blankSets are the sets met so far.
type blankSets struct {
	mu    sync.RWMutex
	known map[blanks]bool
}

// admit returns a set for which there is a statement, or may be one more; else
// the empty one, which is always right.
func (s *blankSets) admit(b blanks) blanks {
	s.mu.RLock()
	known, full := s.known[b], len(s.known) >= maxBlankSets
	s.mu.RUnlock()
	switch {
	case known:
		return b
	case full:
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.known) >= maxBlankSets {
		return 0
	}
	if s.known == nil {
		s.known = map[blanks]bool{}
	}
	s.known[b] = true
	return b
}

// blanksOf returns which columns are blank in all rows.
func blanksOf[T any](l *layout, rows []T) blanks {
	var all blanks
	for i := range l.columns {
		if l.columns[i].blank != "" {
			all |= 1 << i
		}
	}
	for n := 0; n < len(rows) && all != 0; n++ {
		row := reflect.ValueOf(&rows[n]).Elem()
		for left := all; left != 0; left &= left - 1 {
			i := bits.TrailingZeros64(uint64(left))
			if c := &l.columns[i]; !c.is(row.Field(c.field).Addr().Interface()) {
				all &^= 1 << i
			}
		}
	}
	return l.blanks.admit(all)
}
