package desk

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"switchboard/pipeline/match"
)

// column is one kind of value that rows hold, written and read both ways.
type column struct {
	name   string
	values func(random *rand.Rand) any
	append func(b []byte, v any) ([]byte, error)
	read   func(text string) (any, error)
	plain  func(text string) (any, error)
}

func columnOf[T any](name string, values func(*rand.Rand) T, write func([]byte, T) ([]byte, error), read func(string) (T, error)) column {
	if values == nil {
		values = func(random *rand.Rand) (v T) {
			wild(random, reflect.ValueOf(&v).Elem())
			return v
		}
	}
	return column{name, func(r *rand.Rand) any { return values(r) }, func(b []byte, v any) ([]byte, error) { return write(b, v.(T)) },
		func(text string) (any, error) { return read(text) },
		func(text string) (any, error) {
			var v T
			err := json.Unmarshal([]byte(text), &v)
			return v, err
		}}
}

func sure[T any](write func([]byte, T) []byte) func([]byte, T) ([]byte, error) {
	return func(b []byte, v T) ([]byte, error) { return write(b, v), nil }
}

func by[T interface{ AppendJSON([]byte) []byte }](b []byte, v T) []byte { return v.AppendJSON(b) }

var columns = []column{
	columnOf("clocks", nil, appendLongClocks, ReadClocks),
	columnOf("texts", nil, sure(AppendTexts), ReadTexts),
	columnOf("fields", wildFields, AppendFields, ReadFields),
	columnOf("attachments", nil, sure(AppendAttachments), ReadAttachments),
	columnOf("actor", nil, sure(appendLongActor), ReadActor),
	columnOf("assigned by", nil, sure(by[AssignedBy]), ReadAssignedBy),
	columnOf("party", nil, sure(by[Party]), ReadParty),
	columnOf("auto", nil, sure(by[Auto]), ReadAuto),
}

// appendLongClocks writes clocks as rows had them before there was a short form.
func appendLongClocks(b []byte, clocks []Clock) ([]byte, error) {
	w := jsonWriter{b: b}
	if clocks == nil {
		return w.null(), nil
	}
	w.longClocks(clocks)
	return w.b, w.err
}

// appendLongActor writes an actor as rows had them before there was a short form.
func appendLongActor(b []byte, a Actor) []byte {
	w := jsonWriter{b: b}
	w.longActor(a)
	return w.b
}

// wildFields are fields of every kind there is.
func wildFields(random *rand.Rand) map[string]any {
	if random.IntN(10) == 0 {
		return nil
	}
	out := map[string]any{}
	for range random.IntN(5) {
		out[trickyTexts[random.IntN(len(trickyTexts))]] = wildValue(random, 0)
	}
	return out
}

func wildValue(random *rand.Rand, depth int) any {
	text := trickyTexts[random.IntN(len(trickyTexts))]
	switch random.IntN(22) {
	case 0:
		return nil
	case 1:
		return TicketID(text)
	case 2:
		return MessageID(text)
	case 3:
		return CustomerID(text)
	case 4:
		return TeamID(text)
	case 5:
		return AgentID(text)
	case 6:
		return Channel(text)
	case 7:
		return Status(text)
	case 8:
		return Priority(text)
	case 9:
		return Type(text)
	case 10:
		return Metric(text)
	case 11:
		return random.IntN(2) == 0
	case 12:
		return random.Int() - random.Int()
	case 13:
		return random.Int64() - random.Int64()
	case 14:
		return []float64{0, math.Copysign(0, -1), 1, -1.5, 0.1, 1e-6, 9.9e-7, 1e20, 1e21, -1e21, math.MaxFloat64, math.SmallestNonzeroFloat64, random.NormFloat64(), 1 << 53}[random.IntN(14)]
	case 15:
		return time.Unix(random.Int64N(1<<32), random.Int64N(1e9)).In(time.FixedZone("", 60*random.IntN(1000)))
	case 16:
		return [][]string{nil, {}, {text}, {text, "b"}}[random.IntN(4)]
	case 17:
		return []match.Clause{{Source: text, Joint: "and", Match: true}, {Reason: text}}
	case 18:
		if depth > 3 {
			return []any(nil)
		}
		return []any{wildValue(random, depth+1), wildValue(random, depth+1)}
	case 19:
		if depth > 3 {
			return map[string]any(nil)
		}
		return map[string]any{text: wildValue(random, depth+1), "z": wildValue(random, depth+1)}
	case 20:
		return struct {
			A string `json:"a"`
		}{text}
	}
	return text
}

// What rows hold is written and read as encoding/json does.
func TestRowJSONIsTheLibrarys(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for _, c := range columns {
		for range 2000 {
			v := c.values(random)
			want := asLibrary(t, v)
			got, err := c.append([]byte("x"), v)
			if err != nil || string(got) != "x"+want {
				t.Fatalf("%s: written %s\nwant    %s\n%v", c.name, got, want, err)
			}
			columnReadsAlike(t, c, want)
		}
	}
}

func columnReadsAlike(t *testing.T, c column, text string) {
	t.Helper()
	got, err := c.read(text)
	want, wantErr := c.plain(text)
	if !reflect.DeepEqual(got, want) || !reflect.DeepEqual(err, wantErr) {
		t.Fatalf("%s: %s\nread %#v, %v\nwant %#v, %v", c.name, text, got, err, want, wantErr)
	}
}

