package main

import (
	"context"
	"io"
	"path/filepath"
	"testing"
	"time"
)

// silent is an input on which nothing ever comes.
type silent struct{ asked chan<- struct{} }

func (s silent) Read([]byte) (int, error) {
	select {
	case s.asked <- struct{}{}:
	default:
	}
	select {}
}

// Ctrl-C ends a command that waits for its standard input.
func TestWaitingForInputEnds(t *testing.T) {
	for _, args := range [][]string{{"parse"}, {"password"}, {"inspect", "acme", "--config", filepath.Join("testdata", "waits.yaml"), "--data", t.TempDir()}} {
		ctx, stop := context.WithCancel(t.Context())
		asked, code := make(chan struct{}, 1), make(chan int, 1)
		go func() { code <- run(ctx, args, streams{silent{asked}, io.Discard, t.Output(), noEnv}) }()
		select {
		case <-asked:
		case c := <-code:
			t.Fatalf("%s ended with %d before it asked", args[0], c)
		}
		stop()
		select {
		case c := <-code:
			if c != 1 {
				t.Errorf("%s ended with %d", args[0], c)
			}
		case <-time.After(scriptPatience):
			t.Errorf("%s does not end", args[0])
		}
	}
}
