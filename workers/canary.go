package workers

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"switchboard/pipeline/desk"
)

// Heard is who is told when a canary ended in the books.
type Heard interface {
	// CanaryHeard notes a canary of a source by when it was made and its receipt.
	CanaryHeard(ctx context.Context, source string, made, now time.Time, id desk.ReceiptID) error
}

// hear tells of a canary that was settled. One that cannot be told of counts as
// not heard: the next will tell.
func (i *Intake) hear(ctx context.Context, r desk.Receipt, f *desk.Filing) {
	if f.Canary.IsZero() || i.heard == nil {
		return
	}
	if err := i.heard.CanaryHeard(context.WithoutCancel(ctx), r.Source, f.Canary, i.now(), r.ID); err != nil {
		i.log.Warn("a canary's end could not be noted", "receipt", r.ID, "source", r.Source, "error", err)
	}
}

// CanaryBooks is what canaries need from the store.
type CanaryBooks interface {
	CanaryTurn(ctx context.Context, source string, turn int64, now time.Time) (bool, error)
	Canaries(ctx context.Context) ([]desk.Canary, error)
	ForgetCanaries(ctx context.Context, before time.Time, limit int) (raw []desk.BlobRef, more bool, err error)
}

// Bird sends the canaries of one source.
type Bird struct {
	Source string
	// Send brings a text in from outside as a message of the source, as near to
	// the way of a real one as its channel allows.
	Send func(ctx context.Context, text string) error
	// Tidy removes what canaries left outside; nil when they leave nothing.
	Tidy func(ctx context.Context) error
}

// Canaries sends a synthetic message through every source now and then and waits
// until it has ended in the books, for their age to tell whether real messages
// come through. Any number of processes may run it for the same sources: each
// turn one of them sends.
type Canaries struct {
	Books   CanaryBooks
	Secret  []byte
	Every   time.Duration                                     // between two canaries of a source
	Timeout time.Duration                                     // a canary not in the books after this has failed
	Keep    time.Duration                                     // canaries stay in the ledger this long
	Remove  func(ctx context.Context, raw desk.BlobRef) error // nil: raw messages stay
	Failed  *prometheus.CounterVec                            // by source
	Now     func() time.Time
	Log     *slog.Logger
}

// NewCanaryFailures makes the counter of canaries that did not arrive.
func NewCanaryFailures(reg prometheus.Registerer) *prometheus.CounterVec {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "switchboard_canary_failures_total",
		Help: "Canaries that could not be sent, or were not in the books in time, by source."}, []string{"source"})
	reg.MustRegister(v)
	return v
}

// Run sends until ctx is done.
func (c *Canaries) Run(ctx context.Context, birds []Bird) error {
	var all sync.WaitGroup
	for _, b := range birds {
		c.Failed.WithLabelValues(b.Source)
		all.Go(func() { c.fly(ctx, b) })
	}
	all.Go(func() { c.forget(ctx) })
	<-ctx.Done()
	all.Wait()
	return nil
}

// fly takes the source's turns as they come. A turn is named by when it begins, in
// nanoseconds, so that a later one is above an earlier one whatever Every was then.
func (c *Canaries) fly(ctx context.Context, b Bird) {
	for ctx.Err() == nil {
		now := c.Now()
		turn := now.UnixNano() - now.UnixNano()%int64(c.Every)
		ours, err := c.Books.CanaryTurn(ctx, b.Source, turn, now)
		switch {
		case err != nil && ctx.Err() == nil:
			c.Log.Warn("canary: no turn could be taken", "source", b.Source, "error", err)
		case ours:
			c.Once(ctx, b)
		}
		wait(ctx, time.Unix(0, turn+int64(c.Every)).Sub(c.Now()))
	}
}

