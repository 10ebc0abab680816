package email

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"switchboard/channels/email/letter"
	"switchboard/pipeline/desk"
)

var update = flag.Bool("update", false, "write the golden files")

// The tickets and messages that testdata names.
const (
	goldenTicket  = desk.TicketID("01HV0000000000000000000001")
	goldenMessage = desk.MessageID("01HV0000000000000000000002")
)

var (
	goldenSource = desk.Source{Name: "support", Channel: desk.Email, Addresses: []string{"support@example.org", "help@example.org"}}
	goldenTime   = time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)
)

// fill puts tokens, which testdata cannot spell, into a mail.
func fill(raw []byte) []byte {
	return []byte(strings.NewReplacer(
		"{{message-id}}", MessageID(testSecret, goldenTicket, goldenMessage, "example.org"),
		"{{forged-id}}", MessageID(otherSecret, goldenTicket, goldenMessage, "example.org"),
		"{{reply-address}}", ReplyAddress(testSecret, "support@example.org", goldenTicket),
		"{{loop}}", LoopValue(testSecret),
	).Replace(string(raw)))
}

func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.eml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden mails: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			d, err := Parse(t.Context(), bytes.NewReader(fill(raw)), &blobs{}, goldenSource, testSecret, goldenTime)
			if err != nil {
				t.Fatal(err)
			}
			got, err := json.MarshalIndent(d, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, '\n')
			golden := strings.TrimSuffix(file, ".eml") + ".json"
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("draft differs from %s (see -update):\n%s", golden, got)
			}
		})
	}
}

