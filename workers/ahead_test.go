package workers

import (
	"log/slog"
	"testing"
	"time"

	"switchboard/pipeline/desk"
)

// What was accepted, and answered, while the clock was far ahead is taken up by the
// next start on an empty queue, and does not wait until that time has come.
func TestAStartTakesUpWhatAClockAheadAccepted(t *testing.T) {
	const ahead = 365 * 24 * time.Hour
	w, at := openBooks(t), time.Now()
	i := intake(t, w, nil)
	i.now = func() time.Time { return at.Add(ahead) }
	ids, err := i.accept(t.Context(), nil, []*desk.Draft{mail("early", "a@b.example", "help")})
	if err != nil {
		t.Fatal(err)
	}
	i.now = func() time.Time { return at }
	s := &Sweep{Books: w, Intake: i, Log: slog.New(slog.DiscardHandler), Set: i.set}
	if err := s.All(t.Context(), at); err != nil {
		t.Fatal(err)
	}
	if r, err := w.Receipt(t.Context(), ids[0]); err != nil || r.State != desk.Filed {
		t.Errorf("%s, %v", r.State, err)
	}

	p := newPost(t)
	p.sender = sends(func(*desk.Reply) (desk.Proof, error) { return desk.Proof{ExternalID: "x"}, nil })
	p.pass(ahead)
	id := p.answer()
	p.pass(-ahead)
	p.must(p.All(t.Context(), p.clock()))
	p.state(id, desk.SendSent)
}
