package workers

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"switchboard/pipeline/desk"
)

// Metrics counts what the intake and the delivery do. A nil *Metrics counts nothing.
type Metrics struct {
	Accepted  *prometheus.CounterVec   // by source
	Repeated  *prometheus.CounterVec   // handed over again, by source
	Settled   *prometheus.CounterVec   // by source and state
	Lag       *prometheus.HistogramVec // source time to commit, seconds, by source
	Groups    *prometheus.HistogramVec // sizes by border: ledger, task, filing
	Line      prometheus.Histogram     // seconds in the pipeline
	Forgotten prometheus.Counter       // receipts the queue did not take
	Swept     prometheus.Counter       // receipts queued again
	Halved    prometheus.Counter       // filing groups that had to be split
	Sent      *prometheus.CounterVec   // answers tried, by source and what came of it
}

// NewMetrics makes the metrics and registers them.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		Accepted:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "switchboard_accepted_total", Help: "Messages written to the ledger."}, []string{"source"}),
		Repeated:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "switchboard_repeated_total", Help: "Messages handed over that the ledger already had."}, []string{"source"}),
		Settled:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "switchboard_settled_total", Help: "Messages that reached a final state."}, []string{"source", "state"}),
		Lag:       prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "switchboard_lag_seconds", Help: "Time from acceptance to the committed entry.", Buckets: prometheus.ExponentialBuckets(0.001, 3, 14)}, []string{"source"}),
		Groups:    prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "switchboard_group_size", Help: "Messages in one group, by border.", Buckets: []float64{1, 2, 4, 8, 16, 32, 64, 128, 256}}, []string{"border"}),
		Line:      prometheus.NewHistogram(prometheus.HistogramOpts{Name: "switchboard_line_seconds", Help: "Time of one message in the pipeline.", Buckets: prometheus.ExponentialBuckets(0.00001, 4, 10)}),
		Forgotten: prometheus.NewCounter(prometheus.CounterOpts{Name: "switchboard_unqueued_total", Help: "Receipts the queue did not take; the sweep queues them later."}),
		Swept:     prometheus.NewCounter(prometheus.CounterOpts{Name: "switchboard_swept_total", Help: "Receipts queued again by the sweep."}),
		Halved:    prometheus.NewCounter(prometheus.CounterOpts{Name: "switchboard_halved_groups_total", Help: "Filing groups that failed whole and were split."}),
	}
	m.Sent = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "switchboard_deliveries_total", Help: "Tries to bring an answer to its customer, by what came of them."}, []string{"source", "result"})
	reg.MustRegister(m.Sent, m.Accepted, m.Repeated, m.Settled, m.Lag, m.Groups, m.Line, m.Forgotten, m.Swept, m.Halved)
	return m
}

func (m *Metrics) accepted(source string, repeated bool) {
	if m == nil {
		return
	}
	if repeated {
		m.Repeated.WithLabelValues(source).Inc()
		return
	}
	m.Accepted.WithLabelValues(source).Inc()
}

func (m *Metrics) settled(r desk.Receipt, state desk.State, now time.Time) {
	if m == nil {
		return
	}
	m.Settled.WithLabelValues(r.Source, string(state)).Inc()
	m.Lag.WithLabelValues(r.Source).Observe(max(now.Sub(r.AcceptedAt).Seconds(), 0))
}

func (m *Metrics) group(border string, n int) {
	if m != nil {
		m.Groups.WithLabelValues(border).Observe(float64(n))
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
