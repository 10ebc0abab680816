package pipeline

import (
	"slices"
	"strings"
	"testing"
	"time"

	"switchboard/pipeline/desk"
)

// opened files a first mail from alice@acme.example and returns its ticket.
func opened(t *testing.T, s *shelf, p *desk.Policy) *desk.Ticket {
	t.Helper()
	d := mail("root@acme", "alice@acme.example", "Printer on fire", "it burns")
	_, f := run(t, s, p, d, noon)
	return s.tickets[s.file(t, d, f)]
}

func TestThreading(t *testing.T) {
	later := noon.Add(time.Hour)
	day := 24 * time.Hour
	for _, c := range []struct {
		name    string
		draft   func(tk *desk.Ticket) *desk.Draft
		ticket  func(tk *desk.Ticket)
		at      time.Time
		joins   bool
		explain string // must stand in the trail
	}{
		{name: "the requester answers", joins: true, explain: "reference 1 is known",
			draft: func(*desk.Ticket) *desk.Draft {
				return mail("r1", "alice@acme.example", "Re: Printer on fire", "still", "root@acme")
			}},
		{name: "case of the address does not matter", joins: true,
			draft: func(*desk.Ticket) *desk.Draft {
				return mail("r1", "ALICE@Acme.Example", "Re: Printer on fire", "still", "root@acme")
			}},
		{name: "a colleague of the requester", joins: true, explain: "of the requester's company",
			draft: func(*desk.Ticket) *desk.Draft {
				return mail("r1", "carol@acme.example", "AW: Printer on fire", "me too", "root@acme")
			}},
		{name: "a stranger quotes the reference", joins: false, explain: "the sender takes no part in it",
			draft: func(*desk.Ticket) *desk.Draft {
				return mail("r1", "mallory@evil.example", "Re: Printer on fire", "hi", "root@acme")
			}},
		{name: "a stranger quotes the number", joins: false, explain: "the sender takes no part in it",
			draft: func(*desk.Ticket) *desk.Draft { return mail("r1", "mallory@evil.example", "[#1] x", "hi") }},
		{name: "a colleague may not use the number", joins: false,
			draft: func(*desk.Ticket) *desk.Draft { return mail("r1", "carol@acme.example", "[#1] x", "hi") }},
		{name: "the requester uses the number", joins: true, explain: "number 1 in the subject",
			draft: func(*desk.Ticket) *desk.Draft { return mail("r1", "alice@acme.example", "Ticket #1 again", "hi") }},
		{name: "a signed reply address beats all", joins: true, explain: "signed reply address",
			draft: func(tk *desk.Ticket) *desk.Draft {
				d := mail("r1", "helper@other.example", "quite another", "hi")
				d.Signed = []desk.SignedRef{{Ticket: tk.ID, Via: "reply address"}}
				return d
			}},
		{name: "a new topic on an old reference", joins: false, explain: "the subject is a new one",
			draft: func(*desk.Ticket) *desk.Draft {
				return mail("r1", "alice@acme.example", "Holiday plans", "hi", "root@acme")
			}},
		{name: "closed yesterday reopens", joins: true,
			ticket: func(tk *desk.Ticket) { at := later.Add(-day); tk.Status, tk.ClosedAt = desk.StatusClosed, &at },
			draft: func(*desk.Ticket) *desk.Draft {
				return mail("r1", "alice@acme.example", "Re: Printer on fire", "again", "root@acme")
			}},
		{name: "closed long ago opens a new one", joins: false, explain: "it was closed more than 30 days ago",
			ticket: func(tk *desk.Ticket) { at := later.Add(-31 * day); tk.Status, tk.ClosedAt = desk.StatusClosed, &at },
			draft: func(*desk.Ticket) *desk.Draft {
				return mail("r1", "alice@acme.example", "Re: Printer on fire", "again", "root@acme")
			}},
		{name: "too old", joins: false, explain: "more than 365 days", at: noon.Add(400 * day),
			draft: func(*desk.Ticket) *desk.Draft {
				return mail("r1", "alice@acme.example", "Re: Printer on fire", "again", "root@acme")
			}},
		{name: "deleted", joins: false, explain: "it was deleted",
			ticket: func(tk *desk.Ticket) { tk.DeletedAt = &later },
			draft: func(*desk.Ticket) *desk.Draft {
				return mail("r1", "alice@acme.example", "Re: Printer on fire", "again", "root@acme")
			}},
		{name: "another desk", joins: false, explain: "it belongs to a separate desk",
			draft: func(*desk.Ticket) *desk.Draft {
				d := mail("r1", "alice@acme.example", "[#1] x", "hi")
				d.Scope = "legal"
				return d
			}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, p := newShelf(), house(t)
			tk := opened(t, s, p)
			if c.ticket != nil {
				c.ticket(tk)
			}
			at := c.at
			if at.IsZero() {
				at = later
			}
			_, f := run(t, s, p, c.draft(tk), at)
			if f.Verdict != desk.Filed || (f.Ticket == nil) != c.joins || c.joins && f.Into != tk.ID {
				t.Errorf("joins %v, want %v\n%s", f.Ticket == nil, c.joins, trail(f))
			}
			if !strings.Contains(trail(f), c.explain) {
				t.Errorf("not explained by %q:\n%s", c.explain, trail(f))
			}
			if !c.joins && tk.DeletedAt == nil && c.name != "a new topic" && len(f.Links) == 0 {
				t.Errorf("the refused ticket is not recorded as related\n%s", trail(f))
			}
		})
	}
}

