package workers

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"switchboard/pipeline/desk"
)

// Metrics counts what the intake and the delivery do; docs/metrics.md says what
// each means. A nil *Metrics counts nothing. Labels are names of the config
// (sources), of the code (stages, states, borders) and nothing a stranger can
// choose. What happens for every message finds its counters by one look into a
// map: label values are resolved once for each source.
type Metrics struct {
	Accepted  *prometheus.CounterVec   // by source
	Repeated  *prometheus.CounterVec   // handed over again, by source
	Settled   *prometheus.CounterVec   // by source and state
	Lag       *prometheus.HistogramVec // acceptance to commit, seconds, by source
	SourceLag *prometheus.HistogramVec // source time to commit, seconds, by source
	Groups    *prometheus.HistogramVec // sizes by border: ledger, task, reading, filing
	Commits   *prometheus.HistogramVec // seconds of one transaction by border: ledger, filing
	Line      prometheus.Histogram     // seconds in the pipeline
	Stages    *prometheus.HistogramVec // seconds in one stage of it
	Forgotten prometheus.Counter       // receipts the queue did not take
	Swept     prometheus.Counter       // receipts queued again
	Shelved   prometheus.Counter       // receipts that need not be read back
	Halved    prometheus.Counter       // filing groups that had to be split
	Troubles  *prometheus.CounterVec   // tries of a message that failed, by source
	Sent      *prometheus.CounterVec   // answers tried, by source and what came of it
	SendTook  *prometheus.HistogramVec // seconds of one try, by source
	Breaches  *prometheus.CounterVec   // promises missed, by clock
	strainMetrics

	sources sync.Map // source name -> *sourceMetrics
	borders map[string]borderMetrics
}

// sourceMetrics are the resolved counters of one source.
type sourceMetrics struct {
	accepted, repeated, trouble prometheus.Counter
	settled                     map[desk.State]prometheus.Counter
	lag, sourceLag, sendTook    prometheus.Observer
}

type borderMetrics struct{ size, took prometheus.Observer }

// The borders where groups are formed.
const (
	borderLedger  = "ledger"
	borderTask    = "task"
	borderReading = "reading"
	borderFiling  = "filing"
)

// finals are the states a receipt ends in.
var finals = []desk.State{desk.Filed, desk.Duplicate, desk.Dropped, desk.Held, desk.Failed}

// results are what can come of a try to send.
var results = []string{"sent", string(desk.SendQueued), string(desk.SendUnknown), "failed", "dropped", "restrained", "edit", "delete"}

// NewMetrics makes the metrics and registers them.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	plain := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
	}
	waits := prometheus.ExponentialBuckets(0.001, 3, 14) // 1 ms to 26 min
	work := prometheus.ExponentialBuckets(0.000001, 4, 12)
	m := &Metrics{
		Accepted:  counter("switchboard_accepted_total", "Messages written to the ledger.", "source"),
		Repeated:  counter("switchboard_repeated_total", "Messages handed over that the ledger already had.", "source"),
		Settled:   counter("switchboard_settled_total", "Messages that reached a final state.", "source", "state"),
		Lag:       histogram("switchboard_lag_seconds", "Time from acceptance to the committed entry.", waits, "source"),
		SourceLag: histogram("switchboard_source_lag_seconds", "Time from when the source got a message to its committed entry.", append(waits, 7200, 86400), "source"),
		Groups:    histogram("switchboard_group_size", "Messages in one group, by border.", []float64{1, 2, 4, 8, 16, 32, 64, 128, 256}, "border"),
		Commits:   histogram("switchboard_commit_seconds", "Time of one group's transaction, by border.", prometheus.ExponentialBuckets(0.00025, 2, 15), "border"),
		Line:      prometheus.NewHistogram(prometheus.HistogramOpts{Name: "switchboard_line_seconds", Help: "Time of one message in the pipeline.", Buckets: work}),
		Stages:    histogram("switchboard_stage_seconds", "Time of one message in one stage of the pipeline; one message in sixteen under load.", work, "stage"),
		Forgotten: plain("switchboard_unqueued_total", "Receipts and answers the queue did not take; the sweep queues them later."),
		Swept:     plain("switchboard_swept_total", "Receipts queued again by the sweep."),
		Shelved:   plain("switchboard_shelved_total", "Receipts that this process's workers took over from its doors without reading them back."),
		Halved:    plain("switchboard_halved_groups_total", "Groups of the ledger or of filings that failed whole and were split."),
		Troubles:  counter("switchboard_troubles_total", "Tries to file a message that failed by the message's own fault.", "source"),
		Sent:      counter("switchboard_deliveries_total", "Tries to bring an answer to its customer, by what came of them.", "source", "result"),
		SendTook:  histogram("switchboard_delivery_seconds", "Time of one try to bring an answer to its customer.", prometheus.ExponentialBuckets(0.005, 2.5, 12), "source"),
		Breaches:  counter("switchboard_breaches_total", "SLA clocks that ran out, by what they measure.", "metric"),
		borders:   map[string]borderMetrics{},
	}
	reg.MustRegister(m.Accepted, m.Repeated, m.Settled, m.Lag, m.SourceLag, m.Groups, m.Commits, m.Line, m.Stages,
		m.Forgotten, m.Swept, m.Shelved, m.Halved, m.Troubles, m.Sent, m.SendTook, m.Breaches)
	for _, b := range []string{borderLedger, borderTask, borderReading, borderFiling} {
		r := borderMetrics{size: m.Groups.WithLabelValues(b)}
		if b == borderLedger || b == borderFiling {
			r.took = m.Commits.WithLabelValues(b)
		}
		m.borders[b] = r
	}
	for _, metric := range []desk.Metric{desk.FirstResponse, desk.NextResponse, desk.Resolution} {
		m.Breaches.WithLabelValues(string(metric))
	}
	m.strainMetrics = newStrainMetrics(reg)
	return m
}

