package pipeline

import (
	"strings"
	"testing"
	"time"

	"switchboard/pipeline/desk"
)

// grouped is a chat message of a group, said so long after noon.
func grouped(id, from, group string, after time.Duration) *desk.Draft {
	d := chat(id, from, "words of "+id)
	d.Group, d.Window = group, 2*time.Minute
	d.SentAt, d.ReceivedAt = noon.Add(after), noon.Add(after)
	return d
}

func TestShortMessagesInARowAreOneCase(t *testing.T) {
	s, p := newShelf(), house(t)
	file := func(d *desk.Draft) (*desk.Filing, desk.TicketID) {
		t.Helper()
		_, f := run(t, s, p, d, noon.Add(time.Hour))
		return f, s.file(t, d, f)
	}
	_, first := file(grouped("m1", "U1", "C1", 0))
	f, same := file(grouped("m2", "U2", "C1", 90*time.Second))
	if same != first || !strings.Contains(trail(f), "1m30s from the latest message of its group") {
		t.Errorf("in the window: %s\n%s", same, trail(f))
	}
	// The window counts from the latest message, not from the first.
	if _, id := file(grouped("m3", "U1", "C1", 3*time.Minute)); id != first {
		t.Error("from the latest message")
	}
	if _, id := file(grouped("m0", "U1", "C1", 2*time.Minute)); id != first { // arrives late
		t.Error("said before the latest")
	}
	if _, id := file(grouped("x", "U1", "C2", 3*time.Minute)); id == first {
		t.Error("another group")
	}
	off := grouped("y", "U1", "C1", 3*time.Minute)
	off.Window = 0
	if _, id := file(off); id == first {
		t.Error("grouping is off")
	}
	f, second := file(grouped("m4", "U1", "C1", 10*time.Minute))
	if second == first || !strings.Contains(trail(f), "more than 2m0s") || f.Group == nil || f.Group.Key != "C1" {
		t.Errorf("after the window:\n%s", trail(f))
	}
	if _, id := file(grouped("m5", "U1", "C1", 11*time.Minute)); id != second {
		t.Error("the group goes on with the newer ticket")
	}
	// A known thread beats the group.
	reply := grouped("r1", "U1", "C1", 11*time.Minute)
	reply.Thread.Key = "m1"
	if _, id := file(reply); id != first {
		t.Error("a thread is stronger")
	}
	s.tickets[second].DeletedAt = &noon
	s.groups["SLACK C1"] = desk.Group{Key: "C1", At: noon.Add(11 * time.Minute), Last: second}
	if _, id := file(grouped("m6", "U1", "C1", 11*time.Minute)); id == second {
		t.Error("joined a deleted ticket")
	}
}

func TestAGroupKeepsItsOrder(t *testing.T) {
	s, p := newShelf(), house(t)
	d := grouped("m2", "U1", "C1", 0)
	s.ahead["SLACK C1"] = "0"
	if pass, _ := run(t, s, p, d, noon); !strings.Contains(pass.Waiting(), "accepted before") {
		t.Errorf("waits %q", pass.Waiting())
	}
	if r := desk.NewReceipt(d, noon); r.ThreadKey != "C1" {
		t.Errorf("the ledger orders it by %q", r.ThreadKey)
	}
}

func TestAThreadWaitsForTheMessageThatOpensIt(t *testing.T) {
	s, p := newShelf(), house(t)
	reply := chat("r1", "U1", "more")
	reply.Thread.Key = "m1"
	s.seen["SLACK m1"] = []desk.Seen{{Receipt: "0", State: desk.Accepted}}
	if pass, _ := run(t, s, p, reply, noon); pass.Waiting() == "" {
		t.Error("the reply opens the conversation")
	}
}
