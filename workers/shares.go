package workers

import (
	"context"
	"errors"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"switchboard/pipeline/desk"
)

// shares shares the tries of this process out among the sources, so that an other
// side that hangs keeps no answers of other sources from going out. A source may
// have as many tries under way as are left free: alone one half of all, beside one
// that has its half a quarter, and so on, until none is left. What has to
// wait does so here, in the order in which it came, and holds up neither the queue
// nor a worker; who has the fewest tries goes first. Of what waits only the IDs are
// kept: the books have the rest, and when this process dies, the sweep of another
// finds it. It is safe for concurrent use.
type shares struct {
	mu      sync.Mutex
	slots   int // tries at the same time
	room    int // most that wait
	busy    int
	sources map[string]*share // with something to do
	waiting map[desk.MessageID]bool
	idle    chan struct{} // nil: nobody waits for the end; else closed when nothing is under way
}

// share is what a source has of it.
type share struct {
	busy  int
	waits []desk.MessageID
}

// try is an answer whose turn it is, and the source it goes out by.
type try struct {
	source string
	id     desk.MessageID
}

func newShares(slots, room int) *shares {
	return &shares{slots: max(slots, 1), room: room, sources: map[string]*share{}, waiting: map[desk.MessageID]bool{}}
}

// waits reports whether an answer waits here for its turn.
func (s *shares) waits(id desk.MessageID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.waiting[id]
}

// enter has an answer wait for its turn, and returns those whose turn it is: mostly
// that one. Each must leave. Beyond the room it waits in the books alone. errStopped:
// nothing begins any more.
func (s *shares) enter(source string, id desk.MessageID) ([]try, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.idle != nil {
		return nil, errStopped
	}
	own := s.sources[source]
	if own == nil {
		own = &share{}
	}
	atOnce := len(own.waits) == 0 && own.busy < s.slots-s.busy // needs no room
	if !s.waiting[id] && (atOnce || len(s.waiting) < s.room) {
		s.sources[source] = own
		s.waiting[id] = true
		own.waits = append(own.waits, id)
	}
	return s.next(), nil
}

// leave ends a try, and returns those whose turn it is now.
func (s *shares) leave(source string) []try {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy--
	own := s.sources[source]
	if own.busy--; own.busy == 0 && len(own.waits) == 0 {
		delete(s.sources, source)
	}
	if s.idle != nil && s.busy == 0 {
		close(s.idle)
	}
	return s.next()
}

// next takes out everything whose turn it is.
func (s *shares) next() (out []try) {
	for s.idle == nil {
		var least *share
		var name string
		for source, h := range s.sources {
			if len(h.waits) > 0 && (least == nil || h.busy < least.busy || h.busy == least.busy && h.waits[0] < least.waits[0]) {
				least, name = h, source
			}
		}
		if least == nil || least.busy >= s.slots-s.busy {
			break
		}
		id := least.waits[0]
		least.waits = least.waits[1:]
		delete(s.waiting, id)
		least.busy++
		s.busy++
		out = append(out, try{name, id})
	}
	return out
}

// stop lets nothing begin any more. It returns what waited, and a channel that is
// closed when nothing is under way any more. Call it once.
func (s *shares) stop() (left []desk.MessageID, idle <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.idle = make(chan struct{})
	if s.busy == 0 {
		close(s.idle)
	}
	for _, h := range s.sources {
		left = append(left, h.waits...)
		h.waits = nil
	}
	clear(s.waiting)
	slices.Sort(left)
	return left, s.idle
}

// carry tries to send a message when its source has a try free, and then the next of
// its ticket; else it leaves it waiting for one.
func (d *Delivery) carry(ctx context.Context, id desk.MessageID) error {
	for ok := true; ok; {
		if d.shares.waits(id) {
			return nil
		}
		source, err := d.books.SendsBy(ctx, id)
		if errors.Is(err, desk.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		turns, err := d.shares.enter(source, id)
		if err != nil {
			d.back(id)
			return nil
		}
		mine := false
		for _, t := range turns {
			if t.id == id {
				mine = true
			} else {
				d.begin(t)
			}
		}
		if !mine {
			return nil
		}
		if id, ok, err = d.turnOf(ctx, try{source, id}); err != nil {
			return err
		}
	}
	return nil
}

// turnOf tries what has its turn, passes that on, and returns the next answer of the
// ticket.
func (d *Delivery) turnOf(ctx context.Context, t try) (next desk.MessageID, ok bool, err error) {
	ticket, err := func() (desk.TicketID, error) {
		defer func() { // whatever became of it
			for _, t := range d.shares.leave(t.source) {
				d.begin(t)
			}
		}()
		return d.try(ctx, t.id)
	}()
	if err != nil || ticket == "" || ctx.Err() != nil {
		return "", false, err
	}
	return d.books.NextToSend(ctx, ticket, d.now())
}

// begin sends what waited for its turn, beside whoever passed it on.
func (d *Delivery) begin(t try) {
	go func() {
		ctx := context.Background() // the task that brought it is over
		id := t.id
		defer func() {
			if x := recover(); x != nil { // in a task the queue would have caught it; the sweep has the answer again
				d.log.Error("panic beside an answer that waited for its turn", "message", id, "panic", x, "stack", string(debug.Stack()))
			}
		}()
		next, ok, err := d.turnOf(ctx, t)
		if err == nil && ok {
			id, err = next, d.carry(ctx, next)
		}
		if err != nil {
			d.log.Debug("the books do not answer; an answer that waited for its turn is queued again", "message", id, "error", err)
			d.back(id)
		}
	}()
}

// back gives answers back to the queue; without one the sweep finds them.
func (d *Delivery) back(ids ...desk.MessageID) {
	if d.dispatch != nil {
		d.dispatch.Deliver(ids...)
	}
}

// proofFor is how long after its time a try may take to come back, and to tell the
// books what became of it, before a process that is to end no longer waits for it.
const proofFor = 5 * time.Second

// drain is how long a try that has begun may go on when the process is to end: to its
// own end. Cut off, its answer might arrive and be sent once more.
func (d *Delivery) drain() time.Duration { return d.set.SendTimeout + d.set.SendTimeout/10 + proofFor }

// stop lets no try begin any more, and gives what waits for one back to the queue. The
// returned function waits for those under way. A nil Delivery has none.
func (d *Delivery) stop() (wait func()) {
	if d == nil {
		return func() {}
	}
	left, idle := d.shares.stop()
	d.back(left...)
	end := time.NewTimer(d.drain())
	return func() {
		defer end.Stop()
		select {
		case <-idle:
		case <-end.C:
			d.log.Warn("answers on their way did not end in time; where the other side cannot be asked they may go out twice")
		}
	}
}