// Once sends one canary and waits for it. It reports whether it arrived; being
// stopped meanwhile is no failure.
func (c *Canaries) Once(ctx context.Context, b Bird) bool {
	text := desk.NewCanary(c.Secret, b.Source, c.Now())
	made, _ := desk.ReadCanary(c.Secret, b.Source, text)
	within, cancel := context.WithTimeout(ctx, c.Timeout)
	err := b.Send(within, text)
	if err == nil {
		err = c.await(within, b.Source, made)
	}
	cancel()
	if ctx.Err() != nil {
		return false
	}
	if err != nil {
		c.Failed.WithLabelValues(b.Source).Inc()
		c.Log.Error("canary: a message did not come through", "source", b.Source, "error", err)
	}
	if b.Tidy != nil {
		within, cancel := context.WithTimeout(ctx, c.Timeout)
		defer cancel()
		if err := b.Tidy(within); err != nil && ctx.Err() == nil {
			c.Log.Warn("canary: could not be cleared away; the next will try", "source", b.Source, "error", err)
		}
	}
	return err == nil
}

// await asks until a canary made at an instant, or a younger one, was heard of.
func (c *Canaries) await(ctx context.Context, source string, made time.Time) error {
	pause := 20 * time.Millisecond
	for {
		all, err := c.Books.Canaries(ctx)
		if err == nil {
			for _, x := range all {
				if x.Source == source && !x.HeardAt.Before(made) {
					return nil
				}
			}
		}
		wait(ctx, pause)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		pause = min(2*pause, time.Second)
	}
}

// forget removes old canaries from the ledger.
func (c *Canaries) forget(ctx context.Context) {
	for ctx.Err() == nil {
		if err := c.Forget(ctx); err != nil && ctx.Err() == nil {
			c.Log.Warn("canary: old ones could not be removed", "error", err)
		}
		wait(ctx, max(c.Every, time.Second))
	}
}

// forgetAtOnce bounds one transaction.
const forgetAtOnce = 100

// Forget removes all canaries that ended longer ago than Keep, with their blobs. A
// blob that cannot be removed keeps no other.
func (c *Canaries) Forget(ctx context.Context) error {
	var failed []error
	for more := true; more && ctx.Err() == nil; {
		var raw []desk.BlobRef
		var err error
		if raw, more, err = c.Books.ForgetCanaries(ctx, c.Now().Add(-c.Keep), forgetAtOnce); err != nil {
			return errors.Join(append(failed, err)...)
		}
		for _, ref := range raw {
			if c.Remove == nil {
				break
			}
			if err := c.Remove(ctx, ref); err != nil {
				failed = append(failed, err)
			}
		}
	}
	return errors.Join(failed...)
}

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// CanaryAges shows how old the youngest canary of each source is that came
// through, as the metric switchboard_canary_age_seconds. Every process shows the
// same. It asks the books at most once a second.
type CanaryAges struct {
	Books interface {
		Canaries(ctx context.Context) ([]desk.Canary, error)
	}
	Sources []string // those that have canaries now
	Now     func() time.Time

	mu   sync.Mutex
	at   time.Time
	last []desk.Canary
}

var canaryAge = prometheus.NewDesc("switchboard_canary_age_seconds",
	"Time since the youngest canary was made that came through a source.", []string{"source"}, nil)

// Describe tells the registry about the metric.
func (c *CanaryAges) Describe(out chan<- *prometheus.Desc) { out <- canaryAge }

// Collect shows a source from its first canary on: one that was sent and never
// heard of ages from when it was sent.
func (c *CanaryAges) Collect(out chan<- prometheus.Metric) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.Now()
	if c.last == nil || now.Sub(c.at).Abs() >= time.Second {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		all, err := c.Books.Canaries(ctx)
		cancel()
		if err == nil {
			c.last, c.at = all, now
		} // else the last known ages go on
	}
	for _, x := range c.last {
		for _, name := range c.Sources {
			if name == x.Source {
				out <- prometheus.MustNewConstMetric(canaryAge, prometheus.GaugeValue, max(now.Sub(x.From()).Seconds(), 0), name)
			}
		}
	}
}
