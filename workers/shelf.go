package workers

import (
	"slices"
	"sync"
	"time"

	"switchboard/pipeline/desk"
)

// shelf keeps what this process accepted until one of its own workers takes it
// up: the draft need not be read back from the ledger it was just written to. It
// is empty in a process without workers. What stands on it is what the ledger
// would give back, once: whoever takes a receipt takes it off, so that every later
// look is one into the ledger. When it is full, what comes finds no room,
// because what stands there is wanted first; the ledger has it. What stood there for
// [shelfTime] gives way: its task is in other hands. It is safe for concurrent use.
type shelf struct {
	most     int64 // bytes, as [weigh] counts them; 0: nothing is kept
	recorded func(*desk.Receipt) (desk.Receipt, bool)

	mu    sync.Mutex
	open  int // servers that take from it
	bytes int64
	at    map[desk.ReceiptID]shelved
	order []desk.ReceiptID // oldest first, some that are gone among them
}

// shelfTime is how long a receipt keeps its place from one that has none.
const shelfTime = 10 * time.Second

type shelved struct {
	receipt desk.Receipt
	bytes   int64
}

// opened says that workers of this process take from the shelf, until the
// returned function is called.
func (s *shelf) opened() (closed func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.open--; s.open == 0 {
			s.at, s.order, s.bytes = nil, nil, 0
		}
	}
}

// put keeps the receipts that were new to the ledger: those that it gave their own
// IDs back for.
func (s *shelf) put(receipts []desk.Receipt, ids []desk.ReceiptID) {
	s.mu.Lock()
	off := s.open == 0 || s.most <= 0
	s.mu.Unlock()
	if off {
		return
	}
	for n := range receipts {
		if receipts[n].ID != ids[n] {
			continue
		}
		r, ok := s.recorded(&receipts[n])
		if !ok {
			continue
		}
		if bytes := weigh(r.Draft); bytes <= s.most {
			s.add(shelved{r, bytes})
		}
	}
}

func (s *shelf) add(e shelved) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == 0 {
		return
	}
	if s.at == nil {
		s.at = map[desk.ReceiptID]shelved{}
	}
	for s.bytes+e.bytes > s.most {
		oldest, there := s.at[s.order[0]]
		if there && e.receipt.AcceptedAt.Sub(oldest.receipt.AcceptedAt) < shelfTime {
			return
		}
		s.remove(s.order[0])
		s.order = s.order[1:]
	}
	s.at[e.receipt.ID] = e
	s.order = append(s.order, e.receipt.ID)
	s.bytes += e.bytes
	if len(s.order) > 2*len(s.at)+1000 { // what was taken leaves its ID behind
		s.order = slices.DeleteFunc(s.order, func(id desk.ReceiptID) bool {
			_, there := s.at[id]
			return !there
		})
	}
}

// remove takes one off; mu is held.
func (s *shelf) remove(id desk.ReceiptID) (desk.Receipt, bool) {
	e, there := s.at[id]
	if there {
		delete(s.at, id)
		s.bytes -= e.bytes
	}
	return e.receipt, there
}

// take takes receipts off; rest are those that the ledger has to be asked for.
func (s *shelf) take(ids []desk.ReceiptID) (found []desk.Receipt, rest []desk.ReceiptID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.at) > 0 {
		found = make([]desk.Receipt, 0, len(ids))
	}
	for _, id := range ids {
		if r, there := s.remove(id); there {
			found = append(found, r)
		} else {
			rest = append(rest, id)
		}
	}
	return found, rest
}
