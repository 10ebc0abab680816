package match

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// sample is a message of a known customer that opens a ticket.
func sample() *Env {
	return &Env{
		Source: "support-mail", Channel: "EMAIL",
		Subject: "Printer on fire", Text: "Hello,\nour printer is on FIRE. Order 4711.\nGrüße, Jörg",
		From: "joerg@Acme.example", FromName: "Jörg", FromDomain: "acme.example",
		To: []string{"help@desk.example", "sales@desk.example"}, CC: []string{"boss@acme.example"},
		Headers:  map[string]string{"x-spam-flag": "NO", "x-priority": "1"},
		Priority: "MEDIUM", Type: "INCIDENT", Status: "IN_PROGRESS", Title: "Printer on fire",
		Tags: []string{"Hardware", "vip"}, Team: "support",
		Customer: Customer{ID: "c1", Name: "Jörg", Email: "joerg@acme.example", Account: "Acme", ServiceLevel: "gold", VIP: true},
		Account:  Account{ID: "a1", Name: "Acme", Domain: "acme.example", ServiceLevel: "gold"},
		Fields: map[string]any{"region": "EU", "seats": 25.0, "trial": false, "paid": true,
			"products": []any{"Phone", "Cloud"}, "plans": []string{"A", "B"}},
		IsNew: true, Attachments: 1, AttachmentNames: []string{"fire.JPG"}, Language: "de",
		InHours: true, Hour: 10, Weekday: 1, ReceivedAt: time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC),
	}
}

func TestMatch(t *testing.T) {
	for _, tc := range []struct {
		condition string
		want      bool
	}{
		{`true`, true},
		{`channel == "EMAIL"`, true},
		{`channel == "email" and fromDomain in ["acme.example", "acme.test"] and not auto`, true},
		{`source == "support-mail"`, true},
		{`source == "SUPPORT-MAIL"`, false}, // names from config are exact
		{`subject contains "fire"`, true},
		{`text contains "fire"`, false},
		{`icontains(text, "fire")`, true},
		{`icontains(text, "GRÜSSE") or icontains(text, "GRÜßE")`, true},
		{`icontains(text, "")`, true},
		{`icontains("", "x")`, false},
		{`text matches "(?i)order \\d+"`, true},
		{"text matches `Order \\d+`", true},
		{`subject startsWith "Printer" and subject endsWith "fire"`, true},
		{`lower(subject) == "printer on fire" and upper(team) == "SUPPORT"`, true},
		{`trim("  x ") == "x"`, true},
		{`len(to) == 2 and len(subject) > 3`, true},
		{`attachments > 0 and any(attachmentNames, lower(#) endsWith ".jpg")`, true},
		{`all(to, # endsWith "@desk.example")`, true},
		{`none(to, {# contains "billing"})`, true},
		{`to | any(# startsWith "sales")`, true},
		{`"boss@acme.example" in cc`, true},
		{`has(tags, "hardware")`, true},
		{`has(tags, "soft")`, false},
		{`"hardware" in tags`, false}, // in is exact, has is not
		{`any(tags, has(to, #))`, false},
		{`domain(from) == "acme.example"`, true},
		{`domain("no address") == ""`, true},
		{`domain("<a@b@C.example>") == "c.example"`, true},

		// Enumerations compare as words, on either side, in lists too.
		{`priority == "medium"`, true},
		{`"Medium" == priority`, true},
		{`priority != "medium"`, false},
		{`status == "in progress" and status == "in-progress"`, true},
		{`status in ["open", "in progress"]`, true},
		{`status not in ["open", "in progress"]`, false},
		{`type in ["bug"]`, false},
		{`priority in []`, false},
		{`same(team, "Support")`, true},

		// Headers in any case.
		{`headers["X-Spam-Flag"] == "NO"`, true},
		{`"X-Priority" in headers`, true},
		{`headers["X-None"] == ""`, true},

		// Custom fields: known, and not set.
		{`fields.region == "EU"`, true},
		{`fields["region"] in ["EU", "US"]`, true},
		{`fields.seats > 20 and fields.seats <= 25 and 20 < fields.seats`, true},
		{`fields.seats == 25`, true},
		{`fields.paid`, true},
		{`fields.trial`, false},
		{`fields.paid and not fields.trial`, true},
		{`has(fields.products, "cloud") and has(fields.plans, "b")`, true},
		{`any(fields.products, # == "Cloud")`, true},
		{`fields.gone`, false},
		{`not fields.gone`, true},
		{`fields.gone and true`, false},
		{`fields.gone > 3 or 3 > fields.gone`, false},
		{`not (fields.gone > 3)`, true},
		{`fields.gone < fields.away`, false},
		{`fields.gone contains "x" or fields.gone matches "x"`, false},
		{`fields.gone == nil`, true},
		{`(fields.gone ?? 7) > 5`, true},
		{`has(fields.gone, "x")`, false},
		{`icontains(fields.gone, "x")`, false},
		{`fields.gone ? true : isNew`, true},

		{`customer.vip and customer.serviceLevel == "gold"`, true},
		{`account.domain == fromDomain`, true},
		{`isNew and !isReply && inHours || false`, true},
		{`hour >= 9 and hour < 17 and weekday in [1, 2, 3, 4, 5]`, true},
		{`receivedAt > date("2026-03-01") and receivedAt - date("2026-03-01") > duration("24h")`, true},
		{`language == "de" ? priority == "medium" : false`, true},
		{`to[0] == "help@desk.example"`, true},
		{`subject[0:7] == "Printer"`, true},
		{"isNew // a comment\nand not isReply", true},
	} {
		p, err := Compile(tc.condition)
		if err != nil {
			t.Errorf("Compile(%s): %v", tc.condition, err)
			continue
		}
		got, err := p.Match(sample())
		if err != nil || got != tc.want {
			t.Errorf("%s = %v, %v; want %v", tc.condition, got, err, tc.want)
		}
		if p.Source() != tc.condition {
			t.Errorf("Source = %q, want %q", p.Source(), tc.condition)
		}
	}
}

