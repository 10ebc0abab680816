package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/term"

	"switchboard/cmd/switchboard/bench"
)

// benchCmd measures: each load runs the product as processes of its own on
// private databases, bounded in count and time.
type benchCmd struct {
	Ingest  benchIngestCmd  `cmd:"" help:"Webhooks and API calls to tickets: rates, latencies, CPU; beside asynq's no-op and group size 1."`
	Flood   benchFloodCmd   `cmd:"" help:"One source is flooded: how long does a single message in another take?"`
	IMAP    benchIMAPCmd    `cmd:"" name:"imap" help:"Import of a generated mailbox: mails a second, memory, threads made right."`
	Seed    benchSeedCmd    `cmd:"" help:"Fill the database of a config with tickets."`
	Mailbox benchMailboxCmd `cmd:"" hidden:"" help:"Part of imap: serves a folder of mails where there is no Dovecot."`
	Doorman benchDoormanCmd `cmd:"" hidden:"" help:"Part of ingest: doors that answer without a ledger."`
}

// benchPlace are the flags all loads share.
type benchPlace struct {
	Database string        `help:"PostgreSQL to use, superuser; a private one is started by default." placeholder:"URL"`
	Redis    string        `help:"Redis to use; it is flushed again and again. A private one is started by default." placeholder:"URL"`
	Embedded bool          `help:"One process on SQLite and an in-process Redis."`
	Limit    time.Duration `help:"The whole run ends by then." default:"15m"`
	JSON     string        `name:"json" help:"Also write the report as JSON." placeholder:"FILE"`
}

func (p *benchPlace) common(s streams) (bench.Common, error) {
	self, err := os.Executable()
	if err != nil {
		return bench.Common{}, err
	}
	c := bench.Common{Program: self, Version: version, Database: p.Database, Redis: p.Redis, Embedded: p.Embedded, Limit: p.Limit, Screen: s.err}
	if f, ok := s.err.(*os.File); ok {
		c.Bar = term.IsTerminal(int(f.Fd()))
	}
	if (p.Database != "" || p.Redis != "") && p.Embedded {
		return c, errors.New("bench: --embedded brings its own database and Redis")
	}
	return c, nil
}

// finish prints a report and writes it where it was asked for.
func (p *benchPlace) finish(s streams, r *bench.Report, err error) error {
	if errors.Is(err, context.Canceled) {
		return errors.New("bench: stopped before the end; everything it started is gone")
	}
	if err != nil {
		return err
	}
	if p.JSON != "" {
		if err := r.Write(p.JSON); err != nil {
			return err
		}
	}
	return r.Print(s.out)
}

type benchIngestCmd struct {
	benchPlace
	Count      int               `help:"Messages of a saturated reading." default:"30000"`
	Rounds     int               `help:"How often everything is measured; figures are medians." default:"3"`
	Conns      int               `help:"Connections of the generator." default:"128"`
	Half       time.Duration     `help:"Length of the reading at half load." default:"5s"`
	API        int               `name:"api" help:"Tickets created over the REST API in a round; 0 for none." default:"2000"`
	APIHalf    time.Duration     `name:"api-half" help:"Length of the API's reading at half load; 0s for none." default:"2500ms"`
	Roles      []string          `help:"Processes of the product: web and work, any number of them, or serve." default:"serve"`
	Intake     map[string]string `help:"Settings of the config's section intake to try, as fileLanes=4,fileGroup=256." mapsep:"," placeholder:"KEY=VALUE"`
	Rehearse   bool              `help:"Send the saturated load once, unmeasured, before each reading of it."`
	Only       []string          `help:"Readings to take: noop, full, half, api, single, doors. All by default; half and api need full." placeholder:"READING"`
	CPUProfile string            `name:"cpuprofile" help:"Folder for CPU profiles of the roles under full load." placeholder:"DIR"`
}

// Validate runs before Run; what it refuses is a wrong command line.
func (c *benchIngestCmd) Validate() error {
	switch {
	case c.Count < 1 || c.Count > 10_000_000:
		return errors.New("--count must be between 1 and 10000000")
	case c.Rounds < 1 || c.Rounds > 1000:
		return errors.New("--rounds must be between 1 and 1000")
	case c.Conns < 1 || c.Conns > 10_000:
		return errors.New("--conns must be between 1 and 10000")
	case c.API < 0 || c.APIHalf < 0 || c.Half <= 0 || c.Limit <= 0:
		return errors.New("--api and --api-half must not be negative, --half and --limit must be positive")
	}
	return loadRoles(c.Roles)
}

