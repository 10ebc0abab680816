package workers

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"switchboard/pipeline/desk"
)

// Class is which of the intake's queues a message waits in. The classes have
// workers of their own, so that what waits in one keeps nobody in another
// waiting.
type Class string

// The classes. A source has the one its config names; while too much of it
// waits, it has Bulk.
const (
	Urgent Class = "urgent" // taken up more often than Normal when both wait
	Normal Class = "normal"
	Bulk   Class = "bulk" // few workers, and all their time when nothing else waits

	// suspect is for what a dead worker had in its hands; see [suspects].
	suspect Class = "suspect"
)

// classes are all classes.
func classes() []Class { return []Class{Urgent, Normal, Bulk, suspect} }

// queue is the class's name in Redis.
func (c Class) queue() string {
	if c == Normal {
		return queueIntake
	}
	return queueIntake + "-" + string(c)
}

// classOf is the class a queue is of.
func classOf(queue string) Class {
	for _, c := range classes() {
		if c.queue() == queue {
			return c
		}
	}
	return Normal
}

// Pressure knows how much of each source is accepted and not settled. A source
// with more than Settings.BulkAfter waiting goes to the bulk queue until half of
// it is done, so that a flood in one mailbox, workspace or webhook does not stand
// before the others; one whose oldest message has waited for more than
// Settings.ShedAfter besides is refused at its door. It looks into the ledger
// once a second, and counts in between what this process accepts; when that is
// much, it looks at once whether it was settled as well. A nil *Pressure finds everything at ease. It is safe for concurrent use.
type Pressure struct {
	books   PressureBooks
	class   func(source string) Class
	metrics *Metrics
	now     func() time.Time
	log     *slog.Logger
	set     Settings

	mu      sync.Mutex
	strains map[string]*strain
	looked  time.Time
	ask     chan struct{} // to look at once
}

// PressureBooks is what Pressure needs from the store.
type PressureBooks interface {
	// Waiting returns what is accepted and not settled by source, counted up to
	// most.
	Waiting(ctx context.Context, most int) ([]desk.Backlog, error)
}

// strain is how a source stands.
type strain struct {
	waiting int       // at the last look
	oldest  time.Time // of them
	since   int       // accepted here since
	rate    float64   // settled a second between the last two looks, as far as is known here
	bulk    bool
}

// lookEvery is how often the ledger is asked, lookLeast the least time between
// two looks, and lookValid how long what was seen may refuse anybody.
const (
	lookEvery = time.Second
	lookLeast = 50 * time.Millisecond
	lookValid = 10 * time.Second
)

// doubt is how many times Settings.BulkAfter a source may have accepted since the
// last look and be given the benefit of it.
const doubt = 2

// NewPressure makes a Pressure. class is what the config says of a source; nil:
// all are normal. Run keeps it fresh.
func NewPressure(books PressureBooks, class func(source string) Class, metrics *Metrics, now func() time.Time, log *slog.Logger, set Settings) *Pressure {
	if class == nil {
		class = func(string) Class { return Normal }
	}
	return &Pressure{books: books, class: class, metrics: metrics, now: now, log: log, set: set, strains: map[string]*strain{}, ask: make(chan struct{}, 1)}
}

// Run looks into the ledger every second, and when there is reason to, until ctx
// is done.
func (p *Pressure) Run(ctx context.Context) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		if err := p.Look(ctx); err != nil && ctx.Err() == nil {
			p.log.Debug("could not see what waits", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-p.ask:
			p.mu.Lock()
			early := lookLeast - p.now().Sub(p.looked)
			p.mu.Unlock()
			if early <= 0 {
				continue
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(min(early, lookLeast)):
			}
		}
	}
}