func TestMergedTicketIsFollowed(t *testing.T) {
	s, p := newShelf(), house(t)
	tk := opened(t, s, p)
	target := *tk
	target.ID, target.Number = desk.NewID[desk.TicketID](noon), 2
	s.tickets[target.ID] = &target
	tk.MergedInto = target.ID
	_, f := run(t, s, p, mail("r1", "alice@acme.example", "Re: Printer on fire", "x", "root@acme"), noon)
	if f.Into != target.ID {
		t.Errorf("went into %s, want %s\n%s", f.Into, target.ID, trail(f))
	}
	target.MergedInto = tk.ID // a circle ends
	_, f = run(t, s, p, mail("r2", "alice@acme.example", "Re: Printer on fire", "x", "root@acme"), noon)
	if f.Ticket == nil {
		t.Error("joined a circle of merges")
	}
}

// A reply that comes before its parent opens the ticket; the parent then joins
// it, whichever key ties them.
func TestChildBeforeParent(t *testing.T) {
	s, p := newShelf(), house(t)
	child := mail("child", "alice@acme.example", "Re: Printer on fire", "still", "root@acme")
	_, f := run(t, s, p, child, noon)
	id := s.file(t, child, f)
	parent := mail("root@acme", "alice@acme.example", "Printer on fire", "it burns")
	_, f = run(t, s, p, parent, noon)
	if f.Into != id {
		t.Errorf("two tickets for one conversation\n%s", trail(f))
	}
	// A sibling that shares only the root.
	s.file(t, parent, f)
	sibling := mail("sib", "alice@acme.example", "Re: Printer on fire", "and", "lost", "root@acme")
	if _, f = run(t, s, p, sibling, noon); f.Into != id {
		t.Errorf("the sibling went elsewhere\n%s", trail(f))
	}
}

func TestReplyWaitsForItsParentInTheLedger(t *testing.T) {
	s, p := newShelf(), house(t)
	s.seen["EMAIL root@acme"] = []desk.Seen{{Receipt: "01A", State: desk.Accepted}}
	reply := mail("r", "alice@acme.example", "Re: x", "y", "root@acme")
	if pass, _ := run(t, s, p, reply, noon); pass.Waiting() == "" {
		t.Error("did not wait")
	}
	for _, c := range []struct {
		name   string
		age    time.Duration // of the reply
		waited time.Duration // since the line first looked at it
		parent desk.State
		waits  bool
	}{
		{"after an outage", time.Hour, 0, desk.Accepted, true},
		{"after an outage, still", time.Hour, 29 * time.Second, desk.Accepted, true},
		{"not for ever: the parent may be in trouble", time.Minute, 31 * time.Second, desk.Accepted, false},
		{"a parent that failed", time.Hour, 0, desk.Failed, false},
		{"a parent that is held", time.Hour, 0, desk.Held, false},
	} {
		s.seen["EMAIL root@acme"][0].State = c.parent
		now := noon.Add(c.age)
		pass := NewPass(desk.NewReceipt(reply, noon), p, s, now)
		pass.Since = now.Add(-c.waited)
		if err := (&Line{Standard()}).Run(t.Context(), pass); err != nil || (pass.Waiting() != "") != c.waits {
			t.Errorf("%s: %v, waits %q", c.name, err, pass.Waiting())
		}
	}
}

