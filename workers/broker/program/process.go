package program

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// ErrExited is wrapped by Start when the child ended before it was ready, for
// example because another program took its port in the meantime.
var ErrExited = errors.New("the program ended before it was ready")

// Options say what to run and how.
type Options struct {
	Path string   // absolute path of the program
	Args []string // without the program's own name
	Env  []string // nil means our own environment
	Dir  string   // working directory; empty means ours

	// Log is the file that takes stdout and stderr, appended to and created
	// with mode 0600. Empty means both are thrown away.
	Log string

	// Keep are open files the child inherits as descriptors 3, 4, ... A locked
	// file given here stays locked until the child has ended too.
	Keep []*os.File

	// User is the name of the account to run as; only root can say so. Empty
	// means ours.
	User string

	// Death is the signal the kernel sends the child when we die (Linux only).
	// Zero means SIGTERM, which lets a server write what it still holds.
	Death syscall.Signal

	// Ready is asked again and again until it returns nil; the context ends
	// when Start gives up. Nil means ready at once.
	Ready func(context.Context) error

	// StartTimeout is how long Ready may take; zero means 20 s.
	StartTimeout time.Duration

	// Grace is how long Stop waits between SIGTERM and SIGKILL; zero means 10 s.
	Grace time.Duration
}

// Process is a running child.
type Process struct {
	options Options
	cmd     *exec.Cmd
	done    chan struct{} // closed when the child has been waited for
	err     error         // how it ended; read after done
}

// Start runs the program and returns when it is ready. ctx bounds the start
// only: a child that is ready lives until Stop or Kill, or until we die. When
// the child is not ready in time it is killed, and the error ends with the last
// lines of its log.
func Start(ctx context.Context, options Options) (*Process, error) {
	if options.StartTimeout == 0 {
		options.StartTimeout = 20 * time.Second
	}
	if options.Grace == 0 {
		options.Grace = 10 * time.Second
	}
	if options.Death == 0 {
		options.Death = syscall.SIGTERM
	}
	p := &Process{options: options, done: make(chan struct{})}
	p.cmd = exec.Command(options.Path, options.Args...)
	p.cmd.Env, p.cmd.Dir, p.cmd.ExtraFiles = options.Env, options.Dir, options.Keep
	if err := attach(p.cmd, options); err != nil {
		return nil, fmt.Errorf("program: %s: %w", p.name(), err)
	}
	if options.Log != "" {
		log, err := os.OpenFile(options.Log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			return nil, fmt.Errorf("program: %s: %w", p.name(), err)
		}
		defer log.Close()
		p.cmd.Stdout, p.cmd.Stderr = log, log
	}
	started := make(chan error)
	go p.run(started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("program: start %s: %w", p.name(), err)
	}
	if err := p.awaitReady(ctx); err != nil {
		p.Kill()
		if text := strings.TrimSpace(Tail(options.Log, 2000)); options.Log != "" && text != "" {
			err = fmt.Errorf("%w; its log ends: %s", err, text)
		}
		return nil, fmt.Errorf("program: %s: %w", p.name(), err)
	}
	return p, nil
}

// run starts the child and waits for it on one locked thread, because the
// kernel's parent death signal fires when the thread that made the child ends,
// not when the process does (prctl(2), PR_SET_PDEATHSIG, "Caveats").
func (p *Process) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := p.cmd.Start()
	started <- err
	if err != nil {
		return
	}
	p.err = p.cmd.Wait()
	close(p.done)
}

// awaitReady polls the Ready function with a short, slowly growing pause.
func (p *Process) awaitReady(ctx context.Context) error {
	if p.options.Ready == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, p.options.StartTimeout)
	defer cancel()
	pause := 2 * time.Millisecond
	for {
		err := p.options.Ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%w (%v)", ErrExited, p.err)
		case <-ctx.Done():
			return fmt.Errorf("not ready after %s: %w", p.options.StartTimeout, err)
		case <-time.After(pause):
			pause = min(pause*3/2, 100*time.Millisecond)
		}
	}
}

func (p *Process) name() string { return filepath.Base(p.options.Path) }

// Pid returns the child's process ID.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Done is closed when the child has ended, for whatever reason.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err returns how the child ended: nil for status 0 or while it still runs.
func (p *Process) Err() error {
	select {
	case <-p.done:
		return p.err
	default:
		return nil
	}
}

// Signal sends the child a signal. It returns os.ErrProcessDone when the child
// has ended.
func (p *Process) Signal(signal os.Signal) error { return p.cmd.Process.Signal(signal) }

// Stop asks the child to end with SIGTERM, kills it after the grace period and
// returns when it is gone. It returns an error when the child had to be killed.
// Stopping a stopped child does nothing.
func (p *Process) Stop() error { return p.StopWith(syscall.SIGTERM) }

// StopWith is Stop with another first signal, for servers to which SIGTERM
// means something slow (PostgreSQL wants SIGINT for its "fast" shutdown).
func (p *Process) StopWith(signal os.Signal) error {
	if p.Signal(signal) == nil { // an error: already gone, or no such signal on this system
		select {
		case <-p.done:
			return nil
		case <-time.After(p.options.Grace):
		}
	}
	select {
	case <-p.done:
		return nil
	default:
	}
	p.Kill()
	return fmt.Errorf("program: %s did not end within %s of %v and was killed", p.name(), p.options.Grace, signal)
}

// Kill ends the child at once, as kill -9 does, and returns when it is gone.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // fails only when the child is already gone
	<-p.done
}

// KillAll is Kill for a server that is many processes: on Linux those that
// stayed in its process group are killed with it.
func (p *Process) KillAll() {
	select {
	case <-p.done: // its ID may be another program's by now
	default:
		p.killGroup()
	}
	<-p.done
}
