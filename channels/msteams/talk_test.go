package msteams

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"switchboard/channels/msteams/faketeams"
	"switchboard/pipeline/desk"
)

// TestConversation walks a channel thread through everything that can happen to
// it.
func TestConversation(t *testing.T) {
	h := newHouse(t, options{})
	f := h.fake
	first := f.Message(f.Channel(), h.person, "The printer burns\n& smokes")
	h.deliver(t, first, 200)
	root := h.one(t)
	thread := f.In(first)
	id := fmt.Sprint(first["id"])
	if root.ExternalID != thread.ID+"/"+id || root.Thread.Key != thread.ID+";messageid="+id {
		t.Errorf("external ID %q, thread %q", root.ExternalID, root.Thread.Key)
	}
	if !strings.HasPrefix(root.Text, "The printer burns") || strings.Contains(root.Text, "Support") || !strings.Contains(root.Text, "smokes") {
		t.Errorf("text %q", root.Text)
	}
	if root.From != (desk.Party{Name: "Ada Okafor", Handle: h.person.AAD}) {
		t.Errorf("from %+v", root.From)
	}
	if p := root.Profile; p == nil || p.Email != "ada@customer.example" || !p.EmailVerified || p.Name != "Ada Okafor" || p.Language != "en-US" {
		t.Errorf("profile %+v", p)
	}
	if root.Scope != "MS_TEAMS" || root.Channel != desk.MSTeams || root.Source != "chat" || root.Act != "" || root.Auto.Kind != "" {
		t.Errorf("draft %+v", root)
	}
	var raw map[string]any
	if json.Unmarshal(h.bytes(t, root.Raw), &raw) != nil || raw["id"] != id {
		t.Error("the raw activity was not kept")
	}
	if !bytes.Contains(h.bytes(t, root.HTML), []byte("<p>")) {
		t.Error("the formatted text was not kept")
	}

	// The same again, as a redelivery: one message.
	h.deliver(t, first, 200)
	h.one(t)

	// A follow-up of somebody else in the thread.
	other := f.Person("Bo Lindqvist", "bo@customer.example")
	follow := f.Message(thread, other, "same here")
	h.deliver(t, follow, 200)
	all := h.ledger.all()
	if len(all) != 2 || all[1].Thread.Key != root.Thread.Key || all[1].ExternalID == root.ExternalID {
		t.Fatalf("the follow-up is not in the thread: %+v", all[1])
	}

	// Edit, delete, undelete: each once, each of the first message.
	for i, e := range []struct {
		activity faketeams.Activity
		act      desk.Act
		text     string
	}{
		{f.Edited(first, "The printer smokes"), desk.ActEdit, "The printer smokes"},
		{f.Deleted(first), desk.ActDelete, ""},
		{f.Undeleted(first), desk.ActRestore, root.Text},
	} {
		h.deliver(t, e.activity, 200)
		h.deliver(t, e.activity, 200)
		all := h.ledger.all()
		if len(all) != 3+i {
			t.Fatalf("%s: %d drafts", e.act, len(all))
		}
		d := all[2+i]
		if d.Act != e.act || d.Target != root.ExternalID || d.Text != e.text || d.ExternalID == root.ExternalID || d.Thread.Key != root.Thread.Key {
			t.Errorf("%s: %+v", e.act, d)
		}
	}

	// The answer goes into the thread, to the last who wrote.
	proof, err := h.Send(t.Context(), answerTo(all[1], "Unplug **it** & wait"))
	if err != nil {
		t.Fatal(err)
	}
	sent := f.Sent()
	if len(sent) != 1 || sent[0].Conversation != root.Thread.Key || sent[0].ReplyTo != follow["id"] || proof.ExternalID != thread.ID+"/"+sent[0].ID || proof.At != h.clock.Now() {
		t.Fatalf("sent %+v, proof %+v", sent, proof)
	}
	if got := sent[0].Text(); !strings.Contains(got, "<strong>it</strong> &amp; wait") || sent[0].Activity["textFormat"] != "xml" {
		t.Errorf("said %q", got)
	}

	// We change it and take it back.
	if err := h.Edit(t.Context(), answerTo(all[1], "Call us"), proof.ExternalID); err != nil {
		t.Fatal(err)
	}
	if err := h.Remove(t.Context(), answerTo(all[1], ""), proof.ExternalID); err != nil {
		t.Fatal(err)
	}
	if err := h.Remove(t.Context(), answerTo(all[1], ""), proof.ExternalID); err != nil {
		t.Errorf("to remove what is gone is no error, got %v", err)
	}
	sent = f.Sent()
	if len(sent) != 3 || sent[1].Method != "PUT" || sent[1].ID != sent[0].ID || !strings.Contains(sent[1].Text(), "Call us") || sent[2].Method != "DELETE" {
		t.Errorf("sent %+v", sent)
	}
	h.well(t)
}

