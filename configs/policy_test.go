package configs

import (
	"strings"
	"testing"
	"time"

	"switchboard/pipeline/desk"
	"switchboard/pipeline/hours"
	"switchboard/pipeline/match"
)

func parsed(t *testing.T, yaml string, pairs ...string) *Config {
	t.Helper()
	c, err := Parse("test.yaml", []byte(yaml), env(pairs...))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestDefaultNeedsNoFile(t *testing.T) {
	for name, c := range map[string]*Config{"Default": Default(), "empty": parsed(t, ""), "comments": parsed(t, "# nothing\n"), "null": parsed(t, "teams:\nrules:\n")} {
		p := c.Policy()
		if p.DefaultTeam != "support" || len(p.Teams) != 1 || p.Teams[0].Strategy != desk.Manual {
			t.Errorf("%s: team %q of %+v", name, p.DefaultTeam, p.Teams)
		}
		if s := p.Sources["api"]; s.Channel != desk.API || s.Name != "api" || len(p.Sources) != 1 {
			t.Errorf("%s: sources %+v", name, p.Sources)
		}
		if c.Limits.MessageBytes != 50<<20 || c.Intake.LedgerWait != time.Millisecond || c.Server.Addr != "127.0.0.1:8080" {
			t.Errorf("%s: settings %+v %+v %+v", name, c.Limits, c.Intake, c.Server)
		}
		if !p.Public("gmail.com") || p.Public("example.com") {
			t.Errorf("%s: public domains are wrong", name)
		}
	}
	c, err := Load("", nil)
	if err != nil || c.Policy() == nil {
		t.Errorf("Load of no file: %v", err)
	}
}

func TestExamplePolicy(t *testing.T) {
	p := example(t).Policy()
	outage := p.Rules[2]
	for subject, want := range map[string]bool{"Everything is DOWN": true, "downtown": false} {
		got, err := outage.When.Match(&match.Env{Subject: subject})
		if err != nil || got != want {
			t.Errorf("the rule %q on %q: %v, %v", outage.Name, subject, got, err)
		}
	}
	if p.Rules[0].On != desk.OnCreated || p.Rules[1].On != desk.OnAny || !p.Rules[0].Stop {
		t.Errorf("triggers: %+v", p.Rules)
	}
	if then := outage.Then; then.Priority != desk.Urgent || then.Type != "INCIDENT" || then.Fields["product"] != "website" || then.Escalate != 1 {
		t.Errorf("then: %+v", then)
	}
	gold, _ := p.SLA("gold")
	if len(gold.Targets) != 3 || gold.When == nil {
		t.Fatalf("SLA %+v", gold)
	}
	for pri, want := range map[desk.Priority]time.Duration{desk.Urgent: 30 * time.Minute, desk.High: time.Hour, desk.Low: 4 * time.Hour} {
		if got, ok := gold.Targets[0].For(pri); !ok || got != want || gold.Targets[0].Metric != desk.FirstResponse {
			t.Errorf("first response for %s: %v", pri, got)
		}
	}
	if standard, _ := p.SLA("standard"); standard.When != nil || len(standard.Targets) != 2 {
		t.Errorf("SLA %+v", standard)
	}
	if cal := p.CalendarFor(gold, "support"); cal.Name != "berlin" {
		t.Errorf("gold counts in %q", cal.Name)
	}
	if s := p.Sources["field-mail"]; !s.Separate || s.Scope() != "field-mail" || s.Team != "field" {
		t.Errorf("source %+v", s)
	}
	if p.ServiceLevels["gold"] != desk.High {
		t.Errorf("service levels %v", p.ServiceLevels)
	}
}

func TestCalendars(t *testing.T) {
	cal := example(t).Policy().Calendar("berlin")
	if err := cal.Validate(); err != nil {
		t.Fatal(err)
	}
	berlin, _ := time.LoadLocation("Europe/Berlin")
	for _, c := range []struct {
		day  string
		open time.Duration
		why  string
	}{
		{"2026-07-01", 7 * time.Hour, "a Wednesday with a closed noon"},
		{"2026-07-03", 5 * time.Hour, "Friday has its own windows"},
		{"2026-07-04", 0, "the weekend is closed"},
		{"2026-05-15", 0, "a holiday of one year"},
		{"2027-05-14", 5 * time.Hour, "not in the next year"},
		{"2026-12-24", 3 * time.Hour, "a half day of every year"},
		{"2027-12-24", 3 * time.Hour, "a half day of every year"},
		{"2026-12-25", 0, "a holiday of the region"},
		{"2026-12-31", 0, "a holiday of every year"},
		{"2030-12-31", 0, "a holiday of every year"},
		{"2026-03-08", 0, "a Sunday"},
	} {
		from, _ := time.ParseInLocation(time.DateOnly, c.day, berlin)
		if got := cal.Between(from, from.AddDate(0, 0, 1)); got != c.open {
			t.Errorf("%s (%s): open %v, want %v", c.day, c.why, got, c.open)
		}
	}
	if name, _ := cal.HolidayOn(hours.Date{Year: 2028, Month: 12, Day: 31}); name != "New Year's Eve" {
		t.Errorf("31 December is %q", name)
	}
}

// A leap day of every year, and a year that wins over every year.
func TestYearlyDays(t *testing.T) {
	cal := parsed(t, `
calendars:
  - name: c
    timezone: UTC
    hours: { daily: ["00:00-24:00"], sunday: [], weekdays: ["08:00-16:00"] }
    holidays:
      dates: { "2028-12-24": closed this once, "02-29": }
      halfDays: { "12-24": ["09:00-12:00"], "2027-12-24": [] }
`).Policy().Calendar("c")
	for day, want := range map[string]time.Duration{
		"2028-02-29": 0, "2028-03-01": 8 * time.Hour, "2028-12-24": 0, "2026-12-24": 3 * time.Hour,
		"2027-12-24": 0, "2029-12-24": 3 * time.Hour, "2026-07-04": 24 * time.Hour, "2026-07-05": 0,
	} {
		from, _ := time.Parse(time.DateOnly, day)
		if got := cal.Between(from, from.AddDate(0, 0, 1)); got != want {
			t.Errorf("%s: open %v, want %v", day, got, want)
		}
	}
}

func TestCompileAfterAChange(t *testing.T) {
	c := Default()
	old := c.Policy()
	c.Sources = append(c.Sources, Source{Name: "mail", Channel: desk.Email, Addresses: []string{"Me@Example.com"}})
	if err := c.Compile(); err != nil {
		t.Fatal(err)
	}
	if !c.Policy().Own(desk.Email, "me@example.com") || len(old.Sources) != 1 {
		t.Error("the new policy lacks the source, or the old one changed")
	}
	now := c.Policy()
	c.Routes = []Route{{Name: "r", Team: "nobody"}}
	err := c.Compile()
	if err == nil || !strings.Contains(err.Error(), `config: routes[0].team: there is no team "nobody"`) {
		t.Errorf("got %v", err)
	}
	if c.Policy() != now {
		t.Error("a failed compile replaced the policy")
	}
}

func TestEnumerationsInAnyCase(t *testing.T) {
	p := parsed(t, `
statuses: [{name: new, category: NEW}, {name: in progress, category: Open}, {name: done, category: resolved}, {name: closed, category: closed}]
types: [bug, feature request]
rules: [{name: r, on: Reply, then: {priority: urgent, status: In-Progress, type: Feature-Request}}]
sources: [{name: t, channel: ms_teams}]
`).Policy()
	r := p.Rules[0]
	if r.On != desk.OnReply || r.Then.Priority != desk.Urgent || r.Then.Status != "IN_PROGRESS" || r.Then.Type != "FEATURE_REQUEST" {
		t.Errorf("rule %+v", r)
	}
	if p.Sources["t"].Channel != desk.MSTeams || p.Statuses.Default(desk.CategoryOpen) != "IN_PROGRESS" {
		t.Errorf("%+v %v", p.Sources, p.Statuses)
	}
}

func TestAliases(t *testing.T) {
	p := parsed(t, `
calendars: [{name: c, timezone: UTC, hours: {monday: &day ["09:00-17:00"], tuesday: *day}}]
`).Policy()
	if got := len(p.Calendar("c").Week[time.Tuesday]); got != 1 {
		t.Errorf("Tuesday has %d windows", got)
	}
}
