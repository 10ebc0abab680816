package main

import (
	"fmt"
	"strings"
	"testing"

	"switchboard/pipeline/desk"
)

// TestResend: an answer that failed is listed, tried again by the workers, and its ticket
// says so; what is wrong with the command line is said in words.
func TestResend(t *testing.T) {
	dir := t.TempDir()
	l := liveIn(t, dir, "")
	r := l.mail(fmt.Sprintf(newsletter, 1), nil)
	now := l.house.now()
	m := &desk.Message{ID: desk.NewID[desk.MessageID](now), TicketID: r.TicketID, Direction: desk.Outbound, Public: true, Send: desk.SendQueued,
		Author: desk.Actor{Kind: desk.ByAgent, ID: "bob"}, Channel: desk.API, Source: "api", Scope: "EMAIL", Text: "we are sorry", CreatedAt: now}
	if _, _, err := l.house.store.AddMessage(t.Context(), m, nil); err != nil {
		t.Fatal(err)
	}
	out, err := l.house.store.TakeToSend(t.Context(), m.ID, now, 1, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.house.store.Undelivered(t.Context(), m.ID, out.Tries, desk.SendFailed, "550 no such \x1b[2J\u009b2Jmailbox", nil); err != nil {
		t.Fatal(err)
	}
	l.close()
	id := string(m.ID)
	resend := func(want int, more ...string) string {
		t.Helper()
		code, out, err := command(t, nil, append([]string{"resend", "--config", l.place.Config, "--data", l.place.Data}, more...)...)
		if code != want {
			t.Fatalf("exit code %d: %s", code, err)
		}
		return out + err
	}
	line := id + " of ticket " + string(r.TicketID) + ", by " + r.Source + ": 550 no such [2J2Jmailbox\n" // the words of another server move no cursor
	if out := resend(0, "--since", "1h", "--dry-run"); out != line+"1 answers would be sent again\n" {
		t.Error(out)
	}
	if out := resend(0, "--since", "1h", "--reason", "token"); out != "0 answers are sent again\n" {
		t.Error(out)
	}
	if out := resend(0, strings.ToLower(id)); out != line+"1 answers are sent again\n" {
		t.Error(out)
	}
	for want, args := range map[string][]string{
		"did not fail: it is unknown": {id}, "there is no message nonsense": {"nonsense"}, `"soon" is no time`: {"--since", "soon"},
	} {
		if out := resend(1, args...); !strings.Contains(out, want) {
			t.Errorf("%q is not in %q", want, out)
		}
	}
	if out := resend(2); !strings.Contains(out, "name messages, or say --since when") {
		t.Error(out)
	}

	l = liveIn(t, dir, "")
	defer l.close()
	if m, err := l.house.store.Message(t.Context(), m.ID); err != nil || m.Send != desk.SendUnknown {
		t.Errorf("it is %s, %v", m.Send, err)
	}
}
