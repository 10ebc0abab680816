package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/alecthomas/kong"
	"github.com/hibiken/asynq"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"switchboard/channels"
	"switchboard/channels/api"
	"switchboard/configs"
	"switchboard/pipeline"
	"switchboard/pipeline/desk"
	"switchboard/store"
	"switchboard/store/blob"
	"switchboard/workers"
	"switchboard/workers/broker"
)

// The store satisfies every room's books.
var (
	_ workers.Books         = (*store.Store)(nil)
	_ workers.ServerBooks   = (*store.Store)(nil)
	_ workers.DeliveryBooks = (*store.Store)(nil)
	_ workers.CanaryBooks   = (*store.Store)(nil)
	_ workers.Heard         = (*store.Store)(nil)
	_ workers.RetainBooks   = (*store.Store)(nil)
	_ workers.OrphansBooks  = (*store.Store)(nil)
	_ api.Books             = (*store.Store)(nil)
	_ api.Files             = (*blob.Blobs)(nil)
	_ channels.Mailboxes    = (*store.Store)(nil)
	_ channels.Contacts     = (*store.Store)(nil)
	_ channels.Blobs        = (*blob.Blobs)(nil)
	_ channels.Sink         = (*workers.Intake)(nil)
	_ api.Intake            = (*workers.Intake)(nil)
	_ pipeline.Books        = (*store.View)(nil)
)

// place says where a process finds its config and its data.
type place struct {
	Config string `help:"Config file (YAML). Without one the defaults apply." env:"SWITCHBOARD_CONFIG" placeholder:"FILE"`
	Data   string `help:"Data folder: SQLite file, blobs, embedded queue." default:"data" env:"SWITCHBOARD_DATA" placeholder:"DIR"`
}

// AfterApply makes the paths usable: an environment variable that is set to
// nothing counts as not set, and the data folder must not move with us.
func (p *place) AfterApply() error {
	if p.Data == "" {
		p.Data = "data"
	}
	p.Data = kong.ExpandPath(p.Data)
	if strings.HasPrefix(p.Config, "~/") {
		p.Config = kong.ExpandPath(p.Config)
	}
	return nil
}

// house is an open installation: the parts every role is made of.
type house struct {
	place     place
	config    *configs.Reloader // all but the policy goes by its First
	store     *store.Store
	blobs     *blob.Blobs
	broker    *broker.Broker
	joined    bool // the queue is run by another process of this data folder
	frugal    sync.Once
	uncollect func() // ends what frugal began
	client    *asynq.Client
	dispatch  *workers.Dispatch
	pressure  *workers.Pressure
	intake    *workers.Intake
	journal   *workers.Journal // nil: the queue is not ours alone
	registry  *prometheus.Registry
	metrics   *workers.Metrics
	reloads   *prometheus.CounterVec // by result
	// canaryFailures is nil while no canaries are sent.
	canaryFailures *prometheus.CounterVec
	meter          *meter
	watchman       *watchman
	traces         *traces // nil: nothing is traced
	lobby          *lobby  // answers HTTP already; nil: PostgreSQL was there at once
	settings       workers.Settings
	delivery       workers.DeliverySettings
	unwatch        func() // ends the look at what waits
	untime         func() // ends the questions to the database's clock; nil without
	secret         []byte
	log            *slog.Logger
	env            configs.Lookup
	now            func() time.Time

	opening sync.Mutex
	holder  string    // names this process for the leases of mailboxes
	opened  *adapters // nil until a role asks for them
	reads   bool      // this process reads the mailboxes
}

// maxBlob bounds any blob, whatever an adapter's own limits are: a mail too large
// to be read is still kept whole up to here.
const maxBlob = 1 << 30

// load reads the config. What is wrong in the file is printed a line each.
func load(p place, s streams) (*configs.Reloader, error) {
	r, err := configs.NewReloader(p.Config, s.env)
	if err != nil {
		return nil, report(err, s)
	}
	return r, nil
}

// books opens the store and the blobs, and nothing else: for commands that look
// something up beside a running installation.
func books(ctx context.Context, p place, s streams) (*house, error) {
	r, err := load(p, s)
	if err != nil {
		return nil, err
	}
	return booksOf(ctx, p, s, r, 0)
}

