// Package bench measures Switchboard by running it: the roles as processes of
// their own, the databases private ones on loopback, the load from outside over
// the product's own doors.
//
// What goes in: the path of the switchboard program and options ([Ingest],
// [IMAP], [Flood]), or an intake to fill ([Seed]). What comes out: a *[Report]
// with every raw round, medians, ratios and what they say to the goals; it
// prints as a table and as JSON.
//
// What it promises. What is compared is measured in the same run, interleaved
// round by round, on databases that begin empty; figures are medians of the
// rounds. Latency counts from the timetable, not from the moment of sending, so
// that a stalled server is not flattered. After each reading the books are
// counted: a message that is not filed exactly once makes the run fail. Counts,
// times and memory are bounded; when ctx ends, every child is stopped and every
// temporary folder removed.
//
// What it may not know: how the product works inside. It speaks HTTP, SMTP's
// message format and IMAP, reads the ledger's columns with SQL of its own, and
// reads CPU time and memory from /proc, which only Linux has. So nothing here
// can be made faster by a short cut.
//
// To add a reading: measure it in a method of the run (ingest.go), give it a
// line in the catalogue of its report, and say in docs/performance.md what it
// means.
package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// Common are the options every load has.
type Common struct {
	// Program is the switchboard to run, an absolute path; Env is what it gets
	// beside our own environment.
	Program string
	Env     []string
	Version string // of the program, for the report

	// Database and Redis are URLs of servers that are there already. Empty: private
	// ones are started. The database must be one that may be filled; it is not
	// emptied, neither before nor after. Redis is flushed between readings.
	Database string
	Redis    string
	// Embedded runs everything of the product in one process on SQLite and an
	// in-process Redis.
	Embedded bool
	// Limit bounds the whole run.
	Limit time.Duration
	// Screen is where progress goes; nil means nowhere. Bar draws it as a bar that
	// moves, for terminals; else it is one line for each reading.
	Screen io.Writer
	Bar    bool
}

// limited says of the error of a run that ctx had a deadline for, when that has
// passed: whatever was under way then failed because of it.
func limited(ctx context.Context, limit time.Duration, err error) error {
	if err == nil || !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return err
	}
	return fmt.Errorf("%w (the whole run is limited to %s by --limit)", err, limit)
}
