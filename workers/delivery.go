package workers

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/trace"

	"switchboard/pipeline/desk"
)

// Delivery carries public answers to the customer, for every channel: from the
// message row `queued` to `sent` with the proof, or to `failed` with an event on
// the ticket. The row is the truth and Redis only dispatches: a task carries
// message IDs, running one twice sends nothing twice, and what Redis forgot is
// found by the sweep. Answers of one ticket go out in the order they were given.
//
// A sending that was cut off is probed before it is tried again, where the
// channel can; where it cannot, it is sent again: at least once. What was edited
// or deleted after it was sent is changed on the other side, where the channel
// can. Internal notes never leave.
type Delivery struct {
	books    DeliveryBooks
	senders  func(source string) Sender
	dispatch *Dispatch
	metrics  *Metrics
	tracing  *tracing
	traced   func(context.Context, desk.TicketID) (string, error)
	now      func() time.Time
	wall     func() time.Time // this machine's own clock: now may stand still while it sleeps
	log      *slog.Logger
	set      DeliverySettings
	holder   func() string // what the books know this process by; nil: nobody would notice its death
	alone    chan struct{} // the turn of answers that were in dying hands more than once
	shares   *shares
	// recall is since when the queue remembers what was queued, as [recall.of] tells it;
	// nil: it remembers nothing. It is for one goroutine.
	recall func(ctx context.Context, now time.Time) (time.Time, error)
}

// DeliveryBooks is what the delivery needs from the store.
type DeliveryBooks interface {
	// SendsBy is the source a message goes out by.
	SendsBy(ctx context.Context, id desk.MessageID) (source string, err error)
	// Unsent claims messages that wait to be sent, oldest first.
	Unsent(ctx context.Context, before, sweptBefore, now time.Time, limit int) ([]desk.MessageID, error)
	// TakeToSend makes a message the caller's for patience, or until its holder is
	// Abandoned. desk.ErrBusy: it is somebody else's or not its turn;
	// desk.ErrSettled: it is not to be sent.
	TakeToSend(ctx context.Context, id desk.MessageID, now time.Time, patience time.Duration, holder string) (*desk.Outgoing, error)
	// Begun is how many took a message and never told the end.
	Begun(ctx context.Context, id desk.MessageID) (int, error)
	// Holds reports whether a try still has its message.
	Holds(ctx context.Context, id desk.MessageID, try int) (bool, error)
	// Abandoned makes unknown what a dead holder was sending, and returns it.
	Abandoned(ctx context.Context, holder string) ([]desk.MessageID, error)
	// Unwatched says that a holder lives though it cannot be seen.
	Unwatched(ctx context.Context, holder string) error
	// PutBack ends a try that sent nothing and is no trouble of the message's.
	PutBack(ctx context.Context, id desk.MessageID, try int, until time.Time) error
	// NextToSend finds the next answer of a ticket.
	NextToSend(ctx context.Context, ticket desk.TicketID, now time.Time) (desk.MessageID, bool, error)
	Delivered(ctx context.Context, id desk.MessageID, proof desk.Proof) error
	Postpone(ctx context.Context, id desk.MessageID, try int, state desk.SendState, reason string, until time.Time) error
	Undelivered(ctx context.Context, id desk.MessageID, try int, state desk.SendState, reason string, fn func(*desk.Ticket) ([]desk.Event, error)) error
	// Followed says that the other side heard of a revision last. What is newer is
	// told, even when it was told before.
	Followed(ctx context.Context, id desk.MessageID, revision int, reason string, fn func(*desk.Ticket) ([]desk.Event, error)) error
}

// DeliverySettings are the named limits of the way back.
type DeliverySettings struct {
	SendTimeout time.Duration // of one try
	Patience    time.Duration // how long a try has its message to itself; more than SendTimeout
	FirstRetry  time.Duration // wait after the first failure; doubled after each
	MostRetry   time.Duration // and never more
	GiveUpAfter time.Duration // since it was written
	LeastTries  int           // before that counts: an outage of ours is no reason to give up
	Attempts    int           // tries in a row that ended their worker before the answer is failed
	SweepEvery  time.Duration
	SweepAfter  time.Duration // messages older than this are queued again
	SweepAgain  time.Duration // and not again before this
	AutoPerDay  int           // automatic answers to one customer within a day
	Concurrency int           // tries at the same time; one source has as many as are free, so half of them at most
	Waiting     int           // most answers that wait in this process until their source may have one more try
}

// DefaultDelivery returns tries of a minute, from five seconds to an hour apart,
// for a day.
func DefaultDelivery() DeliverySettings {
	return DeliverySettings{SendTimeout: time.Minute, Patience: 2 * time.Minute, FirstRetry: 5 * time.Second, MostRetry: time.Hour,
		GiveUpAfter: 24 * time.Hour, LeastTries: 5, Attempts: 5, SweepEvery: 2 * time.Second, SweepAfter: 5 * time.Second, SweepAgain: time.Minute,
		AutoPerDay: 5, Concurrency: 32, Waiting: 20000}
}

