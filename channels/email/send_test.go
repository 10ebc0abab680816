package email

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"switchboard/channels"
	"switchboard/channels/email/fakesmtp"
	"switchboard/pipeline/desk"
)

// outbox starts a server for outgoing mail.
func outbox(t testing.TB, o fakesmtp.Options) *fakesmtp.Server {
	t.Helper()
	s, err := fakesmtp.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// posting is the block of a source that answers through a server.
func posting(t testing.TB, s *fakesmtp.Server, mode string, more ...string) block {
	t.Helper()
	lines := []string{"host: 127.0.0.1", fmt.Sprint("port: ", s.Port()), "tls: " + mode, "from: Support <support@example.org>", "replyTo: support@example.org"}
	if pem := s.CertificatePEM(); pem != nil {
		file := filepath.Join(t.TempDir(), "ca.pem")
		if err := os.WriteFile(file, pem, 0o600); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, "caFile: "+file)
	}
	return block("host: 127.0.0.1\ntls: plain\nuser: support@example.org\npassword: secret\nsmtp:\n  " + strings.Join(append(lines, more...), "\n  ") + "\n")
}

// openMailer opens the sending half of a source.
func openMailer(t testing.TB, b block, change ...func(*mailer)) *mailer {
	t.Helper()
	opened, err := Kind().Open(channels.Config{Source: goldenSource, Block: b, Blobs: &blobs{}, Secret: testSecret, Now: func() time.Time { return goldenTime }})
	if err != nil {
		t.Fatal(err)
	}
	m, ok := opened.(channels.Sender).(*mailer)
	if !ok {
		t.Fatalf("%T cannot send", opened)
	}
	for _, c := range change {
		c(m)
	}
	return m
}

func TestWithoutSMTPNothingIsSent(t *testing.T) {
	opened, err := Kind().Open(channels.Config{Source: goldenSource, Block: block("host: 127.0.0.1\ntls: plain\nuser: a\npassword: b\n"), Blobs: &blobs{}})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := opened.(channels.Sender); ok {
		t.Error("a source without smtp says it can send")
	}
}