// Look asks the ledger what waits.
func (p *Pressure) Look(ctx context.Context) error {
	p.mu.Lock()
	before := map[string]int{}
	for name, s := range p.strains {
		before[name] = s.since
	}
	p.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, lookValid)
	defer cancel()
	list, err := p.books.Waiting(ctx, max(p.set.BulkAfter, 1))
	if err != nil {
		return fmt.Errorf("workers: what waits: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	took := now.Sub(p.looked).Seconds()
	p.looked = now
	found := map[string]desk.Backlog{}
	for _, b := range list {
		found[b.Source] = b
		if p.strains[b.Source] == nil {
			p.strains[b.Source] = &strain{}
		}
	}
	for name, s := range p.strains {
		b := found[name]
		if done := max(0, s.waiting+before[name]-b.Count); took > 0 {
			s.rate = float64(done) / took
		}
		s.waiting, s.oldest, s.since = b.Count, b.Oldest, s.since-before[name]
		p.judge(name, s, 1)
		if s.waiting == 0 && s.since == 0 && !s.bulk {
			delete(p.strains, name)
			p.metrics.backlog(name, 0, 0, false)
			continue
		}
		age := time.Duration(0)
		if s.waiting > 0 {
			age = p.looked.Sub(s.oldest)
		}
		p.metrics.backlog(name, s.waiting, age, s.bulk)
	}
	return nil
}

// judge moves a source to bulk that has most times as much waiting as it may, or
// back when half of its backlog is done. What came since the last look counts
// only beyond what is settled at the pace of the time before: a source may be
// busy without falling behind. It reports whether a look could tell more.
func (p *Pressure) judge(name string, s *strain, most int) (doubtful bool) {
	if p.set.BulkAfter == 0 {
		return false
	}
	settled := int(s.rate * p.now().Sub(p.looked).Seconds())
	n, was := s.waiting+max(0, s.since-settled), s.bulk
	s.bulk = n >= most*p.set.BulkAfter || was && n > p.set.BulkAfter/2
	if s.bulk != was {
		p.log.Info("a source changed queues", "source", name, "bulk", s.bulk, "waiting", n)
	}
	return !s.bulk && n >= p.set.BulkAfter
}

// accepted counts messages of a source that are in the ledger now.
func (p *Pressure) accepted(source string, n int) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.strains[source]
	if s == nil {
		s = &strain{}
		p.strains[source] = s
	}
	s.since += n
	if p.judge(source, s, doubt) {
		select {
		case p.ask <- struct{}{}:
		default: // about to look
		}
	}
}

// Class returns the class a source's messages are queued in now.
func (p *Pressure) Class(source string) Class {
	if p == nil {
		return Normal
	}
	p.mu.Lock()
	s := p.strains[source]
	bulk := s != nil && s.bulk
	p.mu.Unlock()
	if bulk {
		return Bulk
	}
	return p.class(source)
}

// Classes are those in whose queues a source's messages may wait now: that of
// Class, and of one in bulk also the one in which it was before.
func (p *Pressure) Classes(source string) []Class {
	class := p.Class(source)
	if class == Bulk && p.class(source) != Bulk {
		return []Class{Bulk, p.class(source)}
	}
	return []Class{class}
}

// Shed reports whether a source is so far behind that its door should say "try
// again later", and for how long. Nothing that was accepted is ever shed.
func (p *Pressure) Shed(source string) (wait time.Duration, shed bool) {
	if p == nil || p.set.ShedAfter == 0 || p.set.BulkAfter == 0 { // without a bulk queue nobody is behind
		return 0, false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	if now.Sub(p.looked) > lookValid {
		return 0, false
	}
	// Of this source alone: what others have waiting keeps nobody out.
	if s := p.strains[source]; s != nil && s.waiting >= p.set.BulkAfter && now.Sub(s.oldest) > p.set.ShedAfter {
		return lookValid / 2, true
	}
	return 0, false
}

// Shedding lists the sources that are refused now, for whoever asks how we are.
func (p *Pressure) Shedding() (out []string) {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	names := make([]string, 0, len(p.strains))
	for name := range p.strains {
		names = append(names, name)
	}
	p.mu.Unlock()
	for _, name := range names {
		if _, shed := p.Shed(name); shed {
			out = append(out, name)
		}
	}
	return out
}
