package main

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"switchboard/channels/api"
)

// watchman asks everything this house depends on how it is, in the background
// and never more often than once a second, and remembers since when. /readyz and
// /metrics show what he saw last: neither asks by itself, so a scrape costs
// nothing and a dependency that hangs hangs nobody.
type watchman struct {
	every   time.Duration
	timeout time.Duration
	now     func() time.Time
	log     *slog.Logger
	asks    []*question
	// look counts what there is to be counted, each field nil when it could not be; it
	// returns when its context ends at the latest.
	look func(context.Context) sight

	mu    sync.Mutex
	round chan struct{} // of the round under way; closed at its end
	asked time.Time     // when the last round began
	sight sight
	seen  map[string]api.Check
	stop  context.CancelFunc
	gone  chan struct{}
}

// question is what one dependency is asked.
type question struct {
	name string
	how  func(context.Context) error
	busy chan struct{} // holds a token while the question hangs
}

// errHangs is an answer that has not come since an earlier round.
var errHangs = errors.New("the last question is still not answered")

func newWatchman(every, timeout time.Duration, now func() time.Time, log *slog.Logger, look func(context.Context) sight) *watchman {
	return &watchman{every: every, timeout: timeout, now: now, log: log, look: look, seen: map[string]api.Check{}}
}

// ask adds a question; call it before start.
func (w *watchman) ask(name string, how func(context.Context) error) {
	w.asks = append(w.asks, &question{name: name, how: how, busy: make(chan struct{}, 1)})
}

// start looks round after round until end.
func (w *watchman) start() {
	ctx, stop := context.WithCancel(context.Background())
	w.stop, w.gone = stop, make(chan struct{})
	go func() {
		defer close(w.gone)
		tick := time.NewTicker(w.every)
		defer tick.Stop()
		for {
			w.fresh(ctx, 0)
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}()
}

// end stops looking, and returns when nobody looks any more.
func (w *watchman) end() {
	if w.stop != nil {
		w.stop()
		<-w.gone
	}
	w.mu.Lock()
	round := w.round
	w.mu.Unlock()
	if round != nil {
		<-round
	}
}

// fresh returns what was seen not longer ago than age, after a new round if it
// must. However many ask, one round runs at a time.
func (w *watchman) fresh(ctx context.Context, age time.Duration) (map[string]api.Check, sight) {
	w.mu.Lock()
	if w.round == nil && (w.asked.IsZero() || time.Since(w.asked) >= age) {
		w.round, w.asked = make(chan struct{}), time.Now()
		go w.goRound(w.round)
	}
	round := w.round
	w.mu.Unlock()
	if round != nil {
		select {
		case <-round:
		case <-ctx.Done():
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	out := make(map[string]api.Check, len(w.seen))
	for name, c := range w.seen {
		out[name] = c
	}
	return out, w.sight
}

// goRound asks everything at once and waits for no answer longer than timeout.
func (w *watchman) goRound(done chan struct{}) {
	ctx, cancel := context.WithTimeout(context.Background(), w.timeout)
	defer cancel()
	errs := make([]error, len(w.asks))
	var all sync.WaitGroup
	for i, a := range w.asks {
		all.Go(func() { errs[i] = a.answer(ctx) })
	}
	var s sight
	all.Go(func() { s = w.look(ctx) })
	all.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, a := range w.asks {
		w.note(a.name, errs[i])
	}
	w.sight, w.round = s, nil
	close(done)
}

func (a *question) answer(ctx context.Context) error {
	_, err := answerOf(ctx, a.busy, func(ctx context.Context) (struct{}, error) { return struct{}{}, a.how(ctx) })
	return err
}

// answerOf asks and gives up when ctx ends. A question that hangs is not asked
// again until it was answered: busy, with room for one, holds a token until then.
func answerOf[T any](ctx context.Context, busy chan struct{}, how func(context.Context) (T, error)) (out T, err error) {
	select {
	case busy <- struct{}{}:
	default:
		return out, errHangs
	}
	type answer struct {
		value T
		err   error
	}
	said := make(chan answer, 1)
	go func() {
		defer func() { <-busy }()
		value, err := how(ctx)
		said <- answer{value, err}
	}()
	select {
	case a := <-said:
		return a.value, a.err
	case <-ctx.Done():
		return out, ctx.Err()
	}
}

// note keeps an answer; a change is logged.
func (w *watchman) note(name string, err error) {
	was, known := w.seen[name]
	c := api.Check{State: api.CheckUp, Since: w.now().UTC()}
	if err != nil {
		c.State, c.Error = api.CheckDown, inWords(err)
	}
	if known && was.State == c.State {
		c.Since = was.Since
	}
	w.seen[name] = c
	switch {
	case c.State == api.CheckDown && (!known || was.State != c.State):
		w.log.Warn("a dependency is down", "dependency", name, "error", err)
	case known && was.State != c.State:
		w.log.Info("a dependency is up again", "dependency", name, "down", c.Since.Sub(was.Since).Round(time.Millisecond))
	}
}
