package main

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"switchboard/channels/api"
)

// A role that cannot answer where it is told to begins nothing: what it began would go
// on in a house that is closed.
func TestNothingBeginsWithoutItsHealth(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	synctest.Test(t, func(t *testing.T) {
		var began atomic.Bool
		err := (&house{}).withOps(t.Context(), taken.Addr().String(), func(context.Context) api.Health { return api.Health{} },
			func(context.Context) error { began.Store(true); return nil })
		synctest.Wait()
		if err == nil || began.Load() {
			t.Errorf("began: %v, and %v is said", began.Load(), err)
		}
	})
}
