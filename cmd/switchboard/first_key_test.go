package main

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// Of several servers that start for the first time on one database, one prints the
// admin key, and all start.
func TestOneFirstKey(t *testing.T) {
	s := serverBooks(t)
	outs := make([]bytes.Buffer, 16)
	start := make(chan struct{})
	var ready sync.WaitGroup
	g, ctx := errgroup.WithContext(t.Context())
	for n := range outs {
		ready.Add(1)
		g.Go(func() error {
			_, err := s.Keys(ctx) // so that each has its connection
			ready.Done()
			if <-start; err != nil {
				return err
			}
			return (&house{store: s, now: time.Now}).firstKey(context.WithoutCancel(ctx), streams{out: &outs[n]})
		})
	}
	ready.Wait()
	close(start)
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
	printed := 0
	for n := range outs {
		printed += strings.Count(outs[n].String(), "sb_")
	}
	if keys, err := s.Keys(t.Context()); err != nil || len(keys) != 1 || printed != 1 {
		t.Errorf("%d keys, %d printed, %v", len(keys), printed, err)
	}
}
