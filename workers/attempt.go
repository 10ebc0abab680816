package workers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"switchboard/pipeline/desk"
)

// attempt is one try to send one message that was taken.
type attempt struct {
	d   *Delivery
	out *desk.Outgoing
	m   *desk.Message

	taken time.Time // by the time of the books
	wall  time.Time // and by the clock on the wall
}

// try takes a message and tries to send it. It returns the ticket when the
// message ended, so that the next answer may go.
func (d *Delivery) try(ctx context.Context, id desk.MessageID) (desk.TicketID, error) {
	leave, err := d.turn(ctx, id)
	if errors.Is(err, desk.ErrBusy) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer leave()
	holder := ""
	if d.holder != nil {
		holder = d.holder()
	}
	taken, wall := d.now(), d.wall()
	out, err := d.books.TakeToSend(ctx, id, taken, d.set.Patience, holder)
	switch {
	case errors.Is(err, desk.ErrSettled), errors.Is(err, desk.ErrBusy), errors.Is(err, desk.ErrNotFound):
		return "", nil
	case err != nil:
		return "", err
	}
	a := &attempt{d: d, out: out, m: &out.Reply.Message, taken: taken, wall: wall}
	// A process that is told to stop finishes what has left the house.
	work, cancel := context.WithTimeout(context.WithoutCancel(ctx), d.set.SendTimeout)
	defer cancel()
	work, end := d.traceTry(work, out)
	ended, err := a.run(work)
	end(ended, err)
	if err != nil || !ended {
		return "", err
	}
	return a.m.TicketID, nil
}

// run decides what to do with the message and keeps what came of it; ended says
// that no more tries follow.
func (a *attempt) run(ctx context.Context) (ended bool, err error) {
	if !a.m.Public || a.m.Direction != desk.Outbound {
		a.d.log.Error("an internal note was about to leave; it stays", "ticket", a.m.TicketID, "message", a.m.ID)
		return true, a.drop("an internal note never leaves")
	}
	if a.out.Begun > a.d.set.Attempts {
		return true, a.isolate()
	}
	if a.out.Was == desk.SendSent {
		return true, a.follow(ctx)
	}
	if reason := a.restrained(); reason != "" {
		return true, a.restrain(reason)
	}
	sender := a.d.senders(a.out.Source)
	if sender == nil {
		return a.failed(fmt.Errorf("nothing here can send for source %q", a.out.Source), a.out.Was)
	}
	if a.out.Was == desk.SendUnknown {
		if until, wait := a.mayStillGo(sender); wait {
			return false, a.putBack(until)
		}
		proof, found, err := a.probe(ctx, sender)
		switch {
		case err != nil:
			return a.failed(err, desk.SendUnknown)
		case found:
			return true, a.delivered(proof)
		case !a.m.DeletedAt.IsZero():
			return true, a.drop("deleted before it was sent")
		}
	}
	proof, err := a.send(ctx, sender)
	switch {
	case err == nil:
		return true, a.delivered(proof)
	case errors.Is(err, desk.ErrTaken):
		return false, nil
	}
	state := desk.SendQueued
	if errors.Is(err, desk.ErrCutOff) {
		state = desk.SendUnknown
	}
	return a.failed(err, state)
}

// restrained says why an automatic answer must not go out: nothing automatic
// answers a machine (RFC 3834 section 2), and no customer gets more than a few a
// day.
func (a *attempt) restrained() string {
	if a.m.Auto.Kind == "" {
		return ""
	}
	if k := a.out.Answers.Kind; k != "" {
		return "no automatic answer to an automatic message (" + string(k) + ")"
	}
	if a.out.Automatic >= a.d.set.AutoPerDay {
		return fmt.Sprintf("the customer got %d automatic answers within a day", a.out.Automatic)
	}
	return ""
}

// send hands the reply to the sender. A sender that panics, or does not come
// back, may have sent; the proof that one brings too late is kept all the same.
func (a *attempt) send(ctx context.Context, s Sender) (desk.Proof, error) {
	defer a.d.metrics.sendTook(a.out.Source, time.Now())
	late := func(proof desk.Proof, err error) {
		if err == nil {
			_ = a.delivered(proof) // it says so itself
		}
	}
	return inTime(ctx, a.d.set.SendTimeout, late, func() (desk.Proof, error) {
		if err := a.still(ctx); err != nil {
			return desk.Proof{}, err
		}
		a.out.Reply.Still = a.still
		return s.Send(ctx, &a.out.Reply)
	})
}

func (a *attempt) probe(ctx context.Context, s Sender) (proof desk.Proof, found bool, err error) {
	p, ok := s.(Prober)
	if !ok {
		return desk.Proof{}, false, nil
	}
	type answer struct {
		proof desk.Proof
		found bool
	}
	got, err := inTime(ctx, a.d.set.SendTimeout, nil, func() (answer, error) {
		proof, found, err := p.Probe(ctx, &a.out.Reply)
		return answer{proof, found}, err
	})
	return got.proof, got.found, err
}

