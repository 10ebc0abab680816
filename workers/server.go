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
	lag    *lag
	// delivery carries answers out; nil: this server only takes in.
	delivery *Delivery
}

// ServerBooks is what the background jobs need from the store.
type ServerBooks interface {
	SweepBooks
	BreachBooks
}

// NewServer makes a server. Its jobs are listed here, in plain sight.
func NewServer(intake *Intake, redis asynq.RedisConnOpt, books ServerBooks, now func() time.Time, log *slog.Logger, set Settings) *Server {
	lag := newLag(set.SweepAfter, now())
	return &Server{intake: intake, redis: redis, now: now, log: log, set: set, lag: lag, jobs: []Job{
		&Sweep{Books: books, Intake: intake, Log: log, Set: set, Behind: lag.behind},
		&Breach{Books: books, Log: log, Metrics: intake.metrics},
	}}
}

// Carry makes the server bring answers out too. Call it before Run.
func (s *Server) Carry(d *Delivery) {
	s.delivery = d
	s.jobs = append(s.jobs, d)
}

// Run works until ctx is done, then drains: running tasks are finished within
// Settings.DrainFor, the rest goes back to the queue.
func (s *Server) Run(ctx context.Context) error {
	mux := asynq.NewServeMux()
	mux.HandleFunc(taskProcess, s.process)
	srv := s.asynq(queueIntake, s.set.Concurrency, s.set.CheckEvery)
	if err := srv.Start(mux); err != nil {
		return fmt.Errorf("workers: start: %w", err)
	}
	// Answers have a server of their own: a slow other side must not keep
	// messages from coming in.
	var out *asynq.Server
	if s.delivery != nil {
		mux := asynq.NewServeMux()
		mux.HandleFunc(taskDeliver, s.deliver)
		out = s.asynq(queueDeliver, s.delivery.set.Concurrency, max(s.set.CheckEvery, 50*time.Millisecond))
		if err := out.Start(mux); err != nil {
			srv.Shutdown()
			return fmt.Errorf("workers: start: %w", err)
		}
	}
	var jobs sync.WaitGroup
	for _, j := range s.jobs {
		jobs.Go(func() { s.tick(ctx, j) })
	}
	<-ctx.Done()
	if out != nil {
		jobs.Go(out.Shutdown)
	}
	srv.Shutdown()
	jobs.Wait()
	return nil
}

// asynq is a server for one queue.
func (s *Server) asynq(queue string, concurrency int, every time.Duration) *asynq.Server {
	return asynq.NewServer(s.redis, asynq.Config{
		Concurrency:       concurrency,
		Queues:            map[string]int{queue: 1},
		TaskCheckInterval: every,
		// asynq looks for tasks whose time has come every 5 s by default; a reply
		// that waits for its parent must not wait so long.
		DelayedTaskCheckInterval: retryAfter,
		ShutdownTimeout:          s.set.DrainFor,
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
	s.lag.took(p.Due, s.now())
	return s.intake.Process(ctx, p.Receipts)
}

func (s *Server) deliver(ctx context.Context, t *asynq.Task) error {
	var p outgoing
	if err := json.Unmarshal(t.Payload(), &p); err != nil {
		return fmt.Errorf("workers: unreadable task: %w: %w", err, asynq.SkipRetry)
	}
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