// DeliveryParts are what a Delivery is made of.
type DeliveryParts struct {
	Books DeliveryBooks
	// Senders finds what carries a source's answers; nil when nothing can now.
	Senders  func(source string) Sender
	Dispatch *Dispatch // nil: nothing is queued, the sweep does the work
	Metrics  *Metrics
	Tracer   trace.Tracer // nil: nothing is traced
	// Traced finds the trace of a ticket's latest message from its customer. Nil:
	// answers are traced by themselves.
	Traced   func(ctx context.Context, ticket desk.TicketID) (traceparent string, err error)
	Now      func() time.Time
	Log      *slog.Logger
	Settings DeliverySettings
}

// NewDelivery makes a delivery. It is safe for concurrent use.
func NewDelivery(p DeliveryParts) *Delivery {
	return &Delivery{books: p.Books, senders: p.Senders, dispatch: p.Dispatch, metrics: p.Metrics, tracing: newTracing(p.Tracer), traced: p.Traced, now: p.Now, wall: time.Now, log: p.Log, set: p.Settings,
		alone: make(chan struct{}, 1), shares: newShares(p.Settings.Concurrency, p.Settings.Waiting)}
}

// Deliver tries to send messages now, and after each that ended the next of its
// ticket. What cannot go now is tried again later by itself, and what its source has
// no try free for when it has; an error means that the books did not answer.
func (d *Delivery) Deliver(ctx context.Context, ids ...desk.MessageID) error {
	for _, id := range ids {
		if err := d.carry(ctx, id); err != nil {
			return fmt.Errorf("workers: deliver %s: %w", id, err)
		}
	}
	return nil
}

// Name names the job.
func (d *Delivery) Name() string { return "delivery" }

// Every says how often it sweeps.
func (d *Delivery) Every() time.Duration { return d.set.SweepEvery }

// sweepAtOnce bounds what one sweep queues.
const sweepAtOnce = 256

// Once queues again what the queue forgot, as of now. What it remembers gets no
// copies, however long it waits behind an other side that is slow.
func (d *Delivery) Once(ctx context.Context, now time.Time) error {
	since := d.remembered(ctx, now)
	if since.IsZero() {
		return nil
	}
	return d.sweep(ctx, since.Add(-d.set.SweepAfter), since.Add(-d.set.SweepAgain), now)
}

// recalls has the sweep ask what the queue still remembers.
func (d *Delivery) recalls(client redis.UniversalClient, set Settings) {
	r := newRecall(client, max(d.set.SweepAgain, set.AnswerTimeout))
	d.recall = func(ctx context.Context, now time.Time) (time.Time, error) { return r.of(ctx, queueDeliver, now) }
}

// remembered is since when the queue remembers answers: zero for all, now for none.
func (d *Delivery) remembered(ctx context.Context, now time.Time) time.Time {
	if d.recall == nil {
		return now
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	since, err := d.recall(ctx, now)
	if err != nil { // who queues hears of it as well, and sends without it
		return now
	}
	return since
}

// All queues everything that is due, whoever queued it before, and though it was
// written while the clock was ahead: for the start of a process whose embedded
// queue begins empty.
func (d *Delivery) All(ctx context.Context, now time.Time) error {
	return d.sweep(ctx, whenever, now, now)
}

func (d *Delivery) sweep(ctx context.Context, before, sweptBefore, now time.Time) error {
	for {
		ids, err := d.books.Unsent(ctx, before, sweptBefore, now, sweepAtOnce)
		if err != nil || len(ids) == 0 {
			return err
		}
		if ids = slices.DeleteFunc(ids, d.shares.waits); len(ids) == 0 {
			continue // nobody forgot them
		}
		d.log.Info("answers queued again", "count", len(ids))
		if err := d.queue(ctx, ids); err != nil {
			d.log.Warn("the queue does not answer: sending without it", "count", len(ids), "error", err)
			if err := d.deliverAll(ctx, ids); err != nil {
				return err
			}
		}
	}
}

func (d *Delivery) queue(ctx context.Context, ids []desk.MessageID) error {
	if d.dispatch == nil {
		return d.deliverAll(ctx, ids)
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	for _, id := range ids {
		if err := d.dispatch.enqueueMessage(ctx, id, 0); err != nil {
			return err
		}
	}
	return nil
}

// deliverAll sends in this process, some at the same time. Those that take long go
// on beside the sweep, and keep it from no others.
func (d *Delivery) deliverAll(ctx context.Context, ids []desk.MessageID) error {
	ended := make(chan error, len(ids))
	for _, id := range ids {
		go func() { ended <- d.Deliver(ctx, id) }()
	}
	patience := time.NewTimer(d.set.SweepAfter)
	defer patience.Stop()
	var errs []error
	for range ids {
		select {
		case err := <-ended:
			errs = append(errs, err)
		case <-patience.C:
			return errors.Join(errs...)
		}
	}
	return errors.Join(errs...)
}

// backoff is how long to wait after so many tries. Messages that failed together
// come back a little apart.
func (d *Delivery) backoff(id desk.MessageID, tries int) time.Duration {
	wait := d.set.MostRetry
	if n := max(tries, 1) - 1; n < 30 && d.set.FirstRetry<<n < wait {
		wait = d.set.FirstRetry << n
	}
	h := fnv.New32a()
	h.Write([]byte(id))
	return wait + wait*time.Duration(h.Sum32()%100)/1000
}
