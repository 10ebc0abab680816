package main

import (
	"github.com/prometheus/client_golang/prometheus"
)

// counting is a source that counts what happens at its door: what it took, and
// what it refused by reason.
type counting interface {
	Counts() map[string]int64
}

// counts shows what the sources count as the metric
// switchboard_source_events_total, by source and what happened.
type counts struct{ sources *adapters }

var countsDesc = prometheus.NewDesc("switchboard_source_events_total",
	"What happened at the door of a source: taken, or refused by reason.", []string{"source", "what"}, nil)

// Describe tells the registry about the metric.
func (c counts) Describe(out chan<- *prometheus.Desc) { out <- countsDesc }

// Collect asks every source.
func (c counts) Collect(out chan<- prometheus.Metric) {
	for name, adapter := range c.sources.opened {
		if a, ok := adapter.(counting); ok {
			for what, n := range a.Counts() {
				out <- prometheus.MustNewConstMetric(countsDesc, prometheus.CounterValue, float64(n), name, what)
			}
		}
	}
}