func TestConversationKeepsItsOrder(t *testing.T) {
	s, p := newShelf(), house(t)
	d := &desk.Draft{Source: "chat", Channel: desk.Chat, Scope: "CHAT", ExternalID: "2", Fingerprint: "2", ReceivedAt: noon,
		From: desk.Party{Handle: "u1"}, Text: "second", Thread: desk.Thread{Key: "conv"}}
	s.ahead["CHAT conv"] = "01A"
	if pass, _ := run(t, s, p, d, noon); pass.Waiting() == "" {
		t.Error("overtook an earlier message of its conversation")
	}
	for waited, waits := range map[time.Duration]bool{0: true, 9 * time.Minute: true, 11 * time.Minute: false} {
		pass := NewPass(desk.NewReceipt(d, noon), p, s, noon.Add(time.Hour)) // after an outage
		pass.Since = pass.Now.Add(-waited)
		if err := (&Line{Standard()}).Run(t.Context(), pass); err != nil || (pass.Waiting() != "") != waits {
			t.Errorf("looked at for %s: %v, waits %q", waited, err, pass.Waiting())
		}
	}
	s.ahead["CHAT conv"] = "7ZZZZZZZZZZZZZZZZZZZZZZZZZ" // accepted later: not ahead
	if pass, _ := run(t, s, p, d, noon); pass.Waiting() != "" {
		t.Error("waits for a later message")
	}
}

func TestReferencesAreBounded(t *testing.T) {
	s, p := newShelf(), house(t)
	p.Threading.MaxRefs = 4
	refs := []string{"a", "b", "c", "d", "e", "f", "root"}
	pass, _ := run(t, s, p, mail("m", "a@b.example", "x", "y", refs...), noon)
	if got := strings.Join(pass.Claims, " "); got != "a b c root m" {
		t.Errorf("claims %q: the nearest and the root must be kept", got)
	}
}

