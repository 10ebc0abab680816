package desk

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"switchboard/pipeline/hours"
	"switchboard/pipeline/match"
)

// longTrail is what encoding/json makes of a trail, there and back.
func longTrail(t testing.TB, trail []Note) (back []Note) {
	t.Helper()
	if err := json.Unmarshal([]byte(asLibrary(t, trail)), &back); err != nil {
		t.Fatal(err)
	}
	return back
}

func bringsBack(t testing.TB, trail []Note) string {
	t.Helper()
	text, err := AppendTrail([]byte("x"), trail)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ReadTrail(string(text[1:]))
	if want := longTrail(t, trail); err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("%s: %v\nread %#v\nwant %#v", text, err, got, want)
	}
	return string(text[1:])
}

// What is no phrase is written as encoding/json does.
func TestOtherTrailsAreTheLibrarys(t *testing.T) {
	for _, trail := range [][]Note{{}, nil, {{Stage: "rules", Text: "one \"rule\" <b>"}}, {{Stage: "a", Text: "b", Data: map[string]any{"z": "text", "a": []string{"x", "\n"}, "none": []string(nil), "c": TicketID("T"), "n": 7, "f": 1.5,
		"when": []match.Clause{{Source: `a == "b"`, Joint: "and", Match: true}, {Source: "c", Reason: "d"}}, "m": map[string]any{"k": []any{1, "<"}}}}, {Stage: "b", Data: map[string]any{}}}} {
		if got, want := bringsBack(t, trail), asLibrary(t, trail); got != want {
			t.Errorf("written %s\nwant    %s", got, want)
		}
	}
	if _, err := AppendTrail(nil, []Note{{Data: map[string]any{"f": func() {}}}}); err == nil {
		t.Error("what no JSON holds was written")
	}
}

func span(zone *time.Location, from, to string) hours.Interval {
	at := func(s string) time.Time {
		t, err := time.ParseInLocation("2006-01-02 15:04:05", s, zone)
		if err != nil {
			panic(err)
		}
		return t
	}
	return hours.Interval{From: at(from), To: at(to)}
}

