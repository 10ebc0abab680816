package fakesmtp

import (
	"context"
	"errors"
	"net/smtp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const good = "From: a@b.example\r\nDate: Mon, 06 May 2024 07:08:09 +0000\r\nMessage-ID: <a@b>\r\n\r\n.dot\r\nhello\r\n"

// Another client than ours speaks to it.
func TestTakesMail(t *testing.T) {
	told := make(chan Mail, 1)
	s, err := Start(Options{OnMail: func(m Mail) { told <- m }, Now: func() time.Time { return time.Unix(1, 0) }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := smtp.SendMail(s.Addr(), nil, "a@b.example", []string{"c@d.example", "e@f.example"}, []byte(good)); err != nil {
		t.Fatal(err)
	}
	mails, err := s.Wait(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	m := mails[0]
	if m.From != "a@b.example" || strings.Join(m.To, " ") != "c@d.example e@f.example" || string(m.Data) != good || !m.At.Equal(time.Unix(1, 0)) || m.Secure {
		t.Errorf("%+v", m)
	}
	if (<-told).From != m.From || s.Calls() != 1 || s.Peak() != 1 {
		t.Errorf("calls %d peak %d", s.Calls(), s.Peak())
	}
}

func TestIsStrict(t *testing.T) {
	s, err := Start(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for name, mail := range map[string]string{
		"no date":          strings.Replace(good, "Date:", "X-Date:", 1),
		"a bad date":       strings.Replace(good, "Mon, 06", "the 6th of", 1),
		"no sender":        strings.Replace(good, "From:", "X-From:", 1),
		"two senders":      "From: x@y.example\r\n" + good,
		"no id":            strings.Replace(good, "Message-ID:", "X-ID:", 1),
		"a long line":      good + strings.Repeat("x", 999) + "\r\n",
		"8 bit in headers": "Subject: Zoë\r\n" + good,
		"a bad address":    "To: nobody\r\n" + good,
		"no header":        "hello\r\n",
	} {
		err := smtp.SendMail(s.Addr(), nil, "a@b.example", []string{"c@d.example"}, []byte(mail))
		if err == nil || !strings.Contains(err.Error(), "550") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := smtp.SendMail(s.Addr(), nil, "a@b.example", []string{"c@d.example"}, []byte(good+strings.Repeat("x", 998)+"\r\n")); err != nil {
		t.Errorf("a line of 998 octets: %v", err)
	}
	if len(s.Mails()) != 1 {
		t.Errorf("%d mails", len(s.Mails()))
	}
}

func TestRules(t *testing.T) {
	s, err := Start(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	send := func(to string) error { return smtp.SendMail(s.Addr(), nil, "a@b.example", []string{to}, []byte(good)) }
	s.Fail(Rule{At: AtRcpt, For: "C@d.example", Code: 550, Text: "gone", Times: 1})
	s.Fail(Rule{At: AtEnd, For: "x@y.example", Keep: true})
	if err := send("e@f.example"); err != nil {
		t.Errorf("another address: %v", err)
	}
	if err := send("c@d.example"); err == nil || !strings.Contains(err.Error(), "gone") {
		t.Errorf("the address: %v", err)
	}
	if err := send("c@d.example"); err != nil {
		t.Errorf("the second time: %v", err)
	}
	if err := send("x@y.example"); err == nil || len(s.Mails()) != 3 {
		t.Errorf("taken, but the answer lost: %v, %d mails", err, len(s.Mails()))
	}
	s.Heal()
	if err := send("x@y.example"); err != nil {
		t.Errorf("healed: %v", err)
	}
}

func TestWaitEnds(t *testing.T) {
	s, err := Start(Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Wait(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	s.Close()
	if _, err := s.Wait(t.Context(), 1); err == nil {
		t.Error("a closed server is waited for")
	}
	if _, err := Start(Options{Mode: "ssl"}); err == nil {
		t.Error("an unknown mode")
	}
}