func TestSendSignsIn(t *testing.T) {
	users := map[string]string{"support@example.org": "pass word"}
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("pass word\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	user, password := "user: support@example.org", "password: pass word"
	for name, c := range map[string]struct {
		mode       string
		mechanisms []string
		more       []string
		wrong      string // part of the error; "" is sent
	}{
		"plain, nobody":        {mode: "plain"},
		"plain":                {mode: "plain", more: []string{user, password}},
		"starttls":             {mode: "starttls", more: []string{user, password}},
		"tls":                  {mode: "tls", more: []string{user, password}},
		"login":                {mode: "tls", mechanisms: []string{"LOGIN"}, more: []string{user, password}},
		"login asked for":      {mode: "tls", more: []string{user, password, "auth: login"}},
		"xoauth2":              {mode: "starttls", mechanisms: []string{"XOAUTH2"}, more: []string{user, "auth: xoauth2", "tokenFile: " + token}},
		"oauthbearer":          {mode: "tls", mechanisms: []string{"OAUTHBEARER"}, more: []string{user, "auth: oauthbearer", "tokenFile: " + token}},
		"wrong password":       {mode: "tls", more: []string{user, "password: other"}, wrong: "535"},
		"wrong login":          {mode: "tls", mechanisms: []string{"LOGIN"}, more: []string{user, "password: other"}, wrong: "535"},
		"wrong token":          {mode: "tls", mechanisms: []string{"XOAUTH2"}, more: []string{user, "auth: xoauth2", "password: other"}, wrong: "refused the login"},
		"a login it has not":   {mode: "tls", mechanisms: []string{"LOGIN"}, more: []string{user, password, "auth: plain"}, wrong: "504"},
		"no login where asked": {mode: "tls", mechanisms: []string{"PLAIN"}, wrong: "530"},
	} {
		t.Run(name, func(t *testing.T) {
			o := fakesmtp.Options{Mode: c.mode, Mechanisms: c.mechanisms}
			if name != "plain, nobody" {
				o.Users = users
			}
			s := outbox(t, o)
			m := openMailer(t, posting(t, s, c.mode, c.more...))
			proof, err := m.Send(t.Context(), replied(t, nil))
			if c.wrong != "" {
				var later *channels.Later
				if err == nil || !strings.Contains(err.Error(), c.wrong) || desk.IsPermanent(err) || errors.Is(err, channels.ErrCutOff) || !errors.As(err, &later) {
					t.Errorf("error %v, want one for later with %q", err, c.wrong)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got := s.Mails()
			if len(got) != 1 || got[0].From != "support@example.org" || strings.Join(got[0].To, " ") != "zoe@b.example" || got[0].Secure != (c.mode != "plain") {
				t.Fatalf("mails %+v", got)
			}
			if !bytes.Equal(got[0].Data, written(t, replied(t, nil), m.settings.SMTP, &blobs{})) {
				t.Errorf("the mail that arrived:\n%s", got[0].Data)
			}
			want := desk.Proof{ExternalID: MessageID(testSecret, goldenTicket, goldenMessage, "example.org"), At: goldenTime}
			if proof != want {
				t.Errorf("proof %v, want %v", proof, want)
			}
		})
	}
}

// An unknown certificate, or a server without STARTTLS, gets neither password
// nor mail.
func TestSendTrustsNobody(t *testing.T) {
	for name, c := range map[string]struct {
		server, client string
		drop           string
	}{
		"unknown certificate":             {"tls", "tls", "caFile"},
		"unknown certificate, starttls":   {"starttls", "starttls", "caFile"},
		"no starttls":                     {"plain", "starttls", ""},
		"plain spoken to a server in tls": {"plain", "tls", ""},
	} {
		s := outbox(t, fakesmtp.Options{Mode: c.server})
		var kept []string
		for line := range strings.Lines(string(posting(t, s, c.client, "timeout: 2s"))) {
			if c.drop == "" || !strings.Contains(line, c.drop) {
				kept = append(kept, line)
			}
		}
		_, err := openMailer(t, block(strings.Join(kept, ""))).Send(t.Context(), replied(t, nil))
		if err == nil || desk.IsPermanent(err) || errors.Is(err, channels.ErrCutOff) || len(s.Mails()) > 0 {
			t.Errorf("%s: %v, mails %v", name, err, s.Mails())
		}
	}
}

func TestSendFails(t *testing.T) {
	cc := func(r *desk.Reply, to *replyTo) { to.Cc = []desk.Party{{Handle: "bob@c.example"}} }
	for name, c := range map[string]struct {
		rule   fakesmtp.Rule
		change func(*desk.Reply, *replyTo)
		what   string // sent, again, permanent, cut off
		says   string
		mails  int
	}{
		"greylisting":             {rule: fakesmtp.Rule{At: fakesmtp.AtRcpt, Code: 451, Text: "Greylisted, try in 5 minutes"}, what: "again", says: "451 4.0.0 Greylisted, try in 5 minutes"},
		"no such person":          {rule: fakesmtp.Rule{At: fakesmtp.AtRcpt, Code: 550, Text: "No such person"}, what: "permanent", says: "550 5.0.0 No such person"},
		"sender refused":          {rule: fakesmtp.Rule{At: fakesmtp.AtMail, Code: 553, Text: "Not yours"}, what: "permanent", says: "Not yours"},
		"sender refused for now":  {rule: fakesmtp.Rule{At: fakesmtp.AtMail, Code: 452, Text: "Disk full"}, what: "again", says: "Disk full"},
		"spam":                    {rule: fakesmtp.Rule{At: fakesmtp.AtEnd, Code: 554, Text: "Looks like spam"}, what: "permanent", says: "554 5.0.0 Looks like spam"},
		"busy after the mail":     {rule: fakesmtp.Rule{At: fakesmtp.AtEnd, Code: 450, Text: "Later"}, what: "again", says: "450"},
		"shut down":               {rule: fakesmtp.Rule{At: fakesmtp.AtHello, Code: 421, Text: "Going down"}, what: "again", says: "421"},
		"blocked":                 {rule: fakesmtp.Rule{At: fakesmtp.AtHello, Code: 554, Text: "No service"}, what: "again", says: "554"},
		"cut at hello":            {rule: fakesmtp.Rule{At: fakesmtp.AtHello}, what: "again"},
		"cut at the sender":       {rule: fakesmtp.Rule{At: fakesmtp.AtMail}, what: "again"},
		"cut at the recipient":    {rule: fakesmtp.Rule{At: fakesmtp.AtRcpt}, what: "again"},
		"cut after the mail":      {rule: fakesmtp.Rule{At: fakesmtp.AtEnd}, what: "cut off"},
		"answer lost":             {rule: fakesmtp.Rule{At: fakesmtp.AtEnd, Keep: true}, what: "cut off", mails: 1},
		"silent after the mail":   {rule: fakesmtp.Rule{At: fakesmtp.AtEnd, Keep: true, Silent: true}, what: "cut off", mails: 1},
		"another word for yes":    {rule: fakesmtp.Rule{At: fakesmtp.AtEnd, Keep: true, Code: 252, Text: "Will do what I can"}, what: "sent", mails: 1},
		"silent at the recipient": {rule: fakesmtp.Rule{At: fakesmtp.AtRcpt, Silent: true}, what: "again"},
		"a copy refused":          {rule: fakesmtp.Rule{At: fakesmtp.AtRcpt, For: "bob@c.example", Code: 550}, change: cc, what: "sent", mails: 1},
		"a copy refused for now":  {rule: fakesmtp.Rule{At: fakesmtp.AtRcpt, For: "bob@c.example", Code: 450}, change: cc, what: "again"},
	} {
		t.Run(name, func(t *testing.T) {
			s := outbox(t, fakesmtp.Options{})
			m := openMailer(t, posting(t, s, "plain"), func(m *mailer) {
				if c.rule.Silent {
					m.settings.SMTP.Timeout, m.settings.SMTP.DataTimeout = 2*time.Second, 2*time.Second // to get there, and to give up
				}
			})
			s.Fail(c.rule)
			_, err := m.Send(t.Context(), replied(t, c.change))
			what := "sent"
			switch {
			case desk.IsPermanent(err):
				what = "permanent"
			case errors.Is(err, channels.ErrCutOff):
				what = "cut off"
			case err != nil:
				what = "again"
			}
			if what != c.what || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s: %v; want %s with %q", what, err, c.what, c.says)
			}
			if got := s.Mails(); len(got) != c.mails {
				t.Errorf("%d mails, want %d", len(got), c.mails)
			}
			if c.what == "sent" || c.what == "permanent" {
				return
			}
			// It heals, and the same mail goes again.
			s.Heal()
			proof, err := m.Send(t.Context(), replied(t, c.change))
			if err != nil {
				t.Fatal(err)
			}
			got := s.Mails()
			if len(got) != c.mails+1 || !strings.Contains(string(got[0].Data), "<"+proof.ExternalID+">") || !bytes.Equal(got[0].Data, got[len(got)-1].Data) {
				t.Errorf("mails %d; the second is not the first", len(got))
			}
		})
	}
}

// A line that breaks inside a mail delivers nothing, and it is known that it did
// not.
func TestCutInsideTheMail(t *testing.T) {
	s := outbox(t, fakesmtp.Options{})
	m := openMailer(t, posting(t, s, "plain"))
	file := put(t, m.Blobs.(*blobs), strings.Repeat("x", 8<<20))
	s.Fail(fakesmtp.Rule{At: fakesmtp.AtBody, Times: 1})
	long := func(r *desk.Reply, _ *replyTo) { r.Message.Attachments = []desk.Attachment{{Name: "big", Blob: file}} }
	if _, err := m.Send(t.Context(), replied(t, long)); err == nil || errors.Is(err, channels.ErrCutOff) || desk.IsPermanent(err) || len(s.Mails()) > 0 {
		t.Errorf("%v, %d mails", err, len(s.Mails()))
	}
	if _, err := m.Send(t.Context(), replied(t, long)); err != nil || len(s.Mails()) != 1 {
		t.Errorf("%v, %d mails", err, len(s.Mails()))
	}
}

// What is wrong with the mail itself is found before a server is called.
func TestSendFailsBeforeTheCall(t *testing.T) {
	s := outbox(t, fakesmtp.Options{})
	m := openMailer(t, posting(t, s, "plain"))
	_, err := m.Send(t.Context(), replied(t, func(r *desk.Reply, _ *replyTo) {
		r.Message.Attachments = []desk.Attachment{{Name: "gone", Blob: desk.BlobRef{Digest: strings.Repeat("0", 64), Size: 1}}}
	}))
	if !errors.Is(err, desk.ErrNotFound) {
		t.Errorf("a file that is gone: %v", err)
	}
	if _, err := m.Send(t.Context(), replied(t, func(_ *desk.Reply, to *replyTo) { to.To = []desk.Party{{Handle: "support@example.org"}} })); !desk.IsPermanent(err) {
		t.Errorf("to ourselves: %v", err)
	}
	if s.Calls() > 0 {
		t.Errorf("the server was called %d times", s.Calls())
	}
}

func TestServersLimits(t *testing.T) {
	s := outbox(t, fakesmtp.Options{MaxBytes: 500})
	if _, err := openMailer(t, posting(t, s, "plain")).Send(t.Context(), replied(t, nil)); !desk.IsPermanent(err) || !strings.Contains(err.Error(), "takes 500") {
		t.Errorf("too large: %v", err)
	}
	greek := func(_ *desk.Reply, to *replyTo) {
		to.To = []desk.Party{{Name: "Ζωή", Handle: "ζωή@παράδειγμα.example"}}
	}
	if _, err := openMailer(t, posting(t, outbox(t, fakesmtp.Options{}), "plain")).Send(t.Context(), replied(t, greek)); !desk.IsPermanent(err) {
		t.Errorf("a server without SMTPUTF8: %v", err)
	}
	s = outbox(t, fakesmtp.Options{UTF8: true})
	if _, err := openMailer(t, posting(t, s, "plain")).Send(t.Context(), replied(t, greek)); err != nil || s.Mails()[0].To[0] != "ζωή@xn--hxajbheg2az3al.example" {
		t.Errorf("SMTPUTF8: %v %v", err, s.Mails())
	}
}

func TestSendIsCancelled(t *testing.T) {
	for _, at := range []fakesmtp.Stage{fakesmtp.AtHello, fakesmtp.AtRcpt, fakesmtp.AtEnd} {
		s := outbox(t, fakesmtp.Options{})
		ctx, cancel := context.WithCancel(t.Context())
		s.Fail(fakesmtp.Rule{At: at, Silent: true, Keep: true, Met: cancel})
		_, err := openMailer(t, posting(t, s, "plain")).Send(ctx, replied(t, nil))
		cancel()
		if !errors.Is(err, context.Canceled) || errors.Is(err, channels.ErrCutOff) != (at == fakesmtp.AtEnd) {
			t.Errorf("at %s: %v", at, err)
		}
	}
}

func TestServerIsAway(t *testing.T) {
	s := outbox(t, fakesmtp.Options{})
	m := openMailer(t, posting(t, s, "plain"), func(m *mailer) { m.settings.SMTP.Port = 1 })
	if _, err := m.Send(t.Context(), replied(t, nil)); err == nil || desk.IsPermanent(err) || errors.Is(err, channels.ErrCutOff) {
		t.Errorf("nobody there: %v", err)
	}
}

// Many answers at once need no more connections than we may have.
func TestConnectionsAreFew(t *testing.T) {
	s := outbox(t, fakesmtp.Options{})
	m := openMailer(t, posting(t, s, "plain", "connections: 2"))
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if _, err := m.Send(t.Context(), replied(t, func(r *desk.Reply, _ *replyTo) {
				r.Message.ID = desk.NewID[desk.MessageID](goldenTime.Add(time.Duration(i)))
			})); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(s.Mails()) != 20 || s.Peak() > 2 || len(m.seats) != 0 {
		t.Errorf("%d mails, %d at once, %d seats taken", len(s.Mails()), s.Peak(), len(m.seats))
	}
}

// The customer's answer finds the ticket in three ways, each enough alone, and
// our own mail and its bounce are known for what they are.
func TestAnswerFindsItsTicket(t *testing.T) {
	s := outbox(t, fakesmtp.Options{})
	m := openMailer(t, posting(t, s, "plain"))
	proof, err := m.Send(t.Context(), replied(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	sent := s.Mails()[0].Data
	h := headers(t, sent)
	reply, err := h.AddressList("Reply-To")
	if err != nil {
		t.Fatal(err)
	}
	byAddress := desk.SignedRef{Ticket: goldenTicket, Via: "reply address"}
	byID := desk.SignedRef{Ticket: goldenTicket, Via: "message id"}

	answer := "From: Zoe <zoe@b.example>\r\nMessage-ID: <q3@b.example>\r\nSubject: Re: Broken screen\r\nDate: Mon, 06 May 2024 09:00:00 +0000\r\n"
	for name, c := range map[string]struct {
		header     string
		signed     []desk.SignedRef
		references string // the nearest
	}{
		"all": {"To: " + reply[0].Address + "\r\nIn-Reply-To: " + h.Get("Message-Id") + "\r\nReferences: " + h.Get("References") + " " + h.Get("Message-Id") + "\r\n",
			[]desk.SignedRef{byAddress, byID}, proof.ExternalID},
		"address alone, in capitals": {"To: " + strings.ToUpper(reply[0].Address) + "\r\n", []desk.SignedRef{byAddress}, ""},
		"in-reply-to alone":          {"To: support@example.org\r\nIn-Reply-To: " + h.Get("Message-Id") + "\r\n", []desk.SignedRef{byID}, proof.ExternalID},
		"delivered-to":               {"Delivered-To: " + reply[0].Address + "\r\n", []desk.SignedRef{byAddress}, ""},
	} {
		d := parse(t, answer+c.header+"\r\nIt works.\r\n")
		if fmt.Sprint(d.Signed) != fmt.Sprint(c.signed) || d.Auto.Kind != "" {
			t.Errorf("%s: signed %v, auto %v", name, d.Signed, d.Auto)
		}
		// The books claimed the proof's external ID for the ticket: a plain
		// reference finds it as well.
		if c.references != "" && (len(d.References) == 0 || d.References[0] != c.references) {
			t.Errorf("%s: references %q", name, d.References)
		}
	}

	// The mail itself, back in our mailbox.
	if d := parse(t, string(sent)); d.Auto.Kind != desk.AutoOwn {
		t.Errorf("our own mail: %+v", d.Auto)
	}
	// Forwarded by a loop that changes who it is from and its ID.
	looped := strings.NewReplacer("<support@example.org>", "<zoe@b.example>", h.Get("Message-Id"), "<new@b.example>").Replace(string(sent))
	if d := parse(t, looped); d.Auto.Kind != desk.AutoOwn {
		t.Errorf("our mail in a loop: %+v", d.Auto)
	}

	head, _, _ := strings.Cut(string(sent), "\r\n\r\n")
	bounce := "From: MAILER-DAEMON@mx.b.example\r\nTo: support@example.org\r\nSubject: Undelivered Mail Returned to Sender\r\nMessage-ID: <b1@mx.b.example>\r\nDate: Mon, 06 May 2024 09:00:00 +0000\r\n" +
		"MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\nno such person\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.b.example\r\n\r\n" +
		"Final-Recipient: rfc822; zoe@b.example\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n--b\r\nContent-Type: text/rfc822-headers\r\n\r\n" + head + "\r\n\r\n--b--\r\n"
	d := parse(t, bounce)
	if d.Auto.Kind != desk.AutoBounce || len(d.References) == 0 || d.References[0] != proof.ExternalID || fmt.Sprint(d.Signed) != fmt.Sprint([]desk.SignedRef{byID}) {
		t.Errorf("bounce: %+v references %q signed %v", d.Auto, d.References, d.Signed)
	}
}

// A mail that came in is answered from the draft that was made of it.
func TestAnswerToADraft(t *testing.T) {
	d := parse(t, "From: Zoe <zoe@b.example>\r\nTo: support@example.org\r\nSubject: AW: Hilfe\r\nMessage-ID: <q3@b.example>\r\nReferences: <q1@b.example>\r\n <q2@b.example>\r\nDate: Mon, 06 May 2024 09:00:00 +0000\r\n\r\nHelp\r\n")
	a, err := compose(replied(t, func(r *desk.Reply, _ *replyTo) { r.Thread = d.Thread }), goldenSource, posted(t), testSecret)
	if err != nil {
		t.Fatal(err)
	}
	if a.subject != "Re: Hilfe" || a.inReplyTo != "q3@b.example" || strings.Join(a.references, " ") != "q1@b.example q2@b.example q3@b.example" || a.to[0].Address != "zoe@b.example" {
		t.Errorf("%+v", a)
	}
}

func TestSMTPSettings(t *testing.T) {
	mailbox := "host: imap.example.org\nuser: u\npassword: p\nsmtp:\n"
	good := "  host: smtp.example.org\n  from: support@example.org\n"
	for _, c := range []struct{ block, key string }{
		{good, ""},
		{good + "  user: u\n  password: p\n  replyTo: support@example.org\n  tls: tls\n", ""},
		{"  from: a@b.example\n", "smtp.host"},
		{"  host: x y\n  from: a@b.example\n", "smtp.host"},
		{"  host: smtp.example.org\n", "smtp.from"},
		{"  host: smtp.example.org\n  from: support\n", "smtp.from"},
		{"  host: smtp.example.org\n  from: a@b.example, c@d.example\n", "smtp.from"},
		{good + "  replyTo: support\n", "smtp.replyTo"},
		{good + "  replyTo: a-very-long-local-part@example.org\n", "smtp.replyTo"},
		{good + "  tls: none\n", "smtp.tls"},
		{good + "  tls: plain\n", "smtp.tls"},
		{good + "  port: 70000\n", "smtp.port"},
		{good + "  user: u\n", "smtp.password"},
		{good + "  password: p\n", "smtp.user"},
		{good + "  auth: cram-md5\n", "smtp.auth"},
		{good + "  user: u\n  tokenFile: /x\n", "smtp.tokenFile"},
		{good + "  timeout: 1ms\n", "smtp.timeout"},
		{good + "  dataTimeout: 2h\n", "smtp.dataTimeout"},
		{good + "  connections: 1000\n", "smtp.connections"},
		{good + "  helo: a b\n", "smtp.helo"},
		{good + "  caFile: /does/not/exist.pem\n", "smtp.caFile"},
	} {
		err := Kind().Check(block(mailbox + c.block))
		var wrong *desk.Invalid
		if c.key == "" && err != nil || c.key != "" && (!errors.As(err, &wrong) || wrong.Field != c.key) {
			t.Errorf("%q: %v, want %q", c.block, err, c.key)
		}
	}
	if err := Kind().Check(block(mailbox + good + "  cc: x\n")); err == nil {
		t.Error("an unknown key is taken")
	}
	s, err := load(block(mailbox+good), channels.Limits{})
	if err != nil || s.SMTP.Port != 587 || s.SMTP.TLS != tlsStart || s.SMTP.Helo != "example.org" || s.SMTP.Connections != 4 {
		t.Errorf("%+v %v", s.SMTP, err)
	}
	if j, _ := json.Marshal(s.SMTP.from); !strings.Contains(string(j), "support@example.org") {
		t.Errorf("from %s", j)
	}
}

// A process that was taken for dead while it wrote the mail does not end it: what has no
// end is no mail.
func TestNothingLeavesThatOthersSend(t *testing.T) {
	s := outbox(t, fakesmtp.Options{})
	m := openMailer(t, posting(t, s, "plain"))
	r := replied(t, func(*desk.Reply, *replyTo) {})
	r.Still = func(context.Context) error { return desk.ErrTaken }
	if _, err := m.Send(t.Context(), r); !errors.Is(err, desk.ErrTaken) || errors.Is(err, channels.ErrCutOff) || len(s.Mails()) > 0 {
		t.Errorf("%v, %d mails", err, len(s.Mails()))
	}
	r.Still = nil
	if _, err := m.Send(t.Context(), r); err != nil || len(s.Mails()) != 1 {
		t.Errorf("%v, %d mails", err, len(s.Mails()))
	}
}
