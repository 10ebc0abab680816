package main

import (
	"fmt"
	"strings"
	"testing"
)

// TestRulesTestJoins: a mail that answers one in the books would join its ticket, and
// one that is in the books is looked at as if it were not.
func TestRulesTestJoins(t *testing.T) {
	l := live(t, "")
	first := fmt.Sprintf(newsletter, 1)
	l.mail(first, nil)
	answer := strings.Replace(fmt.Sprintf(newsletter, 2), "Subject: ", "In-Reply-To: <off.1@shop.example>\nSubject: Re: ", 1)
	try := func(mail string) string {
		t.Helper()
		code, out, err := command(t, strings.NewReader(strings.ReplaceAll(mail, "\n", "\r\n")), "rules", "test", "--config", l.place.Config, "--data", l.place.Data)
		if code != 0 {
			t.Fatalf("exit code %d: %s", code, err)
		}
		return out
	}
	for range 2 {
		if out := try(answer); !strings.HasSuffix(out, "would join ticket 1\n") {
			t.Error(out)
		}
	}
	try(first)
	if receipts, tickets, messages := l.kept(); receipts != 1 || tickets != 1 || messages != 1 {
		t.Errorf("%d receipts, %d tickets, %d messages", receipts, tickets, messages)
	}
}
