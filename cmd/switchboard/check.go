package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"switchboard/configs"
	"switchboard/pipeline/desk"
	"switchboard/workers/broker"
)

// checkCmd validates a config file without touching the network.
type checkCmd struct {
	File    string `arg:"" optional:"" help:"The config file; --config or SWITCHBOARD_CONFIG by default."`
	Verbose bool   `short:"v" help:"Also say which channels there are, and which stages a message goes through."`
	place
}

// Validate runs before Run; what it refuses is a wrong command line.
func (c *checkCmd) Validate() error {
	if c.File == "" {
		c.File = c.Config
	}
	if c.File == "" {
		return errors.New("name a config file")
	}
	return nil
}

func (c *checkCmd) Run(s streams) error {
	cfg, err := configs.Inspect(c.File, s.env)
	if cfg != nil {
		err = errors.Join(err, checkConfig(cfg))
	}
	if err != nil {
		return report(err, s)
	}
	p := cfg.Policy()
	fmt.Fprintf(s.out, "%s: good: %d sources, %d teams, %d rules, %d routes, %d SLAs\n",
		c.File, len(cfg.Sources), len(p.Teams), len(p.Rules), len(p.Routes), len(p.SLAs))
	if c.Verbose {
		return describe(s.out)
	}
	return nil
}

// describe lists the channels and the stages, in their own words.
func describe(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nCHANNEL\tDOES")
	for _, k := range kinds {
		fmt.Fprintf(w, "%s\t%s\n", k.Name, k.Doc)
	}
	fmt.Fprintln(w, "\nSTAGE\tDOES")
	for _, stage := range stages(nil) {
		fmt.Fprintf(w, "%s\t%s\n", stage.Name, stage.Doc)
	}
	return w.Flush()
}

// checkConfig looks at a config beyond its schema: what `check` and every role at
// its start and at a reload do, so that no part of a fleet takes what another
// refuses.
func checkConfig(cfg *configs.Config) error {
	return errors.Join(checkBlocks(cfg), checkOperators(cfg), checkQueue(cfg))
}

// checkQueue says what is wrong with redis.url, beyond what the loader sees.
func checkQueue(cfg *configs.Config) error {
	if cfg.Redis.URL == "" || cfg.Policy() == nil { // nil: the loader refuses the file anyway
		return nil
	}
	if _, err := broker.ParseURL(cfg.Redis.URL.Reveal()); err != nil {
		return cfg.Locate(desk.Invalidf("redis.url", "%v", err))
	}
	return nil
}

// checkBlocks lets every channel look at its own settings.
func checkBlocks(cfg *configs.Config) error {
	var errs []error
	for _, src := range cfg.Sources {
		if src.Channel == desk.API || src.Channel == "" { // "": refused by the loader
			continue
		}
		errs = append(errs, src.Block.Check(func(b configs.Block) error {
			kind, err := kindOf(src.Channel)
			switch {
			case err != nil:
				return desk.Invalidf("", "%v", err)
			case kind.Check == nil:
				return nil
			}
			return kind.Check(b)
		}))
	}
	return errors.Join(errs...)
}

// report prints what is wrong with a config, a line each, and returns an error
// that says nothing more.
func report(err error, s streams) error {
	if !errors.Is(err, desk.ErrInvalid) { // the file cannot even be read
		return err
	}
	for _, line := range problems(err) {
		fmt.Fprintln(s.err, line)
	}
	return errSaid
}

// problems lists the lines of an error tree of config problems, in the order in
// which they stand in the file.
func problems(err error) []string {
	var placed []configs.Problem
	var rest []string
	var collect func(error)
	collect = func(err error) {
		var bad *configs.Errors
		switch joined, ok := err.(interface{ Unwrap() []error }); {
		case ok:
			for _, e := range joined.Unwrap() {
				collect(e)
			}
		case errors.As(err, &bad):
			placed = append(placed, bad.Problems...)
		default:
			rest = append(rest, err.Error())
		}
	}
	collect(err)
	slices.SortStableFunc(placed, func(a, b configs.Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	placed = slices.Compact(placed) // the loader and the channel may see the same
	lines := make([]string, 0, len(placed)+len(rest))
	for _, p := range placed {
		lines = append(lines, p.String())
	}
	return append(lines, rest...)
}
