package match

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

// asMachine is what the virtual machine says.
func asMachine(p *Program, e *Env) (bool, error) {
	run := *p
	run.direct = nil
	return run.Match(e)
}

// envs are messages that differ in everything a condition may ask for.
func envs() []*Env {
	other := sample()
	other.Subject, other.Text, other.Headers, other.Tags, other.To, other.Customer.VIP = "Outage: does NOT work", strings.Repeat("x", 3*MaxText), nil, nil, nil, false
	other.Priority, other.Type, other.Status, other.Channel, other.Weekday, other.Hour, other.IsNew, other.IsReply = "HIGH", "bug", "on hold", "CHAT", 0, 23, false, true
	return []*Env{sample(), other, {}}
}

// parts are conditions that are built of; the last need the machine.
var parts = []string{
	`true`, `false`, `isNew`, `isReply`, `auto`, `inHours`, `customer.vip`, `not isNew`, `!auto`,
	`channel == "email"`, `priority in ["high", "urgent"]`, `status == "on_hold"`, `type != "BUG"`, `"incident" == type`, `status not in ["open", "in progress"]`,
	`subject contains "fire"`, `text contains "FIRE"`, `subject startsWith "Out"`, `fromName endsWith "rg"`, `from == "joerg@Acme.example"`, `fromDomain != account.domain`,
	`fromDomain in ["acme.example", "b"]`, `weekday in [1, 2, 3]`, `hour in [23]`, `hour >= 9 and hour < 17`, `attachments > 0`, `attachments == 1`, `weekday != 0`, `2 <= weekday`,
	`len(text) > 10000`, `len(subject) == 15`, `len(to) == 2`, `len(tags) < 1`, `"boss@acme.example" in cc`, `subject in to`, `fromDomain not in cc`,
	`has(tags, "VIP")`, `has(to, from)`, `icontains(text, "ORDER")`, `icontains(subject, title)`, `same(team, "Support")`,
	`headers["X-Priority"] == "1"`, `"x-spam-flag" in headers`, `headers["x-none"] == ""`, `subject in headers`,
	`lower(subject) contains "fire"`, `upper(team) == "SUPPORT"`, `len(lower(text)) > 3`, `customer.serviceLevel == "gold"`, `customer.name == fromName`, `account.id in ["a1"]`, `description == ""`, `language == "de"`,
	`subject matches "(?i)\\b(down|outage)\\b"`, `subject matches "(?i)(invoice|refund|fire)"`, `text matches "Order \\d+"`, `subject matches "^Printer"`, `title matches "(?i)^(urgent|asap)"`,
	`isNew ? auto : inHours`, `customer.vip ? hour > 3 : subject == ""`, `"a" == "a"`, `1 < 2`,

	`fields.paid`, `fields.seats > 20`, `any(to, # startsWith "sales")`, `domain(from) == "acme.example"`, `trim(subject) == subject`, `to[0] == "x"`, `hour % 2 == 0`, `receivedAt > date("2026-03-01")`,
	`source in []`, `subject[0:3] == "Pri"`, `(fields.gone ?? 7) > 5`, `fields.gone matches "x"`, `subject + title contains "firePr"`,
}

// What is decided without the machine is decided as the machine does.
func TestDirectDecidesAsTheMachine(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	pick := func() string { return parts[random.IntN(len(parts))] }
	conditions := append([]string(nil), parts...)
	for range 400 {
		joint := []string{"and", "or", "&&", "||"}[random.IntN(4)]
		conditions = append(conditions, fmt.Sprintf("(%s) %s not (%s)", pick(), joint, pick()), fmt.Sprintf("(%s) ? (%s) : (%s) or (%s)", pick(), pick(), pick(), pick()))
	}
	known := 0
	for _, condition := range conditions {
		p, err := Compile(condition)
		if err != nil {
			t.Fatalf("%s: %v", condition, err)
		}
		if p.direct == nil {
			continue
		}
		known++
		for i, e := range envs() {
			got, err := p.Match(e)
			want, wantErr := asMachine(p, e)
			if got != want || err != nil || wantErr != nil {
				t.Errorf("%s on message %d: %v, %v; the machine says %v, %v", condition, i, got, err, want, wantErr)
			}
		}
	}
	if known < 300 || known == len(conditions) {
		t.Errorf("%d of %d conditions need no machine", known, len(conditions))
	}
}

