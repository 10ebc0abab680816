package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/term"
)

// topCmd shows the fleet live in a terminal. It only looks: it needs the
// database and the queue of the config, and starts nothing.
type topCmd struct {
	place
	Interval time.Duration `help:"How often to look." default:"1s"`
	Once     bool          `help:"Print one frame and exit; needs no terminal."`
	JSON     bool          `name:"json" help:"Print one frame as JSON and exit."`
	Sort     string        `help:"Order of the sources: name, accepted, waiting or oldest." enum:"name,accepted,waiting,oldest" default:"name"`
}

// Validate runs before Run; what it refuses is a wrong command line.
func (c *topCmd) Validate() error {
	if c.Interval < 100*time.Millisecond || c.Interval > time.Hour {
		return errors.New("--interval must be from 100ms to 1h")
	}
	return nil
}

// topWidth is the width where there is no terminal to ask.
const topWidth = 120

func (c *topCmd) Run(ctx context.Context, s streams) error {
	h, err := readThere(ctx, c.place, s)
	if err != nil {
		return err
	}
	h.log = slog.New(slog.DiscardHandler) // words in between would spoil the picture
	o := newObserver(ctx, h, max(2*time.Second, c.Interval))
	defer o.close()
	out, isFile := s.out.(*os.File)
	in, hasKeys := s.in.(*os.File)
	if c.JSON || c.Once || !isFile || !hasKeys || !term.IsTerminal(int(out.Fd())) || !term.IsTerminal(int(in.Fd())) {
		f := o.look(ctx)
		f.sort(c.Sort)
		if c.JSON {
			e := json.NewEncoder(s.out)
			e.SetIndent("", "  ")
			return e.Encode(f)
		}
		width := topWidth
		if isFile {
			if w, _, err := term.GetSize(int(out.Fd())); err == nil {
				width = w
			}
		}
		_, err := fmt.Fprintln(s.out, strings.Join(f.draw(width, 0, c.Sort), "\n"))
		return err
	}
	was, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return fmt.Errorf("top: %w", err)
	}
	fmt.Fprint(out, enterScreen)
	defer func() { // after a panic too
		fmt.Fprint(out, leaveScreen)
		_ = term.Restore(int(in.Fd()), was)
	}()
	keys := make(chan byte, 16)
	go readKeys(in, keys)
	return c.watch(ctx, o.look, out, keys, func() (int, int) {
		w, h, err := term.GetSize(int(out.Fd()))
		if err != nil {
			return 80, 24
		}
		return w, h
	})
}

// What a terminal is told (ECMA-48; the alternate screen is xterm's).
const (
	enterScreen = "\x1b[?1049h\x1b[?25l"
	leaveScreen = "\x1b[?25h\x1b[?1049l"
	goHome      = "\x1b[H"
	clearLine   = "\x1b[K"
	clearBelow  = "\x1b[J"
)

func readKeys(in io.Reader, keys chan<- byte) {
	var b [1]byte
	for {
		n, err := in.Read(b[:])
		if n == 1 {
			keys <- b[0]
		}
		if err != nil {
			close(keys)
			return
		}
	}
}

// watch draws frame after frame until ctx is done or q, Escape or Ctrl-C is
// pressed; s changes the order of the sources.
func (c *topCmd) watch(ctx context.Context, look func(context.Context) *frame, out io.Writer, keys <-chan byte, size func() (width, height int)) error {
	tick := time.NewTicker(c.Interval)
	defer tick.Stop()
	f := look(ctx)
	for {
		f.sort(c.Sort)
		width, height := size()
		lines := f.draw(width, max(height-1, 1), c.Sort)
		lines = append(lines, cutTo("q quit  s sort", width))
		// One write a frame, over the old one: nothing flickers. Raw mode wants \r.
		if _, err := io.WriteString(out, goHome+strings.Join(lines, clearLine+"\r\n")+clearLine+clearBelow); err != nil {
			return fmt.Errorf("top: %w", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case key, ok := <-keys:
			switch {
			case !ok, key == 'q', key == 'Q', key == 3, key == 27:
				return nil
			case key == 's':
				i := slices.Index(topOrders, c.Sort)
				c.Sort = topOrders[(i+1)%len(topOrders)]
			}
		case <-tick.C:
			f = look(ctx)
		}
	}
}