// booksOf is books on a config that is read already. knock bounds the wait for
// the first word of each server of PostgreSQL, unless it is 0.
func booksOf(ctx context.Context, p place, s streams, r *configs.Reloader, knock time.Duration) (*house, error) {
	h := &house{place: p, config: r, now: clock(), log: logger(r.Config(), s), env: s.env}
	err := os.MkdirAll(p.Data, 0o700)
	if err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	if h.store, err = store.Open(ctx, store.Options{URL: h.databaseURL(), MaxConns: r.Config().Database.MaxConns,
		Timeout: r.Config().Database.Timeout, Idle: r.Config().Database.IdleTimeout, Knock: knock, Log: h.log,
		Breached: func(metric desk.Metric) { h.metrics.Breached(metric) }}); err != nil {
		return nil, err
	}
	if h.blobs, err = blob.Open(blobDir(r.Config(), p), blob.Options{MaxBytes: maxBlob, Elsewhere: h.store.Kept}); err != nil {
		h.store.Close()
		return nil, err
	}
	return h, nil
}

// blobDir is the folder of the blobs.
func blobDir(c *configs.Config, p place) string {
	return cmp.Or(c.Blobs.Dir, filepath.Join(p.Data, "blobs"))
}

func (h *house) databaseURL() string {
	if u := string(h.config.First().Database.URL); u != "" {
		return u
	}
	return "sqlite:" + filepath.Join(h.place.Data, "switchboard.db")
}

// open opens a whole house for a role. The schema is brought up to date: any
// number of processes may start at once.
func open(ctx context.Context, p place, s streams) (*house, error) {
	r, err := load(p, s)
	if err != nil {
		return nil, err
	}
	return openOf(ctx, p, s, r, part{}, 0)
}

// openOf is open for a part of it, on a config that is read already; knock is as for
// booksOf.
func openOf(ctx context.Context, p place, s streams, r *configs.Reloader, does part, knock time.Duration) (*house, error) {
	h, err := booksOf(ctx, p, s, r, knock)
	if err != nil {
		return nil, err
	}
	if does.small {
		h.staySmall()
	}
	if err := h.open(ctx, does.small); err != nil {
		h.close()
		return nil, err
	}
	if does.small {
		if err := leaveStart(); err != nil {
			h.log.Warn("what only the start needed stays in memory", "error", err)
		}
	}
	return h, nil
}

func (h *house) open(ctx context.Context, small bool) error {
	c := h.config.First()
	h.keepTime(ctx)
	if err := h.store.Migrate(ctx); err != nil {
		return err
	}
	var err error
	h.secret, err = h.store.Setting(ctx, "signing-secret", func() ([]byte, error) {
		b := make([]byte, 32)
		_, err := rand.Read(b)
		return b, err
	})
	if err != nil {
		return err
	}
	options, err := brokerOptions(c.Redis, h.place.Data)
	if err != nil {
		return err
	}
	if h.broker, h.joined, err = openBroker(ctx, options, h.log); err != nil {
		return err
	}
	h.registry = prometheus.NewRegistry()
	h.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if err := h.measure(c); err != nil {
		return err
	}
	h.watchCanaries()
	if h.traces, err = openTraces(ctx, c.Traces, h.log); err != nil {
		return err
	}
	h.settings, h.delivery = settings(c), delivery(c)
	if small {
		h.settings.Queue = smallQueue
	}
	h.client = asynq.NewClient(h.broker.AsynqOpt())
	h.dispatch = workers.NewDispatch(h.client, h.metrics, h.now, h.log, h.settings)
	h.pressure = workers.NewPressure(h.store, h.class, h.metrics, h.now, h.log, h.settings)
	if h.broker.Own() {
		if h.journal, err = workers.OpenJournal(filepath.Join(h.place.Data, "in-hand"), h.now, h.log); err != nil {
			return err
		}
	}
	h.intake = workers.NewIntake(workers.Parts{
		Books: h.store, View: h.view, Policy: h.policy, Line: &pipeline.Line{Stages: stages(h.secret)}, Heard: h.store,
		Dispatch: h.dispatch, Pressure: h.pressure, Journal: h.journal, Metrics: h.metrics, Tracer: h.traces.api(), OneWriter: h.store.OneWriter(), Now: h.now, Log: h.log, Settings: h.settings,
	})
	h.watchman.start()
	h.feel()
	h.log.Info("open", "database", h.store.Dialect(), "queue", h.broker.Describe(), "version", version)
	return nil
}

// close ends what open began, in the reverse order. Everything taken is
// written first.
func (h *house) close() {
	if h.watchman != nil {
		h.watchman.end()
	}
	if h.unwatch != nil {
		h.unwatch()
	}
	if h.intake != nil {
		h.intake.Stop()
	}
	if h.dispatch != nil {
		h.dispatch.Stop()
	}
	h.journal.Close()
	if h.client != nil {
		h.client.Close()
	}
	if h.broker != nil {
		h.broker.Close()
	}
	h.traces.close(h.log)
	if h.untime != nil {
		h.untime()
	}
	h.store.Close()
	if h.uncollect != nil {
		h.uncollect()
	}
}