func parse(t testing.TB, raw string) *desk.Draft {
	t.Helper()
	d, err := Parse(t.Context(), strings.NewReader(raw), &blobs{}, goldenSource, testSecret, goldenTime)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// One mail to two of our addresses differs in its trace fields only, and is one
// message; another mail under the same Message-ID is another.
func TestFingerprint(t *testing.T) {
	mail := "Message-ID: <a@b.example>\r\nFrom: Ann <ann@b.example>\r\nTo: support@example.org, help@example.org\r\nSubject: Help\r\nDate: Mon, 02 Jan 2023 15:04:05 +0100\r\n\r\nPlease.\r\n"
	one := parse(t, "Return-Path: <ann@b.example>\r\nDelivered-To: support@example.org\r\nReceived: by mx1; Mon, 02 Jan 2023 15:04:06 +0100\r\n"+mail)
	two := parse(t, "Delivered-To: help@example.org\r\nReceived: by mx2; Mon, 02 Jan 2023 15:04:09 +0100\r\n"+mail)
	if one.ExternalID != two.ExternalID || one.Fingerprint != two.Fingerprint || one.Thread.Key != two.Thread.Key {
		t.Errorf("two copies differ:\n%+v\n%+v", one, two)
	}
	for what, other := range map[string]string{
		"text":    strings.Replace(mail, "Please.", "Please!", 1),
		"subject": strings.Replace(mail, "Help", "Hello", 1),
		"date":    strings.Replace(mail, "15:04:05", "15:04:06", 1),
		"sender":  strings.Replace(mail, "<ann@", "<bob@", 1),
	} {
		if d := parse(t, other); d.ExternalID != one.ExternalID || d.Fingerprint == one.Fingerprint {
			t.Errorf("another %s gives the same fingerprint", what)
		}
	}
	zone := parse(t, strings.Replace(mail, "15:04:05 +0100", "14:04:05 +0000", 1))
	if zone.Fingerprint != one.Fingerprint {
		t.Error("the same instant in another zone gives another fingerprint")
	}
}

func TestNoMessageID(t *testing.T) {
	d := parse(t, "From: a@b.example\r\nSubject: x\r\n\r\ny\r\n")
	if d.ExternalID != "sha256:"+d.Raw.Digest || d.Thread.Key != d.ExternalID {
		t.Errorf("external ID %q, thread %q, raw %q", d.ExternalID, d.Thread.Key, d.Raw.Digest)
	}
}

func TestSender(t *testing.T) {
	a := func(name, addr string) []letter.Address { return []letter.Address{{Name: name, Addr: addr}} }
	for name, test := range map[string]struct {
		in   letter.Letter
		want desk.Party
	}{
		"from": {letter.Letter{From: a("Ann", "ann@b.example")}, desk.Party{Name: "Ann", Handle: "ann@b.example"}},
		"reply-to alone is not believed": {letter.Letter{From: a("Ann", "ann@b.example"), ReplyTo: a("Boss", "boss@b.example")},
			desk.Party{Name: "Ann", Handle: "ann@b.example"}},
		"google groups": {letter.Letter{From: a("'Ann' via Help", "help@example.org"), ReplyTo: a("Ann", "ann@b.example"),
			Headers: map[string]string{"x-original-from": "Ann <ann@b.example>"}}, desk.Party{Name: "Ann", Handle: "ann@b.example"}},
		"google groups, another reply-to": {letter.Letter{From: a("'Ann' via Help", "help@lists.example"), ReplyTo: a("", "boss@b.example"),
			Headers: map[string]string{"x-original-from": "Ann <ann@b.example>"}}, desk.Party{Name: "'Ann' via Help", Handle: "help@lists.example"}},
		"mailman": {letter.Letter{From: a("Ann via Help", "help@example.org"), ReplyTo: a("", "ann@b.example"),
			Headers: map[string]string{"list-post": "<mailto:help@example.org>"}}, desk.Party{Name: "Ann", Handle: "ann@b.example"}},
		"mailman, author in from": {letter.Letter{From: a("Ann", "ann@b.example"), ReplyTo: a("", "help@lists.example"),
			Headers: map[string]string{"list-post": "<mailto:help@lists.example>"}}, desk.Party{Name: "Ann", Handle: "ann@b.example"}},
		"name only":      {letter.Letter{From: a("Ann", ""), Sender: a("", "ann@b.example")}, desk.Party{Name: "Ann", Handle: "ann@b.example"}},
		"return path":    {letter.Letter{ReturnPath: a("", "ann@b.example")}, desk.Party{Handle: "ann@b.example"}},
		"nobody at all":  {letter.Letter{}, desk.Party{}},
		"only a name":    {letter.Letter{From: a("Ann", "")}, desk.Party{Name: "Ann"}},
		"two in from":    {letter.Letter{From: append(a("Ann", "ann@b.example"), a("Bob", "bob@b.example")...)}, desk.Party{Name: "Ann", Handle: "ann@b.example"}},
		"invalid utf-8 ": {letter.Letter{From: a("A\xff\x00", "ann@b.example")}, desk.Party{Name: "A\uFFFD", Handle: "ann@b.example"}},
	} {
		if got, doubt := sender(&test.in, goldenSource); got != test.want || doubt != "" {
			t.Errorf("%s: %+v, want %+v; %s", name, got, test.want, doubt)
		}
	}
}

// Anybody at a domain of their own can write the fields by which a list says whom it
// speaks for: they are believed of lists of ours alone.
func TestNobodySpeaksForOthers(t *testing.T) {
	for name, fields := range map[string]string{
		"List-Post":         "List-Post: <mailto:eve@evil.example>\r\n",
		"X-Original-From":   "X-Original-From: Ann <ann@b.example>\r\n",
		"X-Original-Sender": "X-Original-Sender: ann@b.example\r\n",
	} {
		d := parse(t, "From: Ann via Help <eve@evil.example>\r\nReply-To: ann@b.example\r\n"+fields+"\r\ny\r\n")
		if d.From.Handle != "eve@evil.example" || len(d.Damage) != 1 || !strings.Contains(d.Damage[0], "a mailing list, eve@evil.example, sent it") {
			t.Errorf("%s: from %+v, damage %q", name, d.From, d.Damage)
		}
		d = parse(t, "From: Ann via Help <support@example.org>\r\nReply-To: ann@b.example\r\n"+strings.Replace(fields, "eve@evil.example", "support@example.org", 1)+"\r\ny\r\n")
		if d.From.Handle != "ann@b.example" || len(d.Damage) != 0 || d.Auto.Kind == desk.AutoOwn {
			t.Errorf("%s of our own list: from %+v, damage %q, %+v", name, d.From, d.Damage, d.Auto)
		}
	}
}

func TestOwnMail(t *testing.T) {
	for name, test := range map[string]struct {
		header string
		want   desk.AutoKind
	}{
		"a customer":             {"From: ann@b.example\r\n", ""},
		"our address":            {"From: Support <Support@Example.org>\r\n", desk.AutoOwn},
		"our address with a tag": {"From: {{reply-address}}\r\n", desk.AutoOwn},
		"our header":             {"From: ann@b.example\r\nX-Switchboard-Loop: {{loop}}\r\n", desk.AutoOwn},
		"somebody's loop header": {"From: ann@b.example\r\nX-Switchboard-Loop: yes\r\n", ""},
		"our message id":         {"From: ann@b.example\r\nMessage-ID: <{{message-id}}>\r\n", desk.AutoOwn},
		"a forged message id":    {"From: ann@b.example\r\nMessage-ID: <{{forged-id}}>\r\n", ""},
	} {
		d := parse(t, string(fill([]byte(test.header)))+"Subject: x\r\n\r\ny\r\n")
		if d.Auto.Kind != test.want {
			t.Errorf("%s: %+v, want %q", name, d.Auto, test.want)
		}
	}
}

// An answer goes to Reply-To, unless that is us.
func TestAnswerGoesTo(t *testing.T) {
	for header, want := range map[string]string{
		"":                               "ann@b.example",
		"Reply-To: boss@b.example\r\n":   "boss@b.example",
		"Reply-To: help@example.org\r\n": "ann@b.example",
		"Reply-To: help@example.org, boss@b.example\r\n": "boss@b.example",
		"Reply-To: undisclosed\r\n":                      "ann@b.example",
		"Reply-To: boss@b..example\r\n":                  "ann@b.example",
		"Reply-To: x@y@, boss@b.example\r\n":             "boss@b.example",
	} {
		d := parse(t, "From: ann@b.example\r\n"+header+"\r\ny\r\n")
		var to replyTo
		if err := json.Unmarshal(d.Thread.Address, &to); err != nil {
			t.Fatal(err)
		}
		if len(to.To) != 1 || to.To[0].Handle != want {
			t.Errorf("%q: to %v, want %s", header, to.To, want)
		}
	}
}

// A mail that cannot be read still becomes a draft, with the original.
func TestUnreadableMail(t *testing.T) {
	raw := "Message-ID: <a@b.example>\r\nFrom: =?utf-8?q?Ann=C3=A9?= <ann@b.example>\r\nSubject: =?utf-8?q?H=C3=A9lp?=\r\n me\r\nDate: Mon, 02 Jan 2023 15:04:05 +0000\r\n\r\ntext\r\n"
	// The store refuses a part for good, which stands for whatever letter cannot read.
	b := &blobs{}
	mail := strings.Replace(raw, "\r\n\r\ntext", "\r\nContent-Type: application/pdf; name=x.pdf\r\n\r\ntext", 1)
	b.refuse = func(data []byte) error {
		if string(data) != mail {
			return desk.Invalidf("", "too large")
		}
		return nil
	}
	d, err := Parse(t.Context(), strings.NewReader(mail), b, goldenSource, testSecret, goldenTime)
	if err != nil {
		t.Fatal(err)
	}
	if d.Text != unreadableText || d.Subject != "Hélp me" || d.From != (desk.Party{Name: "Anné", Handle: "ann@b.example"}) || d.ExternalID != "a@b.example" {
		t.Errorf("draft %+v", d)
	}
	if len(d.Attachments) != 1 || d.Attachments[0].Name != "original.eml" || d.Attachments[0].Blob != d.Raw || len(d.Damage) != 1 {
		t.Errorf("attachments %v, damage %q", d.Attachments, d.Damage)
	}
}

// What is taken of it is as long as of any mail: a key of 60 KB fits no index of
// PostgreSQL, and the mailbox would stand still before it.
func TestUnreadableMailWithLongFields(t *testing.T) {
	long := strings.Repeat("x", 20_000)
	l := sketch([]byte("Message-ID: <" + long + "@b.example>\r\nFrom: " + long + " <" + long + "@b.example>\r\nSubject: " + long + "\r\n\r\n"))
	if len(l.MessageID) > 998 || len(l.From) != 1 || len(l.From[0].Addr) > 998 || len(l.From[0].Name) > 16<<10 || len(l.Subject) > 16<<10 {
		t.Errorf("Message-ID of %d bytes, From of %d, subject of %d", len(l.MessageID), len(l.From[0].Addr), len(l.Subject))
	}
}

// Failures of ours are errors, to be tried again, and no damage of the mail.
func TestParseErrors(t *testing.T) {
	raw := "From: a@b.example\r\nContent-Type: application/pdf; name=x.pdf\r\n\r\ntext\r\n"
	if _, err := Parse(t.Context(), iotest.ErrReader(errDown), &blobs{}, goldenSource, nil, goldenTime); !errors.Is(err, errDown) {
		t.Errorf("a reader that fails: %v", err)
	}
	b := &blobs{refuse: func(data []byte) error {
		if string(data) != raw {
			return errDown
		}
		return nil
	}}
	if _, err := Parse(t.Context(), strings.NewReader(raw), b, goldenSource, nil, goldenTime); !errors.Is(err, errDown) {
		t.Errorf("a blob store that fails: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Parse(ctx, strings.NewReader(raw), &blobs{}, goldenSource, nil, goldenTime); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that is done: %v", err)
	}
}

func TestField(t *testing.T) {
	head := []byte("Subject: one\r\n two\r\nX-A:b\r\nsubject: three\r\nEmpty:\r\n\r\nSubject: body\r\n")
	for name, want := range map[string]string{"SUBJECT": "one two", "x-a": "b", "empty": "", "Body": "", "Missing": ""} {
		if got := field(head, name); got != want {
			t.Errorf("field(%s) = %q, want %q", name, got, want)
		}
	}
	if got := field([]byte("Subject: cut"), "Subject"); got != "cut" {
		t.Errorf("a header that is cut: %q", got)
	}
}

// FuzzParse: whatever bytes come, there is a draft that every store can hold.
func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.eml")
	for _, file := range files {
		if raw, err := os.ReadFile(file); err == nil {
			f.Add(raw)
		}
	}
	f.Add([]byte(""))
	f.Add([]byte("From: \x00\xff\r\nX: y\r\n\r\n\x00"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		b := &blobs{}
		d, err := Parse(t.Context(), bytes.NewReader(raw), b, goldenSource, testSecret, goldenTime)
		if err != nil {
			t.Fatal(err)
		}
		if d.ExternalID == "" || d.Fingerprint == "" || d.Thread.Key == "" || d.ReceivedAt.IsZero() || !d.Raw.Valid() || !json.Valid(d.Thread.Address) {
			t.Fatalf("draft %+v", d)
		}
		for _, s := range []string{d.ExternalID, d.Thread.Key, string(d.Thread.Address), d.Subject, d.Text, d.From.Name, d.From.Handle} {
			if s != desk.Clean(s) || strings.Contains(s, `\u0000`) {
				t.Fatalf("%q is not clean", s)
			}
		}
		for _, a := range d.Attachments {
			if r, err := b.Open(t.Context(), a.Blob); err != nil {
				t.Fatalf("attachment %v: %v", a, err)
			} else {
				io.Copy(io.Discard, r)
			}
		}
	})
}

