// Package brokertest gives a test a real Redis of its own.
//
// In goes a test; out come broker.Options to open it with, or a *Handle that
// can also hurt it. Redis, Sentinel and Cluster run redis-server on private
// loopback ports with the append-only file written out every second, as in
// production; Embedded is the one inside the process.
//
// It promises that everything is stopped and removed when the test ends, also
// when the test binary is killed (Linux). Without redis-server the test is
// skipped in one line, or fails when SWITCHBOARD_REQUIRE_SERVICES=1.
//
// Tests only. To add a topology: a Start function that fills a Handle.
package brokertest

import (
	"testing"

	"switchboard/workers/broker"
)

// Redis returns the options of a single redis-server.
func Redis(t testing.TB) broker.Options { t.Helper(); return StartRedis(t).Options }

// Sentinel returns the options of a master and a replica watched by a sentinel.
func Sentinel(t testing.TB) broker.Options { t.Helper(); return StartSentinel(t).Options }

// Cluster returns the options of a Redis Cluster of three masters.
func Cluster(t testing.TB) broker.Options { t.Helper(); return StartCluster(t).Options }

// Embedded returns the options of the Redis inside the process, with a folder
// for its broker.json.
func Embedded(t testing.TB) broker.Options {
	t.Helper()
	return broker.Options{Mode: broker.Embedded, Dir: t.TempDir()}
}