// Known makes the counters of sources start at 0: a counter that appears with
// its first event shows no increase.
func (m *Metrics) Known(sources ...string) {
	if m == nil {
		return
	}
	for _, s := range sources {
		m.source(s)
		for _, r := range results {
			m.Sent.WithLabelValues(s, r)
		}
	}
}

func (m *Metrics) source(name string) *sourceMetrics {
	if s, ok := m.sources.Load(name); ok {
		return s.(*sourceMetrics)
	}
	s := &sourceMetrics{
		accepted: m.Accepted.WithLabelValues(name), repeated: m.Repeated.WithLabelValues(name),
		trouble: m.Troubles.WithLabelValues(name), lag: m.Lag.WithLabelValues(name), sourceLag: m.SourceLag.WithLabelValues(name),
		sendTook: m.SendTook.WithLabelValues(name), settled: make(map[desk.State]prometheus.Counter, len(finals)),
	}
	for _, state := range finals {
		s.settled[state] = m.Settled.WithLabelValues(name, string(state))
	}
	m.strainMetrics.know(name)
	had, _ := m.sources.LoadOrStore(name, s)
	return had.(*sourceMetrics)
}

func (m *Metrics) accepted(source string, repeated bool) {
	switch {
	case m == nil:
	case repeated:
		m.source(source).repeated.Inc()
	default:
		m.source(source).accepted.Inc()
	}
}

func (m *Metrics) settled(r desk.Receipt, state desk.State, now time.Time) {
	if m == nil {
		return
	}
	s := m.source(r.Source)
	if c := s.settled[state]; c != nil {
		c.Inc()
	}
	s.lag.Observe(max(now.Sub(r.AcceptedAt).Seconds(), 0))
	if !r.SourceTime.IsZero() {
		s.sourceLag.Observe(max(now.Sub(r.SourceTime).Seconds(), 0))
	}
}

func (m *Metrics) trouble(source string) {
	if m != nil {
		m.source(source).trouble.Inc()
	}
}

func (m *Metrics) group(border string, n int) {
	if m != nil {
		m.borders[border].size.Observe(float64(n))
	}
}

// commit measures a group's transaction from start until now.
func (m *Metrics) commit(border string, start time.Time) {
	if m != nil {
		m.borders[border].took.Observe(time.Since(start).Seconds())
	}
}

func (m *Metrics) line(d time.Duration) {
	if m != nil {
		m.Line.Observe(d.Seconds())
	}
}

func (m *Metrics) forgotten(n int) {
	if m != nil {
		m.Forgotten.Add(float64(n))
	}
}

func (m *Metrics) swept(n int) {
	if m != nil {
		m.Swept.Add(float64(n))
	}
}

func (m *Metrics) shelved(n int) {
	if m != nil {
		m.Shelved.Add(float64(n))
	}
}

func (m *Metrics) halved() {
	if m != nil {
		m.Halved.Inc()
	}
}

func (m *Metrics) sent(source, result string) {
	if m != nil {
		m.Sent.WithLabelValues(source, result).Inc()
	}
}

// sendTook measures one try to send from start until now.
func (m *Metrics) sendTook(source string, start time.Time) {
	if m != nil {
		m.source(source).sendTook.Observe(time.Since(start).Seconds())
	}
}

// Breached counts a clock that ran out, whoever marked it.
func (m *Metrics) Breached(metric desk.Metric) {
	if m != nil {
		m.Breaches.WithLabelValues(string(metric)).Inc()
	}
}
