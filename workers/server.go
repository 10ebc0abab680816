package workers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/hibiken/asynq"

	"switchboard/pipeline/desk"
)

// Job is background work done every so often. A failing run is logged and tried
// again at its next time.
type Job interface {
	Name() string
	Every() time.Duration
	Once(ctx context.Context, now time.Time) error
}

// Server takes tasks from the queue and runs the background jobs: the `work`
// role.
type Server struct {
	intake *Intake
	redis  asynq.RedisConnOpt
	jobs   []Job
	now    func() time.Time
	log    *slog.Logger
	set    Settings
	// suspects are what a dead worker had in its hands, hands what this one has.
	suspects *suspects
	hands    *hands
	// recall knows how far back the queues remember.
	recall *recall
	// delivery carries answers out; nil: this server only takes in.
	delivery *Delivery
}

// ServerBooks is what the background jobs need from the store.
type ServerBooks interface {
	SweepBooks
	BreachBooks
	SuspectBooks
}

// NewServer makes a server. Its jobs are listed here, in plain sight.
func NewServer(intake *Intake, redis asynq.RedisConnOpt, books ServerBooks, now func() time.Time, log *slog.Logger, set Settings) *Server {
	s := &Server{intake: intake, redis: redis, now: now, log: log, set: set}
	s.suspects = newSuspects(intake, books)
	s.jobs = []Job{
		&Sweep{Books: books, Intake: intake, Log: log, Set: set, Recall: s.recalls},
		&Breach{Books: books, Log: log},
	}
	return s
}

// recalls is since when a class's queue remembers what was queued.
func (s *Server) recalls(ctx context.Context, class Class, now time.Time) (time.Time, error) {
	if s.recall == nil { // not running yet
		return now, nil
	}
	return s.recall.since(ctx, class, now)
}

// Carry makes the server bring answers out too. Call it before Run.
func (s *Server) Carry(d *Delivery) {
	s.delivery = d
	s.jobs = append(s.jobs, d)
}

// Also makes the server do one more background job. Call it before Run.
func (s *Server) Also(j Job) { s.jobs = append(s.jobs, j) }