func TestRunErrors(t *testing.T) {
	for _, tc := range []struct{ condition, want string }{
		{`to[9] == "x"`, "index out of range"},
		{`fields.region > 3`, "string"},
		{`fields.region`, "want true or false, got string"},
		{`has(fields.region, "x")`, "has wants a list of words, got text"},
		{`icontains(fields.seats, "x")`, "icontains wants text, got a number"},
		{`1 % (hour - 10) == 0`, "divide by zero"},
	} {
		p, err := Compile(tc.condition)
		if err != nil {
			t.Errorf("Compile(%s): %v", tc.condition, err)
			continue
		}
		ok, err := p.Match(sample())
		var wrong *Error
		if ok || !errors.As(err, &wrong) || !strings.Contains(wrong.Message, tc.want) || wrong.Line != 1 || wrong.Column < 1 {
			t.Errorf("%s = %v, %v; want an error with %q", tc.condition, ok, err, tc.want)
		}
	}
	p, _ := Compile("true")
	if ok, err := p.Match(nil); ok || err == nil {
		t.Errorf("Match(nil) = %v, %v", ok, err)
	}
}

func TestLongMessagesAreCut(t *testing.T) {
	env := sample()
	env.Text = strings.Repeat("ä", MaxText/2+7) + "end" // the cut falls on a character's edge or inside
	env.To = make([]string, MaxItems+1)
	env.To[MaxItems] = "last"
	p, err := Compile(`text endsWith "ä" and len(to) == 500 and not ("last" in to)`)
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := p.Match(env); !ok || err != nil {
		t.Errorf("Match = %v, %v", ok, err)
	}
	if len(env.To) != MaxItems+1 || !strings.HasSuffix(env.Text, "end") {
		t.Error("Match changed the Env")
	}
}

func TestProgramIsConcurrent(t *testing.T) {
	p, err := Compile(`icontains(text, "fire") and any(to, # startsWith "sales") and fields.seats > 3`)
	if err != nil {
		t.Fatal(err)
	}
	env := sample()
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 200 {
				if ok, err := p.Match(env); !ok || err != nil {
					t.Errorf("Match = %v, %v", ok, err)
					return
				}
			}
		})
	}
	group.Wait()
}

// BenchmarkRules runs 100 different rules over one message.
func BenchmarkRules(b *testing.B) {
	conditions := []string{
		`channel == "email" and fromDomain == "acme.example"`,
		`priority in ["high", "urgent"] or has(tags, "vip")`,
		`subject contains "invoice" or subject contains "refund"`,
		`customer.vip and not inHours`,
		`any(to, # startsWith "billing@")`,
		`source == "support-mail" and language == "fr" and isNew`,
		`fields.seats > 100 and account.serviceLevel == "gold"`,
		`subject matches "(?i)^(urgent|asap)"`,
		`hour < 9 or hour >= 17 or weekday in [0, 6]`,
		`attachments > 3 and icontains(subject, "contract")`,
	}
	var programs []*Program
	for i := range 100 {
		p, err := Compile(conditions[i%len(conditions)])
		if err != nil {
			b.Fatal(err)
		}
		programs = append(programs, p)
	}
	env := sample()
	b.ReportAllocs()
	for b.Loop() {
		for _, p := range programs {
			if _, err := p.Match(env); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/rule")
}

func BenchmarkCompile(b *testing.B) {
	for b.Loop() {
		if _, err := Compile(`channel == "email" and fromDomain in ["acme.com", "acme.de"] and not auto`); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkIContainsLongText(b *testing.B) {
	p, err := Compile(`icontains(text, "refund")`)
	if err != nil {
		b.Fatal(err)
	}
	env := sample()
	env.Text = strings.Repeat("The printer is on fire, rather. ", MaxText/32)
	for b.Loop() {
		if ok, err := p.Match(env); ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}

func TestReads(t *testing.T) {
	for src, want := range map[string]string{`description contains "x" or customer.vip`: "description customer", `true or description contains "x"`: "description", `not auto`: "auto",
		`lower(title) startsWith "a" and any(tags, # == "b")`: "title tags", `fields.kind == "description"`: "fields", `subject == "description"`: "subject"} {
		p, err := Compile(src)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range strings.Fields("description customer auto title tags fields subject text") {
			if got := p.Reads(name); got != slices.Contains(strings.Fields(want), name) {
				t.Errorf("%s reads %s: %v", src, name, got)
			}
		}
	}
}
