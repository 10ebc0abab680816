package workers

import (
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"switchboard/pipeline/desk"
	"switchboard/workers/broker"
	"switchboard/workers/broker/brokertest"
)

// Where Redis dies with its process, the next one has from the journal by which
// name the books know what the one before was sending, and takes it up at once.
func TestWhatAProcessWasSendingIsResumed(t *testing.T) {
	p := newPost(t)
	log, path := slog.New(slog.DiscardHandler), filepath.Join(t.TempDir(), "in-hand")
	open := func() *Journal {
		t.Helper()
		j, err := OpenJournal(path, time.Now, log)
		p.must(err)
		return j
	}
	j := open()
	j.holds("first")
	j.holds("dead")
	j.mu.Lock()
	j.rewrite()
	j.mu.Unlock()
	id := p.answer()
	_, err := p.w.TakeToSend(t.Context(), id, p.clock(), p.set.Patience, "dead")
	p.must(err)
	p.must(j.Close())

	b, err := broker.Open(t.Context(), brokertest.Embedded(t), log)
	p.must(err)
	t.Cleanup(func() { b.Close() })
	i := intake(t, p.w, nil)
	i.journal = open()
	t.Cleanup(func() { i.journal.Close() })
	srv := NewServer(i, b.AsynqOpt(), p.w, time.Now, log, i.set)
	srv.Carry(p.Delivery)
	p.must(srv.Resume(t.Context()))
	p.state(id, desk.SendUnknown)
}
