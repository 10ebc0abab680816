package pipeline

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"switchboard/pipeline/desk"
	"switchboard/pipeline/hours"
	"switchboard/pipeline/match"
)

// busyHouse has the calendars, SLAs, rules and routes of a house in use.
func busyHouse(b testing.TB) *desk.Policy {
	p := desk.NewPolicy()
	when := func(src string) *match.Program {
		m, err := match.Compile(src)
		if err != nil {
			b.Fatal(err)
		}
		return m
	}
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		b.Fatal(err)
	}
	office := &hours.Calendar{Name: "office", Location: zone}
	for day := time.Monday; day <= time.Thursday; day++ {
		office.Week[day] = []hours.Window{{From: 9 * 60, To: 12*60 + 30}, {From: 13*60 + 30, To: 17*60 + 30}}
	}
	office.Week[time.Friday] = []hours.Window{{From: 9 * 60, To: 15 * 60}}
	if office.HolidaysOf, err = hours.Region("de-be"); err != nil {
		b.Fatal(err)
	}
	p.Calendars["office"] = office
	p.Teams = nil
	for _, id := range []desk.TeamID{"support", "billing", "shipping", "devices", "accounts", "web", "contracts"} {
		p.Teams = append(p.Teams, desk.Team{ID: id, Name: string(id), Members: []desk.AgentID{"ada", "bo"}, Calendar: "office", Strategy: desk.RoundRobin})
	}
	p.Agents = []desk.Agent{{ID: "ada"}, {ID: "bo"}}
	p.Sources["shop"] = desk.Source{Name: "shop", Channel: desk.Chat, Team: "support"}
	for _, r := range []struct {
		on         desk.Trigger
		name, when string
		then       desk.Action
	}{
		{desk.OnAny, "newsletters", `"list-unsubscribe" in headers`, desk.Action{Drop: "a newsletter"}},
		{desk.OnAny, "too many files", `attachments > 200`, desk.Action{Hold: "more than 200 attachments"}},
		{"", "outage", `subject matches "(?i)\\b(down|outage)\\b" or text contains "503"`, desk.Action{Priority: desk.Urgent, Tags: []string{"outage"}}},
		{"", "bugs", `subject matches "(?i)\\b(bug|slow|does not work)\\b"`, desk.Action{Type: "BUG", Tags: []string{"bug"}}},
		{"", "ideas", `subject contains "idea"`, desk.Action{Type: "FEATURE_REQUEST", Priority: desk.Low}},
		{"", "money", `subject matches "(?i)(invoice|refund|payment)"`, desk.Action{Tags: []string{"money"}, Priority: desk.High}},
		{"", "cancellations", `subject contains "cancel" or text contains "lawyer"`, desk.Action{Tags: []string{"churn"}, Priority: desk.High}},
		{"", "free mail", `fromDomain in ["gmail.com", "outlook.com", "gmx.net"]`, desk.Action{Tags: []string{"private"}}},
		{"", "long texts", `len(text) > 10000`, desk.Action{Tags: []string{"long"}}},
		{desk.OnReply, "answers of important people", `customer.vip`, desk.Action{Priority: desk.High}},
	} {
		p.Rules = append(p.Rules, desk.Rule{Name: r.name, On: r.on, When: when(r.when), Then: r.then})
	}
	for _, r := range []struct{ name, when, team string }{
		{"money", `subject matches "(?i)(invoice|refund|payment)"`, "billing"},
		{"parcels", `subject matches "(?i)(parcel|delivery|order)"`, "shipping"},
		{"devices", `subject matches "(?i)(device|firmware)"`, "devices"},
		{"logins", `subject matches "(?i)(log in|password|address)"`, "accounts"},
		{"website", `subject matches "(?i)(website|page|outage)"`, "web"},
		{"contracts", `subject matches "(?i)(contract|subscription)"`, "contracts"},
	} {
		p.Routes = append(p.Routes, desk.Route{Name: r.name, When: when(r.when), Team: desk.TeamID(r.team)})
	}
	target := func(m desk.Metric, usual time.Duration) desk.Target {
		return desk.Target{Metric: m, Default: usual}
	}
	for _, s := range []struct{ name, when string }{{"gold", `customer.serviceLevel == "gold"`}, {"incidents", `type == "INCIDENT"`}, {"standard", ""}} {
		sla := desk.SLA{Name: s.name, Targets: []desk.Target{target(desk.FirstResponse, 4*time.Hour), target(desk.NextResponse, 4*time.Hour), target(desk.Resolution, 16*time.Hour)}}
		if s.when != "" {
			sla.When = when(s.when)
		}
		p.SLAs = append(p.SLAs, sla)
	}
	return p
}

// benchDraft is a message of 1.5 KB of text.
func benchDraft(subject string) *desk.Draft {
	return &desk.Draft{Source: "shop", Channel: desk.Chat, Scope: "CHAT", ExternalID: "shop:b-1", Fingerprint: strings.Repeat("f", 64),
		Thread: desk.Thread{Key: "shop:b-talk-1", Address: json.RawMessage(`{"thread":"b-talk-1","id":"b-1","from":"customer-7"}`)},
		From:   desk.Party{Name: "Customer 7", Handle: "shop:customer-7"}, Subject: subject,
		Text:   strings.Repeat("the order was placed on Monday and nothing came. ", 30),
		SentAt: noon, ReceivedAt: noon, Raw: desk.BlobRef{Digest: strings.Repeat("a", 64), Size: 1900},
		Profile: &desk.Profile{Name: "Customer 7", Email: "customer7@example.com"}}
}

// BenchmarkLine is a new ticket down the whole line, and its filing.
func BenchmarkLine(b *testing.B) {
	p, s, line := busyHouse(b), newShelf(), &Line{Standard()}
	s.people["chat shop:customer-7"] = desk.Requester{Found: true, Customer: desk.Customer{ID: "c7", Name: "Customer 7", Email: "customer7@example.com"}}
	b.ReportAllocs()
	n := 0
	subjects := []string{"Question about my invoice", "The parcel has not arrived", "Cannot log in since this morning", "How do I change the address?", "Firmware update failed", "Where is my order?"}
	for b.Loop() {
		pass := NewPass(desk.NewReceipt(benchDraft(subjects[n%len(subjects)]), noon), p, s, noon.Add(time.Duration(n)*time.Millisecond))
		if err := line.Run(context.Background(), pass); err != nil {
			b.Fatal(err)
		}
		if f := pass.Filing(); f.Ticket == nil {
			b.Fatal(f.Reason)
		}
		n++
	}
}

// BenchmarkTrail is the explanation of a new ticket as JSON.
func BenchmarkTrail(b *testing.B) {
	pass := NewPass(desk.NewReceipt(benchDraft("Question about my invoice"), noon), busyHouse(b), newShelf(), noon)
	if err := (&Line{Standard()}).Run(context.Background(), pass); err != nil {
		b.Fatal(err)
	}
	trail := pass.Filing().Trail
	b.ReportAllocs()
	for b.Loop() {
		text, err := desk.AppendTrail(make([]byte, 0, 4<<10), trail)
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(len(text)))
	}
}

// BenchmarkDraftJSON is a draft written to the ledger and read again.
func BenchmarkDraftJSON(b *testing.B) {
	d := benchDraft("Question about my invoice")
	text, err := json.Marshal(d)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("write", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			d.AppendJSON(make([]byte, 0, 4<<10))
		}
	})
	b.Run("read", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := desk.ReadDraft(string(text)); err != nil {
				b.Fatal(err)
			}
		}
	})
}
