package main

import (
	"context"
	"errors"
	"os"
	"time"

	"golang.org/x/term"

	"switchboard/cmd/switchboard/bench"
	"switchboard/pipeline"
	"switchboard/store"
	"switchboard/workers"
)

// benchSeedCmd fills the books of a config as messages would have, through the
// ledger and the line; only the queue is left out. It may run beside a running
// installation.
type benchSeedCmd struct {
	place
	Tickets  int           `help:"Tickets to make." default:"10000"`
	Messages int           `help:"Messages of each." default:"3"`
	Days     int           `help:"They come from this many days up to now." default:"90"`
	Seed     uint64        `help:"The same seed makes the same words, and adds nothing where it was run before." default:"1"`
	Limit    time.Duration `help:"The run ends by then; what is stored stays." default:"1h"`
	JSON     string        `name:"json" help:"Also write the report as JSON." placeholder:"FILE"`
}

// Validate runs before Run; what it refuses is a wrong command line.
func (c *benchSeedCmd) Validate() error {
	if c.Tickets < 1 || c.Tickets > 100_000_000 || c.Messages < 1 || c.Messages > 1000 || c.Days < 1 || c.Days > 3650 || c.Limit <= 0 {
		return errors.New("--tickets must be between 1 and 100000000, --messages between 1 and 1000, --days between 1 and 3650, --limit positive")
	}
	return nil
}

func (c *benchSeedCmd) Run(ctx context.Context, s streams) error {
	h, err := books(ctx, c.place, s)
	if err != nil {
		return err
	}
	defer h.store.Close()
	if err := h.store.Migrate(ctx); err != nil {
		return err
	}
	o := bench.SeedOptions{Tickets: c.Tickets, Messages: c.Messages, Days: c.Days, Seed: c.Seed, Limit: c.Limit, Database: h.store.Dialect(), Version: version,
		Screen: s.err, Now: h.now}
	if f, ok := s.err.(*os.File); ok {
		o.Bar = term.IsTerminal(int(f.Fd()))
	}
	r, err := bench.Seed(ctx, o, func(now func() time.Time) (bench.Intake, func()) {
		i := workers.NewIntake(workers.Parts{Books: h.store, View: h.view, Policy: h.policy, Line: &pipeline.Line{Stages: pipeline.Standard()},
			Now: now, Log: h.log, Settings: settings(h.config.Config())})
		return seedIntake{i, h.store}, i.Stop
	})
	return (&benchPlace{JSON: c.JSON}).finish(s, r, err)
}

// seedIntake is an intake without a queue, and where its receipts stand.
type seedIntake struct {
	*workers.Intake
	*store.Store
}