func (c *benchIngestCmd) Run(ctx context.Context, s streams) error {
	common, err := c.common(s)
	if err != nil {
		return err
	}
	if c.CPUProfile, err = profilesIn(c.CPUProfile); err != nil {
		return err
	}
	r, err := bench.Ingest(ctx, bench.IngestOptions{Common: common, Count: c.Count, Rounds: c.Rounds, Conns: c.Conns, Half: c.Half, API: c.API, APIHalf: c.APIHalf,
		Roles: c.Roles, Intake: c.Intake, Only: c.Only, Rehearse: c.Rehearse, Profiles: c.CPUProfile})
	return c.finish(s, r, err)
}

// profilesIn makes the folder for profiles, when one is wanted, and returns its
// absolute path.
func profilesIn(folder string) (string, error) {
	if folder == "" {
		return "", nil
	}
	folder, err := filepath.Abs(folder)
	if err == nil {
		err = os.MkdirAll(folder, 0o755)
	}
	return folder, err
}

type benchFloodCmd struct {
	benchPlace
	Count  int               `help:"Messages of the flood." default:"100000"`
	Every  time.Duration     `help:"How often a single message comes in another source." default:"2s"`
	Calm   int               `help:"Single messages measured before the flood." default:"3"`
	Conns  int               `help:"Connections of the flood." default:"64"`
	Roles  []string          `help:"Processes of the product: web and work, any number of them, or serve." default:"web,work"`
	Intake map[string]string `help:"Settings of the config's section intake to try, as fileLanes=4,fileGroup=256." mapsep:"," placeholder:"KEY=VALUE"`
	Behind bool              `help:"Let the flood pile up before the workers begin."`
}

// Validate runs before Run; what it refuses is a wrong command line.
func (c *benchFloodCmd) Validate() error {
	if c.Count < 1 || c.Count > 10_000_000 || c.Conns < 1 || c.Conns > 10_000 || c.Calm < 0 || c.Every <= 0 || c.Limit <= 0 {
		return errors.New("--count must be between 1 and 10000000, --conns between 1 and 10000, --every and --limit positive")
	}
	return loadRoles(c.Roles)
}

func (c *benchFloodCmd) Run(ctx context.Context, s streams) error {
	common, err := c.common(s)
	if err != nil {
		return err
	}
	r, err := bench.Flood(ctx, bench.FloodOptions{Common: common, Count: c.Count, Every: c.Every, Calm: c.Calm, Conns: c.Conns, Roles: c.Roles, Intake: c.Intake, Behind: c.Behind})
	return c.finish(s, r, err)
}

type benchIMAPCmd struct {
	benchPlace
	Count   int    `help:"Mails in the mailbox." default:"1000"`
	Rounds  int    `help:"How often it is imported; figures are medians." default:"3"`
	Workers int    `help:"Number of work processes." default:"1"`
	Shuffle bool   `help:"Deliver the mails in any order: answers come before what they answer."`
	Seed    uint64 `help:"The same seed makes the same mails." default:"7"`
	Peer    string `help:"Another importer to run in the same rounds (docs/performance.md says what it is given)." placeholder:"COMMAND"`

	CPUProfile string `name:"cpuprofile" help:"Folder for CPU profiles of the roles during the import." placeholder:"DIR"`
}

// Validate runs before Run; what it refuses is a wrong command line.
func (c *benchIMAPCmd) Validate() error {
	if c.Count < 1 || c.Count > 1_000_000 || c.Rounds < 1 || c.Rounds > 1000 || c.Workers < 1 || c.Workers > 64 || c.Limit <= 0 {
		return errors.New("--count must be between 1 and 1000000, --rounds between 1 and 1000, --workers between 1 and 64, --limit positive")
	}
	return nil
}

func (c *benchIMAPCmd) Run(ctx context.Context, s streams) error {
	common, err := c.common(s)
	if err != nil {
		return err
	}
	if c.CPUProfile, err = profilesIn(c.CPUProfile); err != nil {
		return err
	}
	r, err := bench.IMAP(ctx, bench.IMAPOptions{Common: common, Count: c.Count, Rounds: c.Rounds, Workers: c.Workers, Shuffle: c.Shuffle, Seed: c.Seed,
		Peer: c.Peer, Profiles: c.CPUProfile})
	return c.finish(s, r, err)
}

// benchMailboxCmd is an IMAP server in memory.
type benchMailboxCmd struct {
	Addr string `required:"" placeholder:"HOST:PORT"`
	Dir  string `required:"" placeholder:"DIR"`
	User string `required:""`
}

func (c *benchMailboxCmd) Run(ctx context.Context, s streams) error {
	password, _ := s.env("BENCH_MAIL")
	if password == "" {
		return errors.New("bench: BENCH_MAIL must hold the password")
	}
	return bench.ServeMailbox(ctx, c.Addr, c.Dir, c.User, password)
}

// loadRoles refuses roles that cannot be put under load.
func loadRoles(roles []string) error {
	for _, r := range roles {
		if r != "web" && r != "work" && r != "serve" {
			return fmt.Errorf("--roles: there is no role %q to load; there are web, work and serve", r)
		}
	}
	return nil
}
