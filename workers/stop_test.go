package workers

import (
	"testing"
	"time"
)

// A process that is told to end does so though a reading hangs.
func TestAHangDoesNotKeepAProcess(t *testing.T) {
	w := openBooks(t)
	i := intake(t, w, nil)
	i.set.DrainFor = 50 * time.Millisecond
	entered, leave := make(chan bool), make(chan bool)
	i.books = &slow{watched: w, read: func() { close(entered); <-leave }}
	ids, err := i.Submit(t.Context(), nil, mail("m1", "a@b.example", "hello"))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan bool)
	go func() { defer close(ended); _ = i.Process(t.Context(), ids) }()
	<-entered
	stopped := make(chan bool)
	go func() { i.Stop(); close(stopped) }()
	select {
	case <-stopped:
	case <-time.After(hang):
		t.Error("it waits for what hangs")
	}
	close(leave)
	<-ended
	<-stopped
}
