package email

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	netmail "net/mail"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"switchboard/channels/markup"
	"switchboard/pipeline/desk"
)

// posted are the settings of the golden answers.
func posted(t testing.TB) *smtpSettings {
	t.Helper()
	s := &smtpSettings{Host: "smtp.example.org", From: "Acmé Support <support@example.org>", ReplyTo: "support@example.org"}
	if err := s.check(); err != nil {
		t.Fatal(err)
	}
	return s
}

// replied is a reply to the golden question.
func replied(t testing.TB, change func(*desk.Reply, *replyTo)) *desk.Reply {
	t.Helper()
	to := replyTo{To: []desk.Party{{Name: "Zoë Ann", Handle: "zoe@b.example"}}, MessageID: "q2@b.example",
		References: []string{"root@b.example", "q1@b.example"}, Subject: "Broken screen"}
	r := &desk.Reply{Message: desk.Message{
		ID: goldenMessage, TicketID: goldenTicket, Author: desk.Actor{Kind: desk.ByAgent, ID: "ada"}, CreatedAt: goldenTime,
		Text: "Hello **Zoë**,\n\ntry this:\n\n1. switch it *off*\n2. and on\n\n.\nRegards\n-- \nAda",
	}}
	if change != nil {
		change(r, &to)
	}
	address, err := json.Marshal(to)
	if err != nil {
		t.Fatal(err)
	}
	if r.Thread.Address == nil {
		r.Thread.Address = address
	}
	return r
}

