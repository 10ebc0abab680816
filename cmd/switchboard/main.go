// Command switchboard is self-hosted support intake: it takes in what customers
// send and turns each message into exactly one entry on exactly one ticket.
//
// This package introduces the rooms to each other: it is the only one that may
// import everything. A role (web, listen, work) is a choice of parts of the one
// house in house.go; serve is all of them in one process on embedded parts.
//
// To add a command: one file with a struct whose fields are its flags and a
// Run method, and one line in the commands struct below.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/alecthomas/kong"
)

// version is set by the linker of a release build.
var version = "dev"

// commands is the command line.
type commands struct {
	Serve    serveCmd    `cmd:"" help:"Everything in one process: HTTP, mailboxes and workers, on embedded parts unless the config says otherwise."`
	Demo     demoCmd     `cmd:"" help:"serve plus self-made traffic on loopback: watch tickets appear."`
	Web      webCmd      `cmd:"" help:"The HTTP role: the REST API, webhooks and forms. Any number of them."`
	Listen   listenCmd   `cmd:"" help:"The mailbox role. Any number of them; each mailbox is held by one at a time."`
	Work     workCmd     `cmd:"" help:"The worker role. Any number of them."`
	Migrate  migrateCmd  `cmd:"" help:"Bring the database schema up to date and exit."`
	Check    checkCmd    `cmd:"" help:"Validate a config file offline and say what is wrong, with line and column."`
	Keys     keysCmd     `cmd:"" help:"Create, list and revoke API keys."`
	Password passwordCmd `cmd:"" help:"Make the hash of an operator's password, for the config."`
	Parse    parseCmd    `cmd:"" help:"Read a mail on stdin and print its draft as JSON."`
	Explain  explainCmd  `cmd:"" help:"Say why a message or ticket is what it is and where it is."`
	Inspect  inspectCmd  `cmd:"" help:"Read a Slack event on stdin and say why it does or does not become a ticket."`
	Rules    rulesCmd    `cmd:"" help:"Try the rules of a config on a mail."`
	Replay   replayCmd   `cmd:"" help:"Run failed, held or dropped messages through the line again."`
	Resend   resendCmd   `cmd:"" help:"Have answers tried again that did not reach their customers."`
	Audit    auditCmd    `cmd:"" help:"Check the books: nothing lost, nothing doubled. Exit code 1 when something is wrong."`
	Bench    benchCmd    `cmd:"" help:"Measure this machine and this version: ingest, import, floods; private databases, bounded loads."`
	Top      topCmd      `cmd:"" help:"Show the fleet live in a terminal: processes, sources, queues, ledger, mailboxes."`
	Version  versionCmd  `cmd:"" help:"Print the version."`
}

// streams are a command's standard streams, so that tests can hold them.
type streams struct {
	in  io.Reader
	out io.Writer
	err io.Writer
	env func(string) (string, bool)
}

// errSaid is an error whose words were already printed.
var errSaid = errors.New("")

// trouble is an error with exit code 2: the command could not find out what it
// was asked.
type trouble struct{ error }

func (t trouble) Unwrap() error { return t.error }

func main() {
	runtime.MemProfileRate = heapSample
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr, os.LookupEnv}))
}

// run executes one command line and returns the exit code: 0 done, 1 failed, 2
// the command line itself is wrong or, for those that check something, they could
// not.
func run(ctx context.Context, args []string, s streams) int {
	code := -1
	parser, err := kong.New(&commands{},
		kong.Name("switchboard"),
		kong.Description("Self-hosted support intake. Accepted means kept."),
		kong.Writers(s.out, s.err),
		kong.Exit(func(c int) { code = c }),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(s))
	if err != nil {
		fmt.Fprintln(s.err, "switchboard:", err)
		return 2
	}
	k, err := parser.Parse(args)
	if code >= 0 { // --help
		return code
	}
	if err != nil {
		fmt.Fprintln(s.err, "switchboard:", err)
		fmt.Fprintf(s.err, "Run \"%s --help\" to see what there is.\n", nearest(err))
		return 2
	}
	if err := k.Run(); err != nil {
		if !errors.Is(err, errSaid) {
			fmt.Fprintln(s.err, "switchboard:", err)
		}
		if errors.As(err, new(trouble)) {
			return 2
		}
		return 1
	}
	return 0
}

// nearest is the command whose line was wrong, as far as it is known.
func nearest(err error) string {
	var wrong *kong.ParseError
	if errors.As(err, &wrong) {
		if n := wrong.Context.Selected(); n != nil {
			return n.FullPath()
		}
	}
	return "switchboard"
}

type versionCmd struct{}

func (versionCmd) Run(s streams) error {
	fmt.Fprintln(s.out, "switchboard", version)
	return nil
}