// More files than limits.attachments are cut from the draft and stay in the raw
// mail; the damage says so.
func TestAttachmentsAreBounded(t *testing.T) {
	var mail strings.Builder
	mail.WriteString("From: a@b.example\r\nMessage-ID: <many@b.example>\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n")
	for n := range 5 {
		fmt.Fprintf(&mail, "--x\r\nContent-Disposition: attachment; filename=f%d\r\n\r\n%d\r\n", n, n)
	}
	mail.WriteString("--x--\r\n")
	blobs := &blobs{kept: map[string][]byte{}}
	raw, err := blobs.Put(t.Context(), strings.NewReader(mail.String()))
	if err != nil {
		t.Fatal(err)
	}
	p := parser{source: desk.Source{Name: "s", Channel: desk.Email}, blobs: blobs, attachments: 3}
	d, err := p.stored(t.Context(), raw, time.Time{}, nil)
	if err != nil || len(d.Attachments) != 3 || len(d.Damage) == 0 || !strings.Contains(d.Damage[len(d.Damage)-1], "limits.attachments (3)") {
		t.Errorf("%d attachments, damage %q, %v", len(d.Attachments), d.Damage, err)
	}
}

// A name that turns its own writing around shows another ending than it has: "exe" as
// if it were "pdf". It is kept without what turns it.
func TestFileNameThatTurns(t *testing.T) {
	for name, want := range map[string]string{
		"bill\u202efdp.exe":    "billfdp.exe",
		"\u2067bill\u2069.pdf": "bill.pdf",
		"\u202d":               "file",
		"חשבון\u200e 12.pdf":   "חשבון\u200e 12.pdf",
	} {
		d := parse(t, "From: a@b.example\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment; filename*=UTF-8''"+
			url.PathEscape(name)+"\r\n\r\nx\r\n")
		if len(d.Attachments) != 1 || d.Attachments[0].Name != want {
			t.Errorf("%+q: %+v", name, d.Attachments)
		}
	}
}
