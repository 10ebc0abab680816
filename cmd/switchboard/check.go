package main

import (
	"errors"
	"fmt"

	"switchboard/configs"
	"switchboard/pipeline/desk"
)

// checkCmd validates a config file without touching the network.
type checkCmd struct {
	File string `arg:"" optional:"" help:"The config file; --config or SWITCHBOARD_CONFIG by default."`
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
	cfg, err := configs.Load(c.File, s.env)
	if err == nil {
		err = checkBlocks(cfg)
	}
	if err != nil {
		return report(err, s)
	}
	p := cfg.Policy()
	fmt.Fprintf(s.out, "%s: good: %d sources, %d teams, %d rules, %d routes, %d SLAs\n",
		c.File, len(cfg.Sources), len(p.Teams), len(p.Rules), len(p.Routes), len(p.SLAs))
	return nil
}

// checkBlocks lets every channel look at its own settings.
func checkBlocks(cfg *configs.Config) error {
	var errs []error
	for _, src := range cfg.Sources {
		if src.Channel == desk.API {
			continue
		}
		kind, err := kindOf(src.Channel)
		if err != nil {
			err = desk.Invalidf("", "%v", err)
		} else if kind.Check != nil {
			err = kind.Check(src.Block)
		}
		if err != nil {
			errs = append(errs, src.Block.Locate(err))
		}
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

// problems lists the lines of an error tree of config problems.
func problems(err error) []string {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var out []string
		for _, e := range joined.Unwrap() {
			out = append(out, problems(e)...)
		}
		return out
	}
	var bad *configs.Errors
	if errors.As(err, &bad) {
		var out []string
		for _, p := range bad.Problems {
			out = append(out, p.String())
		}
		return out
	}
	return []string{err.Error()}
}