// keepMost is the longest wait before the proof of what was sent is tried to be kept
// once more.
const keepMost = 2 * time.Second

// delivered keeps the proof. While the books are away it waits for them, for as long as
// the message is this try's alone: without its proof the answer is probed or sent again.
func (a *attempt) delivered(proof desk.Proof) error {
	if proof.At.IsZero() {
		proof.At = a.d.now()
	}
	end := time.Now().Add(a.taken.Add(a.d.set.Patience).Sub(a.d.now()))
	var err error
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, keepMost) {
		// Not the try's own time: that may be used up.
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		err = a.d.books.Delivered(ctx, a.m.ID, proof)
		cancel()
		if err == nil || !errors.Is(err, desk.ErrUnavailable) || time.Now().Add(wait).After(end) {
			break
		}
		time.Sleep(wait)
	}
	if err != nil {
		a.d.log.Error("sent, and the proof could not be kept", "ticket", a.m.TicketID, "message", a.m.ID, "error", err)
		return err
	}
	a.d.metrics.sent(a.out.Source, "sent")
	a.d.log.Debug("sent", "ticket", a.m.TicketID, "message", a.m.ID, "source", a.out.Source, "tries", a.out.Tries)
	return nil
}

// failed decides whether and when to try again.
func (a *attempt) failed(cause error, state desk.SendState) (ended bool, err error) {
	reason := reasonOf(cause)
	if desk.IsPermanent(cause) {
		return true, a.giveUp(reason)
	}
	until, more := a.again(cause, a.m.CreatedAt)
	if !more {
		return true, a.giveUp(fmt.Sprintf("given up after %d tries: %s", a.out.Tries, reason))
	}
	a.d.metrics.sent(a.out.Source, string(state))
	a.d.log.Warn("not sent yet", "ticket", a.m.TicketID, "message", a.m.ID, "source", a.out.Source, "state", state, "tries", a.out.Tries,
		"again", until, "error", cause)
	return false, a.postpone(state, reason, until)
}

// again says when to try again, and false when it was tried long enough since an
// instant. What the other side asks for is obeyed.
func (a *attempt) again(cause error, since time.Time) (time.Time, bool) {
	now, wait := a.d.now(), a.d.backoff(a.m.ID, a.out.Tries)
	var later *desk.Later
	if errors.As(cause, &later) {
		wait = max(later.After, time.Second)
	}
	until := now.Add(wait)
	return until, a.out.Tries < a.d.set.LeastTries || until.Before(since.Add(a.d.set.GiveUpAfter))
}

func (a *attempt) postpone(state desk.SendState, reason string, until time.Time) error {
	err := a.books(func(ctx context.Context) error {
		return a.d.books.Postpone(ctx, a.m.ID, a.out.Tries, state, reason, until)
	})
	if err == nil && a.d.dispatch != nil {
		a.d.dispatch.messageLater(a.m.ID, until.Sub(a.d.now()))
	}
	return err
}

// drop ends a message that is not to go out after all.
func (a *attempt) drop(reason string) error {
	a.d.metrics.sent(a.out.Source, "dropped")
	return a.books(func(ctx context.Context) error {
		return a.d.books.Undelivered(ctx, a.m.ID, a.out.Tries, desk.SendNone, reason, nil)
	})
}

// restrain ends an automatic answer that must not go out; its ticket says why.
func (a *attempt) restrain(reason string) error {
	a.d.metrics.sent(a.out.Source, "restrained")
	a.d.log.Info("automatic answer held back", "ticket", a.m.TicketID, "message", a.m.ID, "reason", reason)
	return a.books(func(ctx context.Context) error {
		return a.d.books.Undelivered(ctx, a.m.ID, a.out.Tries, desk.SendFailed, reason, a.event("send", reason))
	})
}

// giveUp ends a message loudly: on its ticket, in the log and in the metrics.
func (a *attempt) giveUp(reason string) error {
	a.loud("not sent", reason)
	return a.books(func(ctx context.Context) error {
		return a.d.books.Undelivered(ctx, a.m.ID, a.out.Tries, desk.SendFailed, reason, a.event("send", reason))
	})
}

func (a *attempt) loud(what, reason string) {
	a.d.metrics.sent(a.out.Source, "failed")
	a.d.log.Error(what, "ticket", a.m.TicketID, "message", a.m.ID, "source", a.out.Source, "tries", a.out.Tries, "reason", reason)
}

func (a *attempt) event(what, reason string) func(*desk.Ticket) ([]desk.Event, error) {
	return func(t *desk.Ticket) ([]desk.Event, error) {
		return []desk.Event{t.CommentFailed(a.m.ID, what, reason, a.d.now())}, nil
	}
}

// books writes what came of the try, with time of its own. What somebody else
// ended meanwhile stays as it is.
func (a *attempt) books(write func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := write(ctx); err != nil && !errors.Is(err, desk.ErrSettled) && !errors.Is(err, desk.ErrNotFound) {
		return err
	}
	return nil
}

func reasonOf(err error) string { return desk.Cut(desk.Clean(err.Error()), 1000) }