// class is the queue the config gives a source.
func (h *house) class(source string) workers.Class {
	if q := h.policy().Sources[source].Queue; q != "" {
		return workers.Class(q)
	}
	return workers.Normal
}

// feel keeps what is known of the backlog fresh until the house is closed.
func (h *house) feel() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.pressure.Run(ctx)
	}()
	h.unwatch = func() { cancel(); <-done }
}

func (h *house) policy() *desk.Policy { return h.config.Policy() }

// view opens the line's books for a group.
func (h *house) view(ctx context.Context, drafts []*desk.Draft) (pipeline.Books, error) {
	return h.store.View(ctx, drafts)
}

// names opens what knows customers and teams by name, for the API.
func (h *house) names(ctx context.Context) (api.Names, error) { return h.store.View(ctx, nil) }

// measure registers everything that is measured; docs/metrics.md lists it.
func (h *house) measure(c *configs.Config) (err error) {
	h.metrics = workers.NewMetrics(h.registry)
	for name := range c.Policy().Sources {
		h.metrics.Known(name)
	}
	h.reloads = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "switchboard_config_reloads_total",
		Help: "Times the config was read again, by result: taken, or refused because of an error in it."}, []string{"result"})
	h.reloads.WithLabelValues("taken")
	h.reloads.WithLabelValues("refused")
	if err := h.registry.Register(h.reloads); err != nil {
		return err
	}
	if h.meter, err = newMeter(h.registry); err != nil {
		return err
	}
	h.watchman = h.watch()
	return h.registry.Register(newGauges(h))
}

// settings translates the config's intake section.
func settings(c *configs.Config) workers.Settings {
	i := c.Intake
	return workers.Settings{
		LedgerGroup: i.LedgerGroup, LedgerWait: i.LedgerWait, TaskGroup: i.TaskGroup, TaskWait: i.TaskWait,
		ReadGroup: i.ReadGroup, ReadWait: i.ReadWait, ReadLanes: i.ReadLanes, ReadPatience: i.ReadPatience, ShelfBytes: int64(i.ShelfBytes),
		FileGroup: i.FileGroup, FileWait: i.FileWait, FileLanes: i.FileLanes, Pending: c.Limits.Pending,
		Concurrency: i.Concurrency, CheckEvery: i.CheckInterval, Attempts: i.Attempts,
		TaskTimeout: i.TaskTimeout, TaskRetries: i.TaskRetries, AnswerTimeout: i.TaskTimeout + 2*c.Delivery.SendTimeout,
		SweepEvery: i.SweepEvery, SweepAfter: i.SweepAfter, SweepAgain: i.SweepAgain, DrainFor: i.DrainTimeout,
		ParentWait: i.ParentWait, TurnWait: i.TurnWait,
		PendingPerSource: c.Limits.PendingPerSource, PendingBytes: int64(c.Limits.PendingBytes), PendingBytesPerSource: int64(c.Limits.PendingBytesPerSource),
		BulkAfter: i.BulkAfter, BulkConcurrency: i.BulkConcurrency, BulkWait: i.BulkWait, UrgentWeight: i.UrgentWeight, ShedAfter: i.ShedAfter,
	}
}

// delivery translates the config's delivery section.
func delivery(c *configs.Config) workers.DeliverySettings {
	d := c.Delivery
	return workers.DeliverySettings{SendTimeout: d.SendTimeout, Patience: 2 * d.SendTimeout, FirstRetry: d.FirstRetry, MostRetry: d.MostRetry,
		GiveUpAfter: d.GiveUpAfter, LeastTries: d.LeastTries, Attempts: d.Attempts, SweepEvery: d.SweepEvery, SweepAfter: d.SweepAfter, SweepAgain: d.SweepAgain,
		AutoPerDay: d.AutoPerDay, Concurrency: d.Concurrency, Waiting: c.Limits.Pending}
}

// channelLimits translates the config's limits for the adapters.
func channelLimits(c *configs.Config) channels.Limits {
	l := c.Limits
	return channels.Limits{MessageBytes: int64(l.MessageBytes), TextBytes: int64(l.TextBytes), HeaderBytes: int64(l.HeaderBytes),
		Parts: l.PartsPerMail, Depth: l.PartDepth, Attachments: l.Attachments, KeepBytes: int64(c.Blobs.KeepBytes)}
}

// logger is the log on stderr.
func logger(c *configs.Config, s streams) *slog.Logger {
	var level slog.Level
	if level.UnmarshalText([]byte(c.Log.Level)) != nil {
		level = slog.LevelInfo
	}
	o := &slog.HandlerOptions{Level: level}
	if c.Log.Format == "json" {
		return slog.New(slog.NewJSONHandler(s.err, o))
	}
	return slog.New(slog.NewTextHandler(s.err, o))
}
