package email

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"switchboard/pipeline/desk"
)

var (
	testSecret  = []byte("0123456789abcdef0123456789abcdef")
	otherSecret = []byte("another secret of the same length")
)

func TestTokensSurviveTheMail(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := time.UnixMilli(rapid.Int64Range(0, 1<<47).Draw(t, "at"))
		ticket, message := desk.NewID[desk.TicketID](at), desk.NewID[desk.MessageID](at)
		fold := rapid.SampledFrom([]func(string) string{strings.ToLower, strings.ToUpper, func(s string) string { return s }}).Draw(t, "fold")

		id := MessageID(testSecret, ticket, message, "help.example.org")
		gotTicket, gotMessage, ok := VerifyMessageID(testSecret, "<"+fold(id)+">")
		if !ok || gotTicket != ticket || gotMessage != message {
			t.Fatalf("VerifyMessageID(%q) = %q, %q, %v", id, gotTicket, gotMessage, ok)
		}
		address := ReplyAddress(testSecret, "support@example.org", ticket)
		if local, _, _ := cutAddress(address); len(local) > maxLocalOctet {
			t.Fatalf("local part of %q is too long", address)
		}
		if got, ok := VerifyReplyAddress(testSecret, fold(address)); !ok || got != ticket {
			t.Fatalf("VerifyReplyAddress(%q) = %q, %v", address, got, ok)
		}

		// One changed character of the local part never verifies as anything.
		for _, s := range []string{id, address} {
			at := strings.IndexByte(s, '@')
			i := rapid.IntRange(0, at-1).Draw(t, "i")
			c := rapid.SampledFrom([]byte("0123456789abcdefghijklmnopqrstuvwxyz.+-")).Draw(t, "c")
			forged := s[:i] + string(c) + s[i+1:]
			if strings.EqualFold(forged, s) {
				continue
			}
			if _, _, ok := VerifyMessageID(testSecret, forged); ok {
				t.Fatalf("forged %q verifies", forged)
			}
			// What stands before the tag is not signed: it is any address of ours.
			if got, ok := VerifyReplyAddress(testSecret, forged); ok && (got != ticket || i > strings.Index(s, tagPrefix)) {
				t.Fatalf("forged %q verifies", forged)
			}
		}
	})
}

func TestTokensAreBoundToSecretAndPurpose(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	ticket, message := desk.NewID[desk.TicketID](now), desk.NewID[desk.MessageID](now)
	id := MessageID(testSecret, ticket, message, "example.org")
	address := ReplyAddress(testSecret, "support@example.org", ticket)

	for name, secret := range map[string][]byte{"another secret": otherSecret, "no secret": nil} {
		if _, _, ok := VerifyMessageID(secret, id); ok {
			t.Errorf("%s verifies the message ID", name)
		}
		if _, ok := VerifyReplyAddress(secret, address); ok {
			t.Errorf("%s verifies the reply address", name)
		}
	}
	if unsigned := ReplyAddress(nil, "support@example.org", ticket); unsigned != "" {
		if _, ok := VerifyReplyAddress(nil, unsigned); ok {
			t.Error("an address made with an empty secret verifies")
		}
	}
	for _, bad := range []string{"", "@", "t.@x", "a@b", "t." + strings.ToLower(string(ticket)) + "@b", "support+t.@b", "+t.x@y", "support+t." + strings.Repeat("a", 42) + "@b"} {
		if _, _, ok := VerifyMessageID(testSecret, bad); ok {
			t.Errorf("VerifyMessageID(%q)", bad)
		}
		if _, ok := VerifyReplyAddress(testSecret, bad); ok {
			t.Errorf("VerifyReplyAddress(%q)", bad)
		}
	}
}

func TestReplyAddressThatDoesNotFit(t *testing.T) {
	ticket := desk.NewID[desk.TicketID](time.Unix(1_700_000_000, 0))
	for _, address := range []string{strings.Repeat("a", 30) + "@example.org", "no-domain", ""} {
		if got := ReplyAddress(testSecret, address, ticket); got != address {
			t.Errorf("ReplyAddress(%q) = %q, want it unchanged", address, got)
		}
	}
	if got := ReplyAddress(testSecret, "a@b.example", "T-1"); got != "a@b.example" {
		t.Errorf("a ticket without a ULID gave %q", got)
	}
	if got := ReplyAddress(testSecret, "help+eu@b.example", ticket); !strings.HasPrefix(got, "help+eu+t.") {
		t.Errorf("an address with a tag gave %q", got)
	}
}