// TestEditTwice: two edits are two, with their own words.
func TestEditTwice(t *testing.T) {
	h := newHouse(t, options{})
	a := h.fake.Message(h.fake.Personal(h.person), h.person, "one")
	h.deliver(t, a, 200)
	two := h.fake.Edited(a, "two")
	h.deliver(t, two, 200)
	h.deliver(t, h.fake.Edited(two, "three"), 200)
	all := h.ledger.all()
	if len(all) != 3 || all[1].Text != "two" || all[2].Text != "three" || all[1].ExternalID == all[2].ExternalID || all[1].Target != all[2].Target {
		t.Errorf("drafts: %+v", all)
	}
	h.well(t)
}

// TestAnswerAfterDelete: the message answered is gone; the answer goes to the
// thread.
func TestAnswerAfterDelete(t *testing.T) {
	h := newHouse(t, options{})
	a := h.fake.Message(h.fake.Channel(), h.person, "help")
	h.deliver(t, a, 200)
	d := h.one(t)
	var to address
	if err := json.Unmarshal(d.Thread.Address, &to); err != nil {
		t.Fatal(err)
	}
	to.ReplyTo = "42"
	d.Thread.Address, _ = json.Marshal(to)
	if _, err := h.Send(t.Context(), answerTo(d, "hello")); err != nil {
		t.Fatal(err)
	}
	if sent := h.fake.Sent(); len(sent) != 1 || sent[0].ReplyTo != "" || sent[0].Conversation != d.Thread.Key {
		t.Errorf("sent %+v", sent)
	}

	h.deliver(t, h.fake.Deleted(a), 200)
	if err := json.Unmarshal(h.ledger.all()[1].Thread.Address, &to); err != nil || to.ReplyTo == a["id"] {
		t.Errorf("a deleted message is still answered: %+v", to)
	}
	h.well(t)
}

// TestPersonalChat: one conversation, or with a window several.
func TestPersonalChat(t *testing.T) {
	for _, window := range []time.Duration{0, 4 * time.Hour} {
		h := newHouse(t, options{settings: func(s *settings) { s.Window = window }})
		chat := h.fake.Personal(h.person)
		for _, text := range []string{"hi", "my phone is dead"} {
			h.deliver(t, h.fake.Message(chat, h.person, text), 200)
		}
		all := h.ledger.all()
		if window == 0 && (all[0].Thread.Key != chat.ID || all[1].Thread.Key != chat.ID || all[0].Group != "") {
			t.Errorf("threads %+v, %+v", all[0].Thread, all[1].Thread)
		}
		if window > 0 && (all[0].Group != chat.ID || all[1].Window != window || all[0].Thread.Key == all[1].Thread.Key) {
			t.Errorf("groups %q %q", all[0].Group, all[1].Group)
		}
		if _, err := h.Send(t.Context(), answerTo(all[1], "Which phone?")); err != nil {
			t.Error(err)
		}
		if sent := h.fake.Sent(); len(sent) != 1 || sent[0].Conversation != chat.ID {
			t.Errorf("sent %+v", sent)
		}
		h.well(t)
	}
}

// TestPrivate: nothing but public answers leaves the house.
func TestPrivate(t *testing.T) {
	h := newHouse(t, options{})
	h.deliver(t, h.fake.Message(h.fake.Personal(h.person), h.person, "help"), 200)
	d := h.one(t)
	for name, change := range map[string]func(*desk.Message){
		"a note":            func(m *desk.Message) { m.Public, m.Direction = false, desk.Internal },
		"private, outbound": func(m *desk.Message) { m.Public = false },
		"public, internal":  func(m *desk.Message) { m.Direction = desk.Internal },
		"inbound":           func(m *desk.Message) { m.Direction = desk.Inbound },
	} {
		r := answerTo(d, "secret")
		change(&r.Message)
		if _, err := h.Send(t.Context(), r); !desk.IsPermanent(err) {
			t.Errorf("%s: %v", name, err)
		}
		if err := h.Edit(t.Context(), r, d.ExternalID); !desk.IsPermanent(err) {
			t.Errorf("%s: edit: %v", name, err)
		}
	}
	if len(h.fake.Sent()) != 0 {
		t.Error("something private left")
	}
	h.well(t)
}