// The books hold these texts: no number, and no form, may ever mean another
// thing.
func TestTrailsOfTheBooks(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	days := Spans{span(zone, "2026-03-02 13:30:00", "2026-03-02 17:30:00"), span(zone, "2026-03-03 09:00:00", "2026-03-03 09:00:05")}
	summer := Spans{span(zone, "2026-03-28 13:30:00", "2026-03-28 17:30:00"), span(zone, "2026-03-30 09:00:00", "2026-03-30 12:00:00")}
	on := func(s Spans) map[string]any {
		return map[string]any{"counted": s, "calendar": "office", "zone": "Europe/Berlin"}
	}
	first, long := "FIRST_RESPONSE due 2026-03-02T16:30:00Z: 4h0m0s of working time from 2026-03-02T12:00:00Z at priority HIGH", "RESOLUTION due 2026-03-03T08:00:05Z: 4h0m5s of working time from 2026-03-02T12:00:00Z at priority HIGH"
	for _, c := range []struct {
		trail []Note
		want  string
	}{
		{[]Note{{Stage: "loop", Text: "written by a person, as far as its headers say"}, {Stage: "dedupe", Text: "new: nothing with this external ID and content was accepted before"}, {Stage: "revise", Text: "a message of its own"}}, `[0,1,2]`},
		{[]Note{{Stage: "requester", Text: "new customer: this email was never seen"}, {Stage: "requester", Text: "customer C, known by this email"}, {Stage: "requester", Text: "account A by the mail domain"}}, `[[3,"email"],[4,"C","email"],[5,"A"]]`},
		{[]Note{{Stage: "thread", Text: "a new ticket"}, {Stage: "thread", Text: "joins ticket T: a reference", Data: map[string]any{"signal": "a reference"}},
			{Stage: "thread", Text: "refused ticket T (a key): it was deleted", Data: map[string]any{"candidate": TicketID("T"), "signal": "a key"}}}, `[6,[7,"T","a reference"],[8,"T","a key","it was deleted"]]`},
		{[]Note{{Stage: "thread", Text: "joins ticket T: a reference"}}, `[{"stage":"thread","text":"joins ticket T: a reference"}]`},
		{[]Note{{Stage: "fields", Text: "titled by the subject, type QUESTION, status NEW"}, {Stage: "fields", Text: "titled by the first line of the text, type BUG, status NEW"}, {Stage: "fields", Text: "titled by the sender, type BUG, status NEW"}, {Stage: "fields", Text: "the ticket keeps its fields"}},
			`[[9,"QUESTION","NEW"],[10,"BUG","NEW"],[11,"the sender","BUG","NEW"],12]`},
		{[]Note{{Stage: "rules", Text: `rule "a" matches: drop`}, {Stage: "rules", Text: `rule "a b" matches: priority HIGH; tags x`, Data: map[string]any{"when": []match.Clause{{Source: `a == "b"`, Match: true}}}},
			{Stage: "rules", Text: `rule "c" matches: hold`, Data: map[string]any{"when": []match.Clause{{Source: "a", Joint: "or", Match: true}, {Source: "b", Joint: "or"}, {Source: "c", Joint: "or", Reason: "too long"}}}}, {Stage: "rules", Text: "no match: d, e"}},
			`[[13,"a","drop"],[13,"a b","priority HIGH; tags x",[0,"a == \"b\""]],[13,"c","hold",[2,"a",["b"],["c","too long"]]],[14,"d, e"]]`},
		{[]Note{{Stage: "rules", Text: `rule "a" matches: drop`, Data: map[string]any{"when": []match.Clause{{Source: "a", Match: true, Reason: "both"}}}}}, `[[13,"a","drop",{"when":[{"source":"a","match":true,"reason":"both"}]}]]`},
		{[]Note{{Stage: "route", Text: `team t: route "r" is the first that matches`, Data: map[string]any{"when": []match.Clause{{Source: "a", Joint: "and", Match: true}, {Source: "b", Joint: "and", Match: true}}}}, {Stage: "route", Text: "team t: no route matches, the source's team"},
			{Stage: "route", Text: "team t: no route matches, the default team"}, {Stage: "route", Text: "stays with team t"}}, `[[15,"t","r",[1,"a","b"]],[16,"t"],[17,"t"],[18,"t"]]`},
		{[]Note{{Stage: "assign", Text: "ada: round robin of team t, turn 4 among 2 agents"}, {Stage: "assign", Text: "nobody: team t is assigned by hand"}, {Stage: "assign", Text: "stays with nobody"}}, `[[19,"ada","t","4","2"],[20,"t"],[21,"nobody"]]`},
		{[]Note{{Stage: "priority", Text: "MEDIUM: nothing says otherwise"}, {Stage: "priority", Text: "HIGH: set by a rule"}, {Stage: "priority", Text: "HIGH: service level gold"}, {Stage: "priority", Text: "stays LOW"}}, `[[22,"MEDIUM"],[23,"HIGH"],[24,"HIGH","gold"],[25,"LOW"]]`},
		{[]Note{{Stage: "sla", Text: `SLA "standard" is the first that matches`}, {Stage: "sla", Text: first, Data: on(days[:1])}, {Stage: "sla", Text: long, Data: on(days)}, {Stage: "sla", Text: long, Data: on(nil)}, {Stage: "sla", Text: "its clocks run on"}},
			`[[26,"standard"],[27,1772469000,"4h0m0s",1772452800,"HIGH",["office","Europe/Berlin",3600,1800,14400]],` +
				`[28,1772524805,"4h0m5s",1772452800,"HIGH",[3600,1800,14400,55800,5]],[28,1772524805,"4h0m5s",1772452800,"HIGH",["office","Europe/Berlin"]],29]`},
		{[]Note{{Stage: "sla", Text: first, Data: on(summer)}}, `[[27,1772469000,"4h0m0s",1772452800,"HIGH",{"calendar":"office","counted":["2026-03-28T13:30:00+01:00 to 2026-03-28T17:30:00+01:00","2026-03-30T09:00:00+02:00 to 2026-03-30T12:00:00+02:00"],"zone":"Europe/Berlin"}]]`},
	} {
		if got := bringsBack(t, c.trail); got != c.want {
			t.Errorf("written %s\nwant    %s", got, c.want)
		}
	}
}

// Whatever fills a phrase, and whatever lies behind it, comes back.
func TestTrailsComeBack(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	fills := append([]string{"2026-03-02T16:30:00Z", "2026-02-30T16:30:00Z", "0000-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-03-02T24:00:00Z", "%", ", type", `" matches: `}, trickyTexts...)
	zones := []*time.Location{time.UTC, time.FixedZone("", 3600), time.FixedZone("", -16200), time.FixedZone("", 1234)}
	for range 5000 {
		var trail []Note
		for range random.IntN(6) {
			p := phrases[random.IntN(len(phrases))]
			var with [maxBlanks]string
			for i := range with {
				with[i] = fills[random.IntN(len(fills))]
			}
			n := Note{Stage: p.stage, Text: p.fill(&with)}
			switch random.IntN(5) {
			case 0:
				n.Data = map[string]any{"when": []match.Clause{{Source: with[0], Match: true}, {Source: with[1], Reason: with[2]}}}
			case 1:
				zone := zones[random.IntN(len(zones))]
				var s Spans
				at := time.Unix(random.Int64N(1<<32), random.Int64N(1e9)).In(zone)
				for range random.IntN(13) {
					x := hours.Interval{From: at, To: at.Add(time.Duration(random.Int64N(1e14)))}
					s, at = append(s, x), x.To.Add(time.Duration(random.Int64N(1e14)))
				}
				if random.IntN(9) == 0 {
					s = Spans{}
				}
				n.Data = map[string]any{"counted": s, "calendar": with[0], "zone": with[1]}
			case 2:
				n.Data = wildFields(random)
			case 3:
				if p.data == byKeys {
					n.Data = p.facts(&with)
				}
			}
			trail = append(trail, n)
		}
		bringsBack(t, trail)
	}
}