// Run works until ctx is done, then drains: running tasks are finished within
// Settings.DrainFor, the rest goes back to the queue. Answers on their way out are not
// cut off: they have their own time, DeliverySettings.SendTimeout and a little more.
func (s *Server) Run(ctx context.Context) error {
	mux := asynq.NewServeMux()
	mux.HandleFunc(taskProcess, s.process)
	var err error
	defer s.intake.shelf.opened()()
	if s.hands, err = newHands(s.redis, s.recovered, s.log); err != nil {
		return fmt.Errorf("workers: start: %w", err)
	}
	defer s.hands.close()
	s.recall = newRecall(s.hands.client, max(s.set.SweepAgain, s.set.TaskTimeout+3*recordFor))
	if d := s.delivery; d != nil {
		s.hands.bury, s.hands.unseen, d.holder = d.abandoned, d.books.Unwatched, s.hands.holder
		s.hands.carry = func(ctx context.Context, o outgoing) error { return d.queue(ctx, o.Messages) }
		d.recalls(s.hands.client, s.set)
		s.intake.journal.holds(s.hands.id)
	}
	var running []*asynq.Server
	each := func(do func(*asynq.Server)) {
		var all sync.WaitGroup
		for _, srv := range running {
			all.Go(func() { do(srv) })
		}
		all.Wait()
	}
	stop := func() { each((*asynq.Server).Shutdown) }
	start := func(bell *bell, mux *asynq.ServeMux, concurrency int, every time.Duration, queues map[string]int) error {
		delayed := retryAfter
		switch {
		case queues[suspect.queue()] > 0:
			delayed = time.Second // a suspect waits for nothing but a retry
		case queues[queueDeliver] > 0:
			delayed = time.Second / 2 // an answer that waits does so for a second or more
		}
		l := &listening{RedisConnOpt: s.redis, bell: bell, queues: len(queues), every: every, done: ctx.Done()}
		if bell != nil {
			every = min(every, bellSleep)
		}
		drain := s.set.DrainFor
		if queues[queueDeliver] > 0 {
			drain = max(drain, s.delivery.drain())
		}
		srv := s.asynq(&calm{l, ctx.Done()}, queues, concurrency, every, delayed, drain)
		if err := srv.Start(mux); err != nil {
			stop()
			return fmt.Errorf("workers: start: %w", err)
		}
		running = append(running, srv)
		return nil
	}
	var rings *bell
	if d := s.intake.dispatch; d != nil {
		rings = d.bell
	}
	queues := map[string]int{Urgent.queue(): max(s.set.UrgentWeight, 1), Normal.queue(): 1}
	if err := start(rings, mux, s.set.Concurrency, s.set.CheckEvery, queues); err != nil {
		return err
	}
	// A flood has few workers of its own: what else comes in finds free ones, and
	// never more than their groups before it.
	// Who may wait looks less often.
	if err := start(nil, mux, max(s.set.BulkConcurrency, 1), max(s.set.CheckEvery, s.set.BulkWait), map[string]int{Bulk.queue(): 1}); err != nil {
		return err
	}
	if err := start(nil, mux, suspectGroups, max(s.set.CheckEvery, suspectCheck), map[string]int{suspect.queue(): 1}); err != nil {
		return err
	}
	// Answers have a server of their own: a slow other side must not keep
	// messages from coming in.
	if s.delivery != nil {
		mux := asynq.NewServeMux()
		mux.HandleFunc(taskDeliver, s.deliver)
		every := max(s.set.CheckEvery, 50*time.Millisecond)
		if err := start(nil, mux, s.delivery.set.Concurrency, every, map[string]int{queueDeliver: 1}); err != nil {
			return err
		}
	}
	var jobs sync.WaitGroup
	// The hands are shown until the last task is done.
	working, rest := context.WithCancel(context.WithoutCancel(ctx))
	jobs.Go(func() { s.hands.run(working) })
	for _, j := range s.jobs {
		jobs.Go(func() { s.tick(ctx, j) })
	}
	<-ctx.Done()
	each((*asynq.Server).Stop)
	sent := s.delivery.stop()
	stop()
	sent()
	rest()
	jobs.Wait()
	return nil
}

// asynq is a server for some queues, with their weights, that looks every so often
// for tasks and for those whose time has come, and has drain for those in hand at the end.
func (s *Server) asynq(opt asynq.RedisConnOpt, queues map[string]int, concurrency int, every, delayed, drain time.Duration) *asynq.Server {
	return asynq.NewServer(opt, asynq.Config{
		Concurrency:       concurrency,
		Queues:            queues,
		TaskCheckInterval: every,
		// asynq looks for tasks whose time has come every 5 s by default; a reply
		// that waits for its parent must not wait so long.
		DelayedTaskCheckInterval: delayed,
		ShutdownTimeout:          drain,
		// What fails here is the database, not the message: come back soon.
		RetryDelayFunc: func(n int, err error, t *asynq.Task) time.Duration {
			return min(time.Second<<min(n, 5), 30*time.Second)
		},
		IsFailure:           func(err error) bool { return !errors.Is(err, context.Canceled) },
		ErrorHandler:        asynq.ErrorHandlerFunc(s.failed),
		Logger:              quiet{s.log},
		LogLevel:            asynq.WarnLevel,
		HealthCheckInterval: 15 * time.Second,
	})
}

func (s *Server) process(ctx context.Context, t *asynq.Task) error {
	var p task
	if err := json.Unmarshal(t.Payload(), &p); err != nil {
		return fmt.Errorf("workers: unreadable task: %w: %w", err, asynq.SkipRetry)
	}
	queue, _ := asynq.GetQueueName(ctx)
	id, _ := asynq.GetTaskID(ctx)
	again, _ := asynq.GetRetryCount(ctx)
	if again > 0 && s.hands.handedOn(ctx, id) {
		return nil // asynq brings back what went to another worker long ago
	}
	defer s.hands.took(id)()
	if p.Deaths > 0 {
		return s.suspects.process(ctx, p, func() { s.hands.begun(ctx, id) })
	}
	p.Fresh = p.Fresh && again == 0
	return s.intake.gather(ctx, classOf(queue), p)
}