// TestFiles: files and pictures arrive byte for byte.
func TestFiles(t *testing.T) {
	h := newHouse(t, options{})
	f := h.fake
	big := make([]byte, 3<<20)
	rand.Read(big)
	picture := []byte("\x89PNG\r\n\x1a\nnot really")
	a := f.Message(f.Personal(h.person), h.person, "see here")
	a = f.WithFile(a, "log.txt", []byte("line\r\nline"))
	a = f.WithFile(a, "../../data.bin", big)
	a = f.WithPicture(a, "image/png", picture)
	h.deliver(t, a, 200)
	d := h.one(t)
	if len(d.Damage) > 0 || len(d.Attachments) != 3 {
		t.Fatalf("%d files, damage %q", len(d.Attachments), d.Damage)
	}
	for i, want := range []struct {
		name, kind string
		data       []byte
		inline     bool
	}{{"log.txt", "text/plain", []byte("line\r\nline"), false}, {"data.bin", "application/octet-stream", big, false}, {"image", "image/png", picture, true}} {
		got := d.Attachments[i]
		if got.Name != want.name || got.ContentType != want.kind || got.Inline != want.inline || !bytes.Equal(h.bytes(t, got.Blob), want.data) {
			t.Errorf("file %d: %+v", i, got)
		}
	}
	h.well(t)
}

// TestEditBringsFiles: a picture put into a message later arrives with the edit.
func TestEditBringsFiles(t *testing.T) {
	h := newHouse(t, options{})
	f := h.fake
	first := f.Message(f.Personal(h.person), h.person, "it broke")
	h.deliver(t, first, 200)
	picture := []byte("\x89PNG\r\n\x1a\nnot really")
	h.deliver(t, f.WithPicture(f.Edited(first, "it broke, see"), "image/png", picture), 200)
	all := h.ledger.all()
	if len(all) != 2 || all[1].Act != desk.ActEdit || len(all[1].Attachments) != 1 || !bytes.Equal(h.bytes(t, all[1].Attachments[0].Blob), picture) {
		t.Fatalf("%+v", all)
	}
	h.deliver(t, f.Deleted(first), 200)
	if all = h.ledger.all(); len(all) != 3 || len(all[2].Attachments) != 0 {
		t.Errorf("%+v", all)
	}
	h.well(t)
}

// TestFilesThatFail: the message arrives and says what is missing.
func TestFilesThatFail(t *testing.T) {
	h := newHouse(t, options{extra: "fileBytes: 1KB\nfiles: 9\ntimeouts: { files: 1s }\n"})
	f := h.fake
	file := func(address string) map[string]any {
		return map[string]any{"contentType": typeDownload, "name": "f", "content": map[string]any{"downloadUrl": address}}
	}
	picture := func(address string) map[string]any {
		return map[string]any{"contentType": "image/png", "contentUrl": address}
	}
	cases := map[string]struct {
		file any
		says string
	}{
		"no address":               {map[string]any{"contentType": typeDownload, "name": "f"}, "refused"},
		"content of odd type":      {map[string]any{"contentType": typeDownload, "content": 5}, "refused"},
		"private address":          {file("https://10.1.2.3/x"), "not allowed"},
		"loopback, other port":     {file("http://127.0.0.1:1/x"), "not allowed"},
		"metadata service":         {file("http://169.254.169.254/latest"), "refused"},
		"not on the list":          {file("https://files.example.com/x"), "not allowed"},
		"a file on this machine":   {file("file:///etc/passwd"), "refused"},
		"gone":                     {file("http://" + f.Host() + "/personal/nothing"), "404"},
		"picture not on the list":  {picture("https://evil.example/x.png"), "not allowed"},
		"picture of broken data":   {picture("data:image/png;base64,%%%"), "data address"},
		"a card":                   {map[string]any{"contentType": "application/vnd.microsoft.card.adaptive", "content": map[string]any{}}, "left out"},
		"a link":                   {map[string]any{"contentType": "reference", "name": "plan.docx", "contentUrl": "https://tenant.example/plan.docx"}, "only linked"},
		"attachment of odd type":   {7, "JSON number"},
		"picture of odd type name": {map[string]any{"contentType": []int{1}, "contentUrl": "https://x.example"}, "no type is said"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			before := len(h.ledger.all())
			a := f.Message(f.Personal(h.person), h.person, "see here")
			a["attachments"] = []any{c.file}
			h.deliver(t, a, 200)
			all := h.ledger.all()
			if len(all) != before+1 {
				t.Fatal("the message is not there")
			}
			d := all[before]
			if damage := strings.Join(d.Damage, "; "); c.says == "" && damage != "" || !strings.Contains(damage, c.says) || len(d.Attachments) != 0 {
				t.Errorf("damage %q, files %v", damage, d.Attachments)
			}
		})
	}
	t.Run("too large", func(t *testing.T) {
		before := len(h.ledger.all())
		a := f.WithFile(f.Message(f.Personal(h.person), h.person, "see here"), "big", make([]byte, 1025))
		a = f.WithFile(a, "fits", make([]byte, 1024))
		a = f.WithFile(a, "of unknown length", make([]byte, 9000))
		h.deliver(t, a, 200)
		if d := h.ledger.all()[before]; len(d.Attachments) != 1 || len(d.Damage) != 2 || !strings.Contains(d.Damage[0], "larger than fileBytes") || !strings.Contains(d.Damage[1], "larger than fileBytes") {
			t.Errorf("damage %q, files %v", d.Damage, d.Attachments)
		}
	})
	t.Run("too many", func(t *testing.T) {
		before := len(h.ledger.all())
		a := f.Message(f.Personal(h.person), h.person, "see here")
		for i := range 11 {
			a = f.WithFile(a, fmt.Sprint("f", i), []byte{1})
		}
		h.deliver(t, a, 200)
		if d := h.ledger.all()[before]; len(d.Attachments) != 9 || len(d.Damage) != 2 {
			t.Errorf("damage %q, %d files", d.Damage, len(d.Attachments))
		}
	})
	t.Run("expired, and fetched at the redelivery's first try", func(t *testing.T) {
		before := len(h.ledger.all())
		a := f.WithFile(f.Message(f.Personal(h.person), h.person, "see here"), "f", []byte("abc"))
		h.deliver(t, a, 200)
		h.clock.Add(time.Hour)
		h.deliver(t, a, 200) // a redelivery that can fetch nothing any more
		all := h.ledger.all()
		if len(all) != before+1 || len(all[before].Attachments) != 1 {
			t.Error("the redelivery is another message")
		}
	})
	t.Run("cut in the middle, and far too slow", func(t *testing.T) {
		before := len(h.ledger.all())
		f.Break(func(r *http.Request) *faketeams.Fault {
			if strings.HasPrefix(r.URL.Path, "/personal/") {
				return &faketeams.Fault{Cut: true}
			}
			return nil
		})
		defer f.Break(nil)
		h.deliver(t, f.WithFile(f.Message(f.Personal(h.person), h.person, "see here"), "f", []byte("abc")), 200)
		if d := h.ledger.all()[before]; len(d.Attachments) != 0 || len(d.Damage) != 1 {
			t.Errorf("damage %q, files %v", d.Damage, d.Attachments)
		}
	})
	h.well(t)
}

