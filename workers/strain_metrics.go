package workers

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// strainMetrics say who floods, who is told to come again later, and what dead
// workers left behind.
type strainMetrics struct {
	Refused   *prometheus.CounterVec // "try again later" at a door, by source and limit
	Backlog   *prometheus.GaugeVec   // accepted and not settled by source, counted up to intake.bulkAfter
	Waited    *prometheus.GaugeVec   // seconds the oldest of them waits, by source
	Bulk      *prometheus.GaugeVec   // 1 while a source is in the bulk queue, by source
	Recovered prometheus.Counter     // receipts taken out of a dead worker's hands
}

func newStrainMetrics(reg prometheus.Registerer) strainMetrics {
	gauge := func(name, help string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, []string{"source"})
	}
	m := strainMetrics{
		Refused: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "switchboard_refused_total",
			Help: "Requests and messages told to come again later, by the limit that was reached."}, []string{"source", "limit"}),
		Backlog: gauge("switchboard_backlog", "Messages accepted and not settled, counted up to intake.bulkAfter."),
		Waited:  gauge("switchboard_backlog_age_seconds", "How long the oldest message that is not settled waits."),
		Bulk:    gauge("switchboard_source_bulk", "1 while so much of a source waits that it is in the bulk queue."),
		Recovered: prometheus.NewCounter(prometheus.CounterOpts{Name: "switchboard_recovered_total",
			Help: "Receipts that a dead worker had in its hands and that were queued again."}),
	}
	reg.MustRegister(m.Refused, m.Backlog, m.Waited, m.Bulk, m.Recovered)
	return m
}

// know shows a source at ease until something else is known of it.
func (m strainMetrics) know(source string) {
	for _, limit := range []string{fullMessages, fullSource, fullBytes, fullShare, lagging} {
		m.Refused.WithLabelValues(source, limit)
	}
	for _, g := range []*prometheus.GaugeVec{m.Backlog, m.Waited, m.Bulk} {
		g.WithLabelValues(source)
	}
}

func (m *Metrics) refused(source, limit string) {
	if m != nil {
		m.Refused.WithLabelValues(source, limit).Inc()
	}
}

func (m *Metrics) backlog(source string, n int, age time.Duration, bulk bool) {
	if m == nil {
		return
	}
	m.Backlog.WithLabelValues(source).Set(float64(n))
	m.Waited.WithLabelValues(source).Set(max(age.Seconds(), 0))
	in := 0.0
	if bulk {
		in = 1
	}
	m.Bulk.WithLabelValues(source).Set(in)
}

func (m *Metrics) recovered(n int) {
	if m != nil {
		m.Recovered.Add(float64(n))
	}
}
