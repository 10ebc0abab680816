package main

import (
	"context"
	"reflect"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"switchboard/channels/api"
	"switchboard/pipeline/desk"
)

// gauges shows what the watchman saw, and what is known without asking anybody:
// the pools, the mailboxes, the build. docs/metrics.md says what each means.
type gauges struct {
	h *house

	Up, Build                                       gauge
	Oldest, Receipts, Answers                       gauge
	Tasks, TaskAge                                  gauge
	BlobFree, BlobSize                              gauge
	DBConns, DBMost, DBWaits, DBWaited              gauge
	RedisConns, RedisTimeouts                       gauge
	MailConnected, MailHeld, MailCursor, MailLatest gauge
}

func newGauges(h *house) *gauges {
	return &gauges{h: h,
		Up:            newUp(),
		Build:         newBuild(),
		Oldest:        newGauge("ledger_oldest_seconds", "Age of the oldest accepted message that is not settled; 0 when all are."),
		Receipts:      newGauge("ledger_receipts", "Messages in the ledger that are accepted, held or failed, up to 20000 of each.", "state"),
		Answers:       newGauge("answers", "Answers that are queued, sending, unknown or failed, up to 20000 of each.", "state"),
		Tasks:         newGauge("queue_tasks", "Tasks in the queue.", "queue", "state"),
		TaskAge:       newGauge("queue_oldest_seconds", "How long the task that waits longest has waited.", "queue"),
		BlobFree:      newGauge("blob_free_bytes", "Bytes free where blobs are kept."),
		BlobSize:      newGauge("blob_total_bytes", "Size of the file system where blobs are kept."),
		DBConns:       newGauge("db_connections", "Connections to the database.", "pool", "state"),
		DBMost:        newGauge("db_connections_max", "Most connections the pool opens.", "pool"),
		DBWaits:       newTotal("db_waits_total", "Times somebody waited for a connection to the database.", "pool"),
		DBWaited:      newTotal("db_wait_seconds_total", "Time spent waiting for a connection to the database.", "pool"),
		RedisConns:    newGauge("redis_connections", "Connections to Redis, of all clients of this process.", "state"),
		RedisTimeouts: newTotal("redis_pool_timeouts_total", "Times no connection to Redis came free in time."),
		MailConnected: newGauge("mailbox_connected", "1 while a folder's connection is open.", "source", "folder"),
		MailHeld:      newGauge("mailbox_lease_held", "1 while this process holds the mailbox's lease.", "source"),
		MailCursor:    newGauge("mailbox_cursor_age_seconds", "Time since everything in the folder was in the ledger, or since this process took the mailbox.", "source", "folder"),
		MailLatest:    newGauge("mailbox_last_message_timestamp_seconds", "When this process last took a message from the folder; 0 when never.", "source", "folder"),
	}
}

func newUp() gauge {
	return newGauge("dependency_up", "1 when a dependency answers and takes what it is given, 0 when it does not.", "dependency")
}

func newBuild() gauge {
	return newGauge("build_info", "Always 1; the labels say what runs.", "version", "revision", "go")
}

// Describe tells the registry about every gauge there is.
func (g *gauges) Describe(out chan<- *prometheus.Desc) {
	v := reflect.ValueOf(g).Elem()
	for i := range v.NumField() {
		if v.Type().Field(i).IsExported() {
			out <- v.Field(i).Interface().(gauge).desc
		}
	}
}

// Collect shows them.
func (g *gauges) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), g.h.watchman.timeout+time.Second)
	defer cancel()
	checks, s := g.h.watchman.fresh(ctx, max(g.h.watchman.every, time.Second))
	for name, c := range checks {
		g.Up.send(out, truth(c.State != api.CheckDown), name)
	}
	g.Build.send(out, 1, version, revision(), runtime.Version())
	g.collectSight(out, s)
	g.collectPools(out)
	g.collectMailboxes(out)
}

func (g *gauges) collectSight(out chan<- prometheus.Metric, s sight) {
	if s.pulse != nil {
		age := 0.0
		if !s.pulse.Oldest.IsZero() {
			age = max(s.at.Sub(s.pulse.Oldest).Seconds(), 0)
		}
		g.Oldest.send(out, age)
		for _, state := range []desk.State{desk.Accepted, desk.Held, desk.Failed} {
			g.Receipts.send(out, float64(s.pulse.Receipts[state]), string(state))
		}
		for _, state := range []desk.SendState{desk.SendQueued, desk.SendSending, desk.SendUnknown, desk.SendFailed} {
			g.Answers.send(out, float64(s.pulse.Answers[state]), string(state))
		}
	}
	for _, d := range s.depths {
		for state, n := range d.Tasks {
			g.Tasks.send(out, float64(n), d.Queue, state)
		}
		age := 0.0
		if !d.Oldest.IsZero() {
			age = max(s.at.Sub(d.Oldest).Seconds(), 0)
		}
		g.TaskAge.send(out, age, d.Queue)
	}
	if s.blobs != nil {
		g.BlobFree.send(out, s.blobs[0])
		g.BlobSize.send(out, s.blobs[1])
	}
}

func (g *gauges) collectPools(out chan<- prometheus.Metric) {
	for _, p := range g.h.store.Pools() {
		g.DBConns.send(out, float64(p.Stats.InUse), p.Name, "in_use")
		g.DBConns.send(out, float64(p.Stats.Idle), p.Name, "idle")
		g.DBMost.send(out, float64(p.Stats.MaxOpenConnections), p.Name)
		g.DBWaits.send(out, float64(p.Stats.WaitCount), p.Name)
		g.DBWaited.send(out, p.Stats.WaitDuration.Seconds(), p.Name)
	}
	p := g.h.broker.Pool()
	g.RedisConns.send(out, float64(p.TotalConns-p.IdleConns), "in_use")
	g.RedisConns.send(out, float64(p.IdleConns), "idle")
	g.RedisTimeouts.send(out, float64(p.Timeouts))
}

func (g *gauges) collectMailboxes(out chan<- prometheus.Metric) {
	now := g.h.now()
	for source, folders := range g.h.readings() {
		held := false
		for _, f := range folders {
			held = held || f.Held
			g.MailConnected.send(out, truth(f.Connected), source, f.Folder)
			latest := 0.0
			if !f.LastMessage.IsZero() {
				latest = float64(f.LastMessage.UnixMilli()) / 1000
			}
			g.MailLatest.send(out, latest, source, f.Folder)
			if !f.Held {
				continue // the age is another process's to tell
			}
			since := f.CaughtUp
			if since.IsZero() {
				since = f.Since
			}
			g.MailCursor.send(out, max(now.Sub(since).Seconds(), 0), source, f.Folder)
		}
		g.MailHeld.send(out, truth(held), source)
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// revision is the commit this was built from; "unknown" when it was not built
// from a checkout.
func revision() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				return s.Value
			}
		}
	}
	return "unknown"
}