// TestProfile: whom the tenant vouches for, and whom not.
func TestProfile(t *testing.T) {
	ask := func(h *house, p faketeams.Person) *desk.Profile {
		h.deliver(t, h.fake.Message(h.fake.Personal(p), p, "hello"), 200)
		all := h.ledger.all()
		return all[len(all)-1].Profile
	}
	h := newHouse(t, options{})
	if p := ask(h, h.person); p == nil || !p.EmailVerified {
		t.Errorf("a member: %+v", p)
	}
	guest := h.fake.Join(faketeams.Person{Name: "Gil Guest", Email: "boss@customer.example", Role: "guest"})
	if p := ask(h, guest); p == nil || p.Email == "" || p.EmailVerified {
		t.Errorf("a guest: %+v", p)
	}
	members := func() (n int) {
		return h.fake.Hits("/emea/v3/conversations/a:1" + h.person.AAD + "/members/" + h.person.ID)
	}
	ask(h, h.person)
	if members() != 1 {
		t.Errorf("asked %d times in an hour", members())
	}
	h.clock.Add(2 * time.Hour)
	ask(h, h.person)
	if members() != 2 {
		t.Errorf("asked %d times in two hours", members())
	}
	h.fake.Break(func(r *http.Request) *faketeams.Fault {
		if strings.Contains(r.URL.Path, "/members/") {
			return &faketeams.Fault{Status: 500}
		}
		return nil
	})
	if p := ask(h, h.fake.Person("New One", "new@customer.example")); p != nil {
		t.Errorf("nobody said who it is: %+v", p)
	}
	h.well(t)

	anyTenant := newHouse(t, options{settings: func(s *settings) { s.Tenants = nil }})
	anyTenant.adapter.validator.settings.Tenants = nil
	if p := ask(anyTenant, anyTenant.person); p == nil || p.EmailVerified {
		t.Errorf("a tenant nobody chose to believe: %+v", p)
	}
	distrust := newHouse(t, options{extra: "trustEmail: false\n"})
	if p := ask(distrust, distrust.person); p == nil || p.EmailVerified {
		t.Errorf("trustEmail: false: %+v", p)
	}
	silent := newHouse(t, options{extra: "profiles: false\n"})
	if p := ask(silent, silent.person); p != nil {
		t.Errorf("profiles: false: %+v", p)
	}
	inTeam := newHouse(t, options{})
	inTeam.deliver(t, inTeam.fake.Message(inTeam.fake.Channel(), inTeam.person, "hello"), 200)
	if p := inTeam.one(t).Profile; p == nil || !p.EmailVerified {
		t.Errorf("in a channel: %+v", p)
	}
}