// recovered queues again, for workers of its own, a task whose worker died; begun
// says that the worker had begun it. What ends workers is found by taking such
// tasks apart.
func (s *Server) recovered(ctx context.Context, p task, begun bool) error {
	s.intake.metrics.recovered(len(p.Receipts))
	s.log.Warn("a worker died with receipts in its hands; they are queued again", "count", len(p.Receipts), "deaths", p.Deaths+1)
	if err := s.intake.books.Claim(ctx, p.Receipts, s.now()); err != nil {
		return err
	}
	if p.Deaths > 0 && begun && len(p.Receipts) > 1 {
		var errs []error
		for _, id := range p.Receipts {
			errs = append(errs, s.intake.requeue(ctx, task{Receipts: []desk.ReceiptID{id}, Deaths: p.Deaths + 1}))
		}
		return errors.Join(errs...)
	}
	if p.Deaths == 0 || begun {
		p.Deaths++
	}
	return s.intake.requeue(ctx, p)
}

func (s *Server) deliver(ctx context.Context, t *asynq.Task) error {
	var p outgoing
	if err := json.Unmarshal(t.Payload(), &p); err != nil {
		return fmt.Errorf("workers: unreadable task: %w: %w", err, asynq.SkipRetry)
	}
	id, _ := asynq.GetTaskID(ctx)
	defer s.hands.took(id)()
	return s.delivery.Deliver(ctx, p.Messages...)
}

func (s *Server) failed(ctx context.Context, t *asynq.Task, err error) {
	s.log.Warn("task failed; the books keep what it was about", "task", t.Type(), "error", err)
}

func (s *Server) tick(ctx context.Context, j Job) {
	ticker := time.NewTicker(j.Every())
	defer ticker.Stop()
	for {
		if err := j.Once(ctx, s.now()); err != nil && ctx.Err() == nil {
			s.log.Warn("background job failed", "job", j.Name(), "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// Resume takes up what the process before had in hand when it died, as the journal
// of the intake tells it: for a house whose Redis died too. Call it before
// Requeue, which would make all of it equal.
func (s *Server) Resume(ctx context.Context) error {
	for _, n := range s.intake.journal.before() {
		if err := s.recovered(ctx, *n.Task, n.Begun); err != nil {
			return fmt.Errorf("workers: resume: %w", err)
		}
	}
	if holder := s.intake.journal.heldBy(); holder != "" && s.delivery != nil {
		if err := s.delivery.abandoned(ctx, holder); err != nil {
			return fmt.Errorf("workers: resume: %w", err)
		}
	}
	s.intake.journal.resumed()
	return nil
}

// Requeue queues everything accepted, and every answer that waits, at once: for
// a start on an empty queue.
func (s *Server) Requeue(ctx context.Context) error {
	var errs []error
	for _, j := range s.jobs {
		if all, ok := j.(interface {
			All(ctx context.Context, now time.Time) error
		}); ok {
			errs = append(errs, all.All(ctx, s.now()))
		}
	}
	return errors.Join(errs...)
}

// quiet passes asynq's words to slog, one level down: what matters to us we say
// ourselves.
type quiet struct{ log *slog.Logger }

func (q quiet) Debug(args ...any) {}
func (q quiet) Info(args ...any)  { q.log.Debug(fmt.Sprint(args...)) }
func (q quiet) Warn(args ...any)  { q.log.Info(fmt.Sprint(args...)) }
func (q quiet) Error(args ...any) { q.log.Warn(fmt.Sprint(args...)) }
func (q quiet) Fatal(args ...any) { q.log.Error(fmt.Sprint(args...)) }