// Rows of before are lists of notes.
func TestOldTrailsAreRead(t *testing.T) {
	trail := []Note{{Stage: "loop", Text: "written by a person, as far as its headers say"}, {Stage: "rules", Text: "x", Data: map[string]any{"n": 1e30, "when": []any{map[string]any{"source": "a", "match": true}}}}}
	got, err := ReadTrail(asLibrary(t, trail))
	if err != nil || !reflect.DeepEqual(got, trail) {
		t.Errorf("%+v, %v", got, err)
	}
}

// A later version may say more; what it says is not lost with the rest.
func TestTrailsOfALaterVersion(t *testing.T) {
	got, err := ReadTrail(`[0,4711,[4712,"a",7,{"b":[1]}],2]`)
	if err != nil || len(got) != 4 || got[1].Text != "phrase 4711 of a later version" || got[2].Stage != "?" || got[3].Text != "a message of its own" {
		t.Errorf("%+v, %v", got, err)
	}
}

var oddTrails = []string{``, `null`, `[]`, `[null]`, `[-1]`, `[3]`, `[[3]]`, `[[3,"a","b"]]`, `[[0]]`, `[[0,[0]]]`, `[[3,"a"]`, `[[3,"a"],]`, `[[27,1,"a",2,"b",[]]]`, `[[27,1,"a",2,"b",["c","z",3600]]]`, `[[27,1,"a",2,"b",["c","z",3600,1]]]`,
	`[[27,9223372036854775807,"a",2,"b"]]`, `[[27,1,"a",2,"b",["c","z",3600,9223372036854775807,9223372036854775807]]]`, `[[27,1,"a",2,"b",[9999999,1,1]]]`, `[[13,"a","b",[3,"c"]]]`, `[[13,"a","b",[0,[]]]]`, `[[13,"a","b",[0`, `[{"stage":"a","text":"b","data":{"a":1e3}}]`,
	`[{"stage":"a","stage":"b","text":"\ud83d\ude00"}]`, `[{"Stage":"a"},{"other":1}]`, `[{"stage":"a"} ]`, `[[7,"T","s"],{"stage":"x","text":"\u2028","data":{"a":{"a":[1]}}}]`}

func FuzzReadTrail(f *testing.F) {
	for _, text := range oddTrails {
		f.Add(text)
	}
	f.Add(`[0,1,2,[3,"chat"],6,[9,"QUESTION","NEW"],[13,"money","tags money",[2,"a",["b"],["c","why"]]],[27,1772469000,"4h0m0s",1772452800,"HIGH",["office","Europe/Berlin",3600,1800,14400]],[28,1772631000,"16h",1772452800,"HIGH",[3600,1800,14400,55800,12600]]]`)
	f.Fuzz(func(t *testing.T, text string) {
		got, err := ReadTrail(text)
		var long []Note
		if json.Unmarshal([]byte(text), &long) == nil && (err != nil || !reflect.DeepEqual(got, long)) {
			t.Fatalf("%s\nread %#v, %v\nwant %#v", text, got, err, long)
		}
		if err == nil {
			bringsBack(t, got)
		}
	})
}

func TestOddTrails(t *testing.T) {
	for _, text := range oddTrails {
		got, err := ReadTrail(text)
		var long []Note
		if wantErr := json.Unmarshal([]byte(text), &long); (wantErr == nil) != (err == nil) && !strings.HasPrefix(text, "[[") {
			t.Errorf("%s: %v, want %v", text, err, wantErr)
		}
		if err == nil && !reflect.DeepEqual(longTrail(t, got), got) && text != "null" {
			t.Errorf("%s: %#v", text, got)
		}
	}
}

// A text is an instant when the library reads it and writes it again just so.
func TestSecondOf(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	found := 0
	for range 200_000 {
		text := []byte(time.Unix(random.Int64N(2*253402300800)-253402300800, 0).UTC().Format(time.RFC3339))
		for range random.IntN(3) {
			text[random.IntN(len(text))] = "0123456789-:TZ x\x00"[random.IntN(17)]
		}
		s := string(text)
		at, err := time.Parse(time.RFC3339, s)
		want := err == nil && len(s) == len("2006-01-02T15:04:05Z") && inYears(at.Unix()) && at.UTC().Format(time.RFC3339) == s
		second, ok := secondOf(s)
		if ok != want || ok && second != at.Unix() {
			t.Fatalf("%q: %d, %v; want %d, %v", s, second, ok, at.Unix(), want)
		}
		if ok {
			found++
		}
	}
	if found < 1000 {
		t.Errorf("%d instants in 200000 texts", found)
	}
	for _, s := range []string{"", "2026-02-29T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:00:60Z", "2026-01-01T00:00:00+", "0000-12-31T23:59:59Z", "2026-01-01t00:00:00z"} {
		if second, ok := secondOf(s); ok {
			t.Errorf("%q: %d", s, second)
		}
	}
}
