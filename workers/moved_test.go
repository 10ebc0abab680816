package workers

import (
	"testing"

	"switchboard/pipeline/desk"
)

// An agent closes a ticket between the moment in which a rule gave it a status and the
// moment in which that is filed. The customer's answer is filed all the same, at once:
// the line looks again, and the rule leaves out what cannot be any more.
func TestAnAnswerWhoseTicketIsClosedMeanwhile(t *testing.T) {
	w := openBooks(t)
	i := intake(t, w, nil)
	p := *policy()
	p.Rules = []desk.Rule{{Name: "waits", On: desk.OnReply, Then: desk.Action{Status: desk.StatusPending}}}
	i.policy = func() *desk.Policy { return &p }
	opened, err := i.FileNow(t.Context(), mail("m1", "a@b.example", "hello"))
	if err != nil {
		t.Fatal(err)
	}
	closed := false
	w.breakWith(func([]*desk.Filing) error {
		if closed {
			return nil
		}
		closed = true
		to := desk.StatusClosed
		_, err := w.Change(t.Context(), opened.TicketID, 0, func(tk *desk.Ticket) ([]desk.Event, error) {
			return tk.Apply(&p, desk.Change{At: i.now(), By: desk.Actor{Kind: desk.ByAgent, ID: "ann"}, Status: &to})
		})
		return err
	})
	r, err := i.FileNow(t.Context(), mail("m2", "a@b.example", "Re: hello", "m1"))
	if err != nil || r.State != desk.Filed || r.TicketID != opened.TicketID || r.Attempts != 0 {
		t.Fatalf("%s on ticket %s after %d attempts, %q, %v", r.State, r.TicketID, r.Attempts, r.Reason, err)
	}
	tk, err := w.Ticket(t.Context(), string(r.TicketID))
	if err != nil || tk.Status != desk.StatusOpen || tk.MessageCount != 2 {
		t.Errorf("%+v, %v; want it open as any answer opens it", tk, err)
	}
}