// inShortForm reports whether a text begins in a form that encoding/json does not
// read.
func inShortForm(c column, text string) bool {
	return c.name == "clocks" && strings.HasPrefix(text, shortClocks) || c.name == "actor" && strings.HasPrefix(text, "[")
}

var oddRows = []string{``, `null`, `{}`, `[]`, ` []`, `[] `, `[]x`, `{"a":1,"a":2}`, `{"kind":"a","kind":"b"}`, `{"Kind":"a"}`, `[null]`, `[1]`, `["a",]`, `[,"a"]`, `["a" ,"b"]`, `{"a":01}`,
	`{"a":1.}`, `{"a":.5}`, `{"a":-}`, `{"a":1e400}`, `{"a":1E2}`, `{"a":-0}`, `{"a":-0.0}`, `{"a":123456789012345678901234567890}`, `{"a":nul}`, `{"a":null}`, `{"a":tru}`, `{"a":[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]}`,
	`{"a":{"b":{"b":1,"b":2}}}`, `{"a":[{},[],""]}`, `[{"metric":"A","target":1.5}]`, `[{"metric":"A","startedAt":null}]`, `[{"startedAt":"2026-01-01T00:00:00Z","startedAt":"2027-01-01T00:00:00Z"}]`, `{"a":"\u00e9"}`, "[\"\xff\"]", `{"a":`, `{"a"`}

func TestOddRowsAreReadAsTheLibraryDoes(t *testing.T) {
	for _, c := range columns {
		for _, text := range oddRows {
			if !inShortForm(c, text) {
				columnReadsAlike(t, c, text)
			}
		}
	}
}

// What no JSON holds is an error.
func TestRowsThatNoJSONHolds(t *testing.T) {
	if _, err := AppendClocks(nil, []Clock{{StartedAt: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}}); err == nil {
		t.Error("a time no JSON holds was written")
	}
	for _, v := range []any{math.NaN(), math.Inf(1), func() {}, []any{math.Inf(-1)}} {
		if b, err := AppendFields(nil, map[string]any{"a": v}); err == nil {
			t.Errorf("written: %s", b)
		}
	}
}

// Rows as they usually are need no encoding/json, and little memory.
func TestUsualRowsAreReadInOneWalk(t *testing.T) {
	at := time.Unix(1e9, 5000).UTC()
	clocks := []Clock{{Metric: FirstResponse, SLA: "standard", Calendar: "office", Target: time.Hour, State: ClockRunning, StartedAt: at, RunningAt: at, DueAt: at},
		{Metric: Resolution, SLA: "standard", Calendar: "office", Target: time.Hour, State: ClockMet, StartedAt: at, StoppedAt: at}}
	text, _ := AppendClocks(nil, clocks)
	long, _ := appendLongClocks(nil, clocks)
	fields := `{"count":3.5,"deep":{"x":null},"list":["a",1],"ok":true}`
	for _, walk := range []struct {
		name string
		most float64 // allocations
		read func()
	}{
		{"clocks", 2, func() { ReadClocks(string(text)) }},
		{"old clocks", 3, func() { ReadClocks(string(long)) }},
		{"texts", 2, func() { ReadTexts(`["a","b"]`) }},
		{"actor", 0, func() { ReadActor(`[0,"x","y"]`) }},
		{"old actor", 0, func() { ReadActor(`{"kind":"CUSTOMER","id":"x","name":"y"}`) }},
		{"nothing", 0, func() { ReadTexts(`[]`) }},
		{"no auto", 0, func() { ReadAuto(`{}`) }},
		{"fields", 16, func() { ReadFields(fields) }},
	} {
		if n := testing.AllocsPerRun(100, walk.read); n > walk.most {
			t.Errorf("%s: %v allocations, want at most %v", walk.name, n, walk.most)
		}
	}
	scratch := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() { AppendClocks(scratch, clocks) }); n > 0 {
		t.Errorf("clocks are written with %v allocations", n)
	}
}

func FuzzReadRows(f *testing.F) {
	for _, text := range oddRows {
		f.Add(text)
	}
	f.Add(`[{"metric":"RESOLUTION","sla":"s","calendar":"c","target":3600,"state":"RUNNING","startedAt":"2026-01-01T00:00:00.5Z","used":0,"dueAt":"2026-01-01T00:00:00Z"}]`)
	f.Add(`{"kind":"CUSTOMER","id":"i","name":"n"}`)
	f.Add(`{"route":"r","rule":"q","agent":"a"}`)
	f.Add(`{"name":"n","handle":"h"}`)
	f.Add(`{"a":[1,-2.5,"x",null,true,{"b":[]}]}`)
	f.Add(`[{"name":"n","contentType":"c","contentId":"i","inline":true,"blob":{"sha256":"a","size":1}}]`)
	f.Fuzz(func(t *testing.T, text string) {
		for _, c := range columns {
			if !inShortForm(c, text) { // see FuzzReadClocks and FuzzReadActor
				columnReadsAlike(t, c, text)
			}
		}
	})
}