func TestBaseSubject(t *testing.T) {
	for in, want := range map[string]string{
		"Re: Printer":                  "printer",
		"RE: re[2]: AW: Fwd: Printer ": "printer",
		"[list] Re: Printer (fwd)":     "printer",
		"Antwort: [#123] Printer":      "printer",
		"[EXT]":                        "[ext]",
		"Reprint":                      "reprint",
		"回复：打印机":                       "打印机",
		"":                             "",
	} {
		if got := baseSubject(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]int64{"[#42] x": 42, "Re: [Ticket #7]": 7, "ticket#9": 9, "case # 5": 5, "in case 5 people": 0, "#12": 0, "[#0]": 0} {
		if got, _ := subjectNumber(in); got != want {
			t.Errorf("%q: %d, want %d", in, got, want)
		}
	}
}

// A title keeps the first 500 characters of a subject: who writes on under the whole
// of it changed no topic. And a subject made of marks only is not gone through once
// for each of them.
func TestLongSubject(t *testing.T) {
	s, p := newShelf(), house(t)
	subject := strings.Repeat("Printer  on fire ", 60)
	d := mail("root@acme", "alice@acme.example", subject, "it burns")
	_, f := run(t, s, p, d, noon)
	id := s.file(t, d, f)
	_, f = run(t, s, p, mail("r1", "alice@acme.example", subject, "still", "root@acme"), noon.Add(time.Hour))
	if f.Into != id {
		t.Errorf("the same subject opens another ticket:\n%s", trail(f))
	}
	if n := len(baseSubject(strings.Repeat("x", 20_000))); n > maxTitle {
		t.Errorf("%d characters of a subject are gone through, want at most %d", n, maxTitle)
	}
}

func FuzzSubject(f *testing.F) {
	f.Add("Re: [#12] Fwd: x (fwd)")
	f.Add("[[[[[[")
	f.Fuzz(func(t *testing.T, s string) {
		b := baseSubject(s)
		if again := baseSubject(b); len(again) > len(b) {
			t.Errorf("%q grows to %q", b, again)
		}
		subjectNumber(s)
	})
}

// A thread in Slack or Teams has the audience the vendor keeps: a second person
// who answers there joins. A conversation whose ticket was closed long ago goes
// on in one new ticket, not in one a message.
func TestConversationOfAChannel(t *testing.T) {
	s, p := newShelf(), house(t)
	say := func(id, who string, at time.Time) *desk.Filing {
		d := &desk.Draft{Source: "acme", Channel: desk.Slack, Scope: "SLACK", ExternalID: id, Fingerprint: id, ReceivedAt: at,
			From: desk.Party{Handle: who}, Text: "text", Thread: desk.Thread{Key: "thread"}}
		_, f := run(t, s, p, d, at)
		s.file(t, d, f)
		for k := range f.Takes {
			s.threads["SLACK "+k] = f.Ticket.ID
		}
		return f
	}
	first := say("1", "U1", noon)
	if f := say("2", "U2", noon.Add(time.Minute)); f.Into != first.Ticket.ID {
		t.Fatalf("a second person in the thread was sent away:\n%s", trail(f))
	}
	closed := noon.Add(time.Hour)
	s.tickets[first.Ticket.ID].Status, s.tickets[first.Ticket.ID].ClosedAt = desk.StatusClosed, &closed
	later := noon.Add(60 * 24 * time.Hour)
	second := say("3", "U1", later)
	if second.Ticket == nil || second.Takes["thread"] != first.Ticket.ID || len(second.Links) != 1 {
		t.Fatalf("takes %v\n%s", second.Takes, trail(second))
	}
	if f := say("4", "U2", later.Add(time.Minute)); f.Into != second.Ticket.ID {
		t.Errorf("one new ticket a message:\n%s", trail(f))
	}
}

// An agent who answers in the vendor's own thread has answered: the clock
// stops, and nothing is sent again.
func TestStaffAnswersInTheThread(t *testing.T) {
	s, p := newShelf(), house(t)
	draft := func(id, who string) *desk.Draft {
		return &desk.Draft{Source: "acme", Channel: desk.Slack, Scope: "SLACK", ExternalID: id, Fingerprint: id, ReceivedAt: noon,
			From: desk.Party{Handle: who}, Text: "text", Thread: desk.Thread{Key: "thread"}}
	}
	d := draft("1", "U1")
	_, f := run(t, s, p, d, noon)
	id := s.file(t, d, f)
	d = draft("2", "UAGENT")
	d.Ask = &desk.Ask{Actor: desk.Actor{Kind: desk.ByAgent, ID: "UAGENT"}}
	_, f = run(t, s, p, d, noon.Add(time.Minute))
	s.file(t, d, f)
	if m := f.Message; f.Into != id || m.Author.Kind != desk.ByAgent || m.Direction != desk.Outbound || m.Send != desk.SendSent {
		t.Errorf("message %+v\n%s", m, trail(f))
	}
	if tk := s.tickets[id]; tk.FirstResponseAt == nil || tk.Status != desk.StatusOpen {
		t.Errorf("status %s, first response %v", tk.Status, tk.FirstResponseAt)
	}
	// Brought in by an agent, written by a customer.
	d = draft("3", "U1")
	d.Ask = &desk.Ask{Actor: desk.Actor{Kind: desk.ByAgent, ID: "UAGENT"}}
	if _, f = run(t, s, p, d, noon.Add(2*time.Minute)); f.Message.Direction != desk.Inbound || f.Change.Said.By != desk.ByCustomer {
		t.Errorf("a customer's message became an agent's: %+v", f.Message)
	}
}

// An older message of the conversation is known, the parent is on its way: the
// reply waits all the same, so that the conversation keeps its order.
func TestReplyWaitsThoughAnOlderReferenceIsKnown(t *testing.T) {
	s, p := newShelf(), house(t)
	opened(t, s, p)
	s.seen["EMAIL second@acme"] = []desk.Seen{{Receipt: "01A", State: desk.Accepted}}
	third := mail("third@acme", "alice@acme.example", "Re: Printer on fire", "and", "second@acme", "root@acme")
	if pass, _ := run(t, s, p, third, noon); pass.Waiting() == "" {
		t.Error("overtook its parent")
	}
}

// Whoever was shown a receipt of a form may go on by mail: the receipt's token
// in the subject leads to its ticket, across channels.
func TestReceiptInTheSubject(t *testing.T) {
	s, p := newShelf(), house(t)
	form := &desk.Draft{Source: "site", Channel: desk.WebForm, Scope: "WEB_FORM", ExternalID: "f1", Fingerprint: "f1", ReceivedAt: noon,
		From: desk.Party{Handle: "nina@home.example"}, Subject: "The lamp", Text: "is broken", Thread: desk.Thread{Key: "f1"}}
	_, f := run(t, s, p, form, noon)
	id := s.file(t, form, f)
	later := mail("m1", "nina@work.example", "Contact us [token]", "one more thing")
	later.Signed = []desk.SignedRef{{Receipt: f.Receipt, Via: "receipt"}}
	if _, f = run(t, s, p, later, noon.Add(time.Minute)); f.Into != id {
		t.Errorf("went elsewhere:\n%s", trail(f))
	}
	unknown := mail("m2", "nina@work.example", "Contact us [token]", "x")
	unknown.Signed = []desk.SignedRef{{Receipt: "01UNKNOWN", Via: "receipt"}}
	if _, f = run(t, s, p, unknown, noon); f.Ticket == nil {
		t.Errorf("joined something by an unknown receipt:\n%s", trail(f))
	}
}

// Where the key of a conversation tells all, a message does not claim its own ID.
// Should another name it all the same, the ledger knows where it is.
func TestPlainConversation(t *testing.T) {
	s, p := newShelf(), house(t)
	say := func(id, key string, plain bool, refs ...string) *desk.Filing {
		d := &desk.Draft{Source: "acme", Channel: desk.Chat, Scope: "CHAT", ExternalID: id, Fingerprint: id, ReceivedAt: noon, References: refs,
			From: desk.Party{Handle: "u1"}, Text: "text", Thread: desk.Thread{Key: key, Plain: plain}}
		_, f := run(t, s, p, d, noon)
		s.file(t, d, f)
		return f
	}
	first := say("1", "conv", true)
	if !slices.Equal(first.Claims, []string{"conv"}) {
		t.Errorf("claims %q", first.Claims)
	}
	if f := say("own", "own", true); !slices.Equal(f.Claims, []string{"own"}) {
		t.Errorf("the message that names its conversation claims %q", f.Claims)
	}
	if f := say("2", "conv", true); f.Into != first.Ticket.ID {
		t.Errorf("the second went elsewhere\n%s", trail(f))
	}
	for _, f := range []*desk.Filing{say("3", "other", false, "2"), say("4", "1", true)} {
		if f.Into != first.Ticket.ID {
			t.Errorf("what names a message went elsewhere\n%s", trail(f))
		}
	}
}

// What describes a ticket is fetched for a reply when a rule for replies asks.
func TestRepliesReadTheDescription(t *testing.T) {
	for on, want := range map[desk.Trigger]bool{desk.OnCreated: false, desk.OnReply: true, desk.OnAny: true} {
		s, p := newShelf(), house(t)
		p.Rules = []desk.Rule{{Name: "lamps", On: on, When: compile(t, `description contains "lamp"`), Then: desk.Action{Tags: []string{"lamp"}}}}
		first := mail("m1", "a@acme.example", "hello", "the lamp is broken")
		_, f := run(t, s, p, first, noon)
		s.file(t, first, f)
		reply := mail("m2", "a@acme.example", "Re: hello", "and now?")
		reply.References = []string{"m1"}
		if _, f = run(t, s, p, reply, noon); f.Into == "" || slices.Contains(f.Change.AddTags, "lamp") != want {
			t.Errorf("on %s: into %q, tags %q\n%s", on, f.Into, f.Change.AddTags, trail(f))
		}
	}
}
