package main

import (
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"switchboard/workers/broker"
)

// heardLog is a log that does something once it says certain words.
type heardLog struct {
	slog.Handler
	words string
	do    func()
}

func (l heardLog) Handle(ctx context.Context, r slog.Record) error {
	if strings.Contains(r.Message, l.words) {
		l.do()
	}
	return l.Handler.Handle(ctx, r)
}

// Processes that start on one data folder at the same time find a queue that one of
// them has and that does not answer yet; so do those that start while one ends. They
// wait for it, and join it, or run their own when it is gone.
func TestQueueThatOnlyStartsOrEnds(t *testing.T) {
	for name, starts := range map[string]bool{"starts": true, "ends": false} {
		t.Run(name, func(t *testing.T) {
			o := broker.Options{Mode: broker.Embedded, Dir: t.TempDir()}
			other, free, err := lockFile(filepath.Join(o.Dir, "broker.lock"))
			if err != nil || !free {
				t.Fatal(free, err)
			}
			var once sync.Once
			log := slog.New(heardLog{slog.NewTextHandler(t.Output(), nil), "does not answer yet", func() {
				once.Do(func() {
					other.Close()
					if !starts {
						return
					}
					first, err := broker.Open(t.Context(), o, nil)
					if err != nil {
						t.Error(err)
						return
					}
					t.Cleanup(func() { first.Close() })
				})
			}})
			b, joined, err := openBroker(t.Context(), o, log)
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			if err := b.Ping(t.Context()); err != nil || joined != starts || b.Own() == starts {
				t.Errorf("joined %v, own %v: %v", joined, b.Own(), err)
			}
		})
	}
}