// The conditions people write need no machine.
func TestUsualConditionsAreDirect(t *testing.T) {
	for _, condition := range parts[:60] {
		if p, err := Compile(condition); err != nil || p.direct == nil {
			t.Errorf("%s needs the machine: %v", condition, err)
		}
	}
}

var patterns = []string{
	`(?i)(invoice|refund|payment)`, `(?i)\b(down|outage)\b`, `(?i)(parcel|parrot|part)s?`, `(?i)log in|pass\s*word`, `fire|FIRE`, `(?i)fire|(?-i)SMOKE`, `a?bc`, `(ab|cd)+ef`, `x*`, ``, `^abc$`,
	`[abc]def`, `(?i)[kq]uick`, `(?i)kelvins`, `ab.cd`, `(?s)ab.*cd`, `(a|b|)(c|d|)(e|f|)gh`, `(?i)stra(ss|ß)e`, `é|abc`, `\bab\B`, `(?m)^ab`, `ab{2,3}c`, `(?:ab){2}`, `(ab|c)(de|f)(gh|i)(jk|l)(mn|o)(pq|r)(st|u)`, `[^a]bc`, `\d+ab`, `(?i)` + strings.Repeat("long", 20),
}

func samePattern(t *testing.T, src, s string) {
	re, err := regexp.Compile(src)
	if err != nil || len(src) > MaxPattern {
		return
	}
	p, err := newPattern(src)
	if err != nil {
		t.Fatalf("%q: %v", src, err)
	}
	if got, want := p.match(s), re.MatchString(s); got != want {
		t.Errorf("%q on %q: %v, want %v (words %q, fold %v, whole %v)", src, s, got, want, p.words, p.fold, p.whole)
	}
}

func TestPatternsMatchAsTheyAre(t *testing.T) {
	for _, src := range patterns {
		for _, s := range []string{"", "an INVOICE", "outage", "outages", "PARTS of a parcel", "Log in", "pass word", "SMOKE", "smoke", "fire", "Fire", "bc", "abcdef", "\u212Aelvin\u017F", "\u212AELVINS", "kelvin\u017F", "\u212Auick",
			"ab\ncd", "gh", "aceg gh", "straße STRASSE", "STRASSE", "stra\u017Fse", "éabc\xff", "abbc", "ABAB", "abab", "cfilor", "cfilor cfilou abdeghjkmnpqst", "xbc", "7ab", strings.Repeat("LONG", 20), strings.Repeat("long", 19)} {
			samePattern(t, src, s)
		}
	}
}

// The words of a pattern are found where they are all there is to it.
func TestPatternsAreTheirWords(t *testing.T) {
	for src, want := range map[string]string{`(?i)(invoice|refund|payment)`: "invoice refund payment true", `(?i)\b(down|outage)\b`: "down outage false", `(?i)(parcel|payment)`: "parcel payment true", `fire|ice`: "fire ice true", `x*ab\d`: "ab false"} {
		p, err := newPattern(src)
		if got := fmt.Sprint(strings.Join(p.words, " "), " ", p.whole); err != nil || got != want {
			t.Errorf("%s: %q, want %q", src, got, want)
		}
	}
}

func FuzzPattern(f *testing.F) {
	for i, src := range patterns {
		f.Add(src, patterns[(i+1)%len(patterns)])
	}
	f.Fuzz(func(t *testing.T, src, s string) { samePattern(t, src, s) })
}