// written composes and writes a reply.
func written(t testing.TB, r *desk.Reply, s *smtpSettings, b *blobs) []byte {
	t.Helper()
	a, err := compose(r, goldenSource, s, testSecret)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := a.write(&out, func(ref desk.BlobRef) (io.ReadCloser, error) { return b.Open(t.Context(), ref) }); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func put(t testing.TB, b *blobs, content string) desk.BlobRef {
	t.Helper()
	ref, err := b.Put(t.Context(), strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

// TestGoldenAnswers compares whole mails with testdata/answers/*.eml.
func TestGoldenAnswers(t *testing.T) {
	b := &blobs{}
	image, pdf := put(t, b, "\x89PNG not really"), put(t, b, "%PDF-1.7 "+strings.Repeat("not really ", 20))
	for name, change := range map[string]func(*desk.Reply, *replyTo){
		"plain": nil,
		"files": func(r *desk.Reply, to *replyTo) {
			r.Message.Text = "See ![the screen](cid:screen@x) and the file."
			r.Message.Attachments = []desk.Attachment{
				{Name: "screen.png", ContentType: "image/png", ContentID: "screen@x", Inline: true, Blob: image},
				{Name: "../Rechnung für Zoë \"1\".pdf", ContentType: "application/pdf", Blob: pdf},
				{Name: "mail.eml", ContentType: "message/rfc822", ContentID: "unused", Inline: true, Blob: pdf},
			}
		},
		"automatic": func(r *desk.Reply, to *replyTo) {
			r.Message.Author = desk.Actor{Kind: desk.BySystem, ID: "acknowledge"}
			r.Message.Text = "We have your message.\n"
			to.Subject, to.Cc = "Buy pills at http://x.example", []desk.Party{{Handle: "victim@c.example"}}
		},
		"hostile": func(r *desk.Reply, to *replyTo) {
			to.Subject = "a\r\nBcc: everybody@c.example\r\n\r\n<script> =?utf-8?q?x?= " + strings.Repeat("long", 40)
			to.To = []desk.Party{{Name: "Zoë\r\nBcc: a@c.example", Handle: "zoe@b.example"}}
			to.MessageID, to.References = "ok@b.example", []string{"a b@x", "c>\r\nBcc: d@c.example", "é@x", "<x@y>", "", "root@b.example", "root@b.example"}
			to.Cc = []desk.Party{{Handle: "zoe@B.example"}, {Handle: "bob@bücher.example"}, {Handle: "Help@example.org"}}
			r.Message.Text = "[click](javascript:alert(1)) <script>alert(1)</script>\n\n<img src=x onerror=alert(1)>\n" + strings.Repeat("長", 40)
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := written(t, replied(t, change), posted(t), b)
			if again := written(t, replied(t, change), posted(t), b); !bytes.Equal(got, again) {
				t.Error("the same reply gives another mail")
			}
			golden := filepath.Join("testdata", "answers", name+".eml")
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
				t.Errorf("mail differs from %s (see -update):\n%s", golden, got)
			}
		})
	}
}

func TestSubjects(t *testing.T) {
	for _, c := range []struct {
		asked, own string
		auto       bool
		want       string
	}{
		{"Help", "", false, "Re: Help"},
		{"RE: Help", "", false, "Re: Help"},
		{"AW: Re[2]: re： Help", "", false, "Re: Help"},
		{"Reboot", "", false, "Re: Reboot"},
		{"", "Your order", false, "Re: Your order"},
		{"", "", false, "Re:"},
		{"Win money", "", true, "Auto: we have received your message"},
		{"Win money", "We got it", true, "We got it"},
	} {
		if got := subject(c.asked, c.own, c.auto); got != c.want {
			t.Errorf("subject(%q, %q, %v) = %q, want %q", c.asked, c.own, c.auto, got, c.want)
		}
	}
}

func TestAncestors(t *testing.T) {
	var long []string
	for i := range 60 {
		long = append(long, fmt.Sprintf("id%d@x", i))
	}
	parent, refs := ancestors("last@x", long)
	if parent != "last@x" || len(refs) != maxReferences || refs[0] != "id0@x" || refs[1] != "id41@x" || refs[20] != "last@x" {
		t.Errorf("%q %q", parent, refs)
	}
	if !slices.Equal(long[:2], []string{"id0@x", "id1@x"}) {
		t.Error("the thread's own list was changed")
	}
	if parent, refs = ancestors("", nil); parent != "" || refs != nil {
		t.Errorf("%q %q", parent, refs)
	}
}

func TestRecipients(t *testing.T) {
	s := posted(t)
	for name, c := range map[string]struct {
		change func(*desk.Reply, *replyTo)
		want   string // "" is refused for good
	}{
		"thread": {nil, "zoe@b.example"},
		"customer": {func(r *desk.Reply, to *replyTo) {
			to.To = nil
			r.To = []desk.Party{{Handle: "a@b.example"}, {Handle: "c@d.example"}}
		}, "a@b.example"},
		"thread first": {func(r *desk.Reply, to *replyTo) { r.To = []desk.Party{{Handle: "a@b.example"}} }, "zoe@b.example"},
		"idn":          {func(r *desk.Reply, to *replyTo) { to.To = []desk.Party{{Handle: "a@Bücher.example"}} }, "a@xn--bcher-kva.example"},
		"quoted":       {func(r *desk.Reply, to *replyTo) { to.To = []desk.Party{{Handle: `"a b"@b.example`}} }, "a b@b.example"},
		"double dots":  {func(r *desk.Reply, to *replyTo) { to.To = []desk.Party{{Handle: "a..b.@b.example"}} }, "a..b.@b.example"},
		"underscore":   {func(r *desk.Reply, to *replyTo) { to.To = []desk.Party{{Handle: "a@mail_1.b.example"}} }, "a@mail_1.b.example"},
		"hyphens":      {func(r *desk.Reply, to *replyTo) { to.To = []desk.Party{{Handle: "a@r3--b.example"}} }, "a@r3--b.example"},
		"long": {func(r *desk.Reply, to *replyTo) {
			to.To = []desk.Party{{Handle: "reply+" + strings.Repeat("x", 80) + "@b.example"}}
		}, "reply+" + strings.Repeat("x", 80) + "@b.example"},
		"longer than a path": {func(r *desk.Reply, to *replyTo) {
			to.To = []desk.Party{{Handle: strings.Repeat("x", 250) + "@b.example"}}
		}, ""},
		"nobody":    {func(r *desk.Reply, to *replyTo) { to.To = nil }, ""},
		"ourselves": {func(r *desk.Reply, to *replyTo) { to.To = []desk.Party{{Handle: "Support+x@example.org"}} }, ""},
		"line end": {func(r *desk.Reply, to *replyTo) {
			to.To = []desk.Party{{Handle: "a@b.example>\r\nRCPT TO:<c@d.example"}}
		}, ""},
		"two in one":        {func(r *desk.Reply, to *replyTo) { to.To = []desk.Party{{Handle: "a@b.example, c@d.example"}} }, ""},
		"no address":        {func(r *desk.Reply, to *replyTo) { to.To = []desk.Party{{Handle: "undisclosed-recipients"}} }, ""},
		"unreadable":        {func(r *desk.Reply, to *replyTo) { r.Thread.Address = json.RawMessage(`{"to":1}`) }, ""},
		"another channel's": {func(r *desk.Reply, to *replyTo) { r.Thread.Address = json.RawMessage(`{"channel":"C1"}`) }, ""},
	} {
		a, err := compose(replied(t, c.change), goldenSource, s, testSecret)
		switch {
		case c.want == "" && !desk.IsPermanent(err):
			t.Errorf("%s: %v, want a permanent error", name, err)
		case c.want != "" && (err != nil || len(a.to) != 1 || a.to[0].Address != c.want):
			t.Errorf("%s: %v %v, want %s", name, a, err, c.want)
		}
	}
}

// What compose writes, letter and draftFrom read back: words, files, thread.
func TestAnswerIsReadBack(t *testing.T) {
	s := posted(t)
	piece := rapid.StringMatching(`[ -~äöüßéñ漢字🙂\n\t]{0,60}`)
	address := rapid.StringMatching(`[a-z]([a-z0-9+_-]{0,6}\.)?[a-z0-9]{1,4}@[a-z]{1,8}\.example`)
	id := rapid.StringMatching(`[a-zA-Z0-9.$=_-]{1,40}@[a-z.]{1,10}[a-z]`)
	rapid.Check(t, func(rt *rapid.T) {
		b := &blobs{}
		want := replyTo{To: []desk.Party{{Name: words(piece.Draw(rt, "name"), 200), Handle: address.Draw(rt, "to")}},
			MessageID: id.Draw(rt, "parent"), References: rapid.SliceOfNDistinct(id, 0, 5, rapid.ID[string]).Draw(rt, "references"),
			Subject: piece.Draw(rt, "subject")}
		var contents []string
		r := replied(t, func(r *desk.Reply, to *replyTo) {
			*to = want
			r.Message.Text = strings.Join(rapid.SliceOfN(piece, 0, 6).Draw(rt, "text"), "\n")
			for range rapid.IntRange(0, 3).Draw(rt, "files") {
				content := string(rapid.SliceOf(rapid.Byte()).Draw(rt, "content"))
				contents = append(contents, content)
				name := rapid.StringMatching(`[A-Za-zäöü漢0-9 ()_'%;="-]{1,80}`).Draw(rt, "file") + ".bin"
				r.Message.Attachments = append(r.Message.Attachments, desk.Attachment{Name: name, ContentType: "application/x-thing", Blob: put(t, b, content)})
			}
		})
		raw := written(t, r, s, b)
		sent := headers(t, raw)
		if got := sent.Get("Subject"); strings.ContainsAny(got, "\r\n") || len(sent["Bcc"]) > 0 {
			rt.Fatalf("header %q", got)
		}
		d, err := Parse(t.Context(), bytes.NewReader(raw), b, desk.Source{Name: "customer", Channel: desk.Email}, nil, goldenTime)
		if err != nil {
			rt.Fatal(err)
		}
		if len(d.Damage) > 0 {
			rt.Fatalf("damage %q in\n%s", d.Damage, raw)
		}
		if got, want := squeeze(d.Text), squeeze(markup.ToPlain(r.Message.Text)); got != want {
			rt.Fatalf("text %q, want %q", got, want)
		}
		if want := subject(want.Subject, "", false); d.Subject != want {
			rt.Fatalf("subject %q, want %q", d.Subject, want)
		}
		if d.From.Name != "Acmé Support" || d.From.Handle != "support@example.org" || len(d.To) != 1 || d.To[0] != want.To[0] {
			rt.Fatalf("from %v to %v, want %v", d.From, d.To, want.To)
		}
		if d.ExternalID != MessageID(testSecret, goldenTicket, goldenMessage, "example.org") || !d.SentAt.Equal(goldenTime) {
			rt.Fatalf("id %q at %v", d.ExternalID, d.SentAt)
		}
		_, chain := ancestors(want.MessageID, want.References)
		slices.Reverse(chain)
		if got := d.References; len(got) != len(chain) || got[0] != want.MessageID {
			rt.Fatalf("references %q, want %q", got, chain)
		}
		if len(d.Attachments) != len(contents) {
			rt.Fatalf("files %v, want %d", d.Attachments, len(contents))
		}
		for i, a := range d.Attachments {
			if string(b.get(t, a.Blob)) != contents[i] || a.ContentType != "application/x-thing" || a.Name != fileName(r.Message.Attachments[i].Name) {
				rt.Fatalf("file %+v, want %q", a, r.Message.Attachments[i].Name)
			}
		}
	})
}

func squeeze(s string) string { return strings.Join(strings.Fields(s), " ") }

func headers(t testing.TB, raw []byte) netmail.Header {
	t.Helper()
	m, err := netmail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	return m.Header
}

// FuzzCompose: whatever a stranger's mail left in the thread, the header holds
// our fields, each once, and nobody else gets the mail.
func FuzzCompose(f *testing.F) {
	f.Add("Help", "Zoë", "zoe@b.example", "a@b", "c@d", "hello", "file.txt", "text/plain")
	f.Add("a\r\nBcc: x@y\r\n\r\nbody", "\"x\" <y@z>", "a@b\r\nBcc: c@d", "x>\r\nTo: <y", "\x00", "[a](javascript:x)", "../\r\nx", "a/b; c=\"\r\nX: y\"")
	s := posted(f)
	f.Fuzz(func(t *testing.T, subject, name, handle, id, ref, text, file, kind string) {
		b := &blobs{}
		r := replied(t, func(r *desk.Reply, to *replyTo) {
			*to = replyTo{To: []desk.Party{{Name: name, Handle: handle}, {Handle: "zoe@b.example"}}, MessageID: id, References: []string{ref}, Subject: subject}
			r.Message.Text = text
			r.Message.Attachments = []desk.Attachment{{Name: file, ContentType: kind, ContentID: ref, Inline: true, Blob: put(t, b, "x")}}
		})
		if _, err := compose(r, goldenSource, s, testSecret); err != nil {
			if !desk.IsPermanent(err) {
				t.Fatal(err)
			}
			return
		}
		raw := written(t, r, s, b)
		for name, values := range headers(t, raw) {
			if len(values) != 1 || !slices.Contains([]string{"Date", "From", "Reply-To", "To", "Message-Id", "In-Reply-To", "References", "Subject", LoopHeader, "Mime-Version", "Content-Type"}, name) {
				t.Fatalf("field %s: %q", name, values)
			}
		}
		for line := range bytes.Lines(raw) {
			if len(line) > 1000 || !bytes.HasSuffix(line, []byte("\r\n")) {
				t.Fatalf("line %q", line)
			}
		}
		if i := bytes.IndexFunc(raw, func(r rune) bool { return r >= 0x80 }); i >= 0 && addressesAreASCII(handle) {
			t.Fatalf("not ASCII at %d: %q", i, raw[max(0, i-40):i])
		}
	})
}

func addressesAreASCII(handle string) bool {
	local, _, _ := cutAddress(handle)
	return ascii(local)
}

func TestDate(t *testing.T) {
	r := replied(t, func(r *desk.Reply, _ *replyTo) {
		r.Message.CreatedAt = time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600))
	})
	if got := headers(t, written(t, r, posted(t), &blobs{})).Get("Date"); got != "Fri, 02 Jan 2026 03:04:05 +0100" {
		t.Errorf("date %q", got)
	}
}
