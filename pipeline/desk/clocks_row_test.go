package desk

import (
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"
)

var clockDay = time.Date(2026, 3, 2, 12, 0, 0, 123456000, time.UTC)

// The short form, as it stands in the books of everybody.
func TestClocksInTheBooks(t *testing.T) {
	at := func(d time.Duration) time.Time { return clockDay.Add(d) }
	for _, c := range []struct {
		clocks []Clock
		want   string
	}{
		{nil, `null`},
		{[]Clock{}, `[]`},
		{[]Clock{
			{Metric: FirstResponse, SLA: "gold", Calendar: "office", Target: time.Hour, State: ClockRunning, StartedAt: clockDay, RunningAt: clockDay, DueAt: at(90 * time.Minute)},
			{Metric: Resolution, SLA: "gold", Calendar: "office", Target: 8 * time.Hour, State: ClockPaused, StartedAt: clockDay, Used: 90*time.Second + 1},
		}, `[1,1772452800.123456,"gold","office",[0,0,3600,0,5400],[2,1,28800,0,null,90.000000001,null,null]]`},
		{[]Clock{
			{Metric: FirstResponse, SLA: "gold", Calendar: "office", Target: time.Hour, State: ClockMet, StartedAt: clockDay, RunningAt: clockDay, DueAt: at(time.Hour), Used: time.Minute, StoppedAt: at(time.Minute)},
			{Metric: NextResponse, SLA: "new", Calendar: "office", Target: time.Hour, State: ClockBreached, StartedAt: at(-1500 * time.Millisecond), RunningAt: at(time.Second), DueAt: at(time.Hour), StoppedAt: at(2 * time.Hour), BreachedAt: at(time.Hour)},
			{Metric: Resolution, SLA: "new", Calendar: "office", Target: time.Hour, State: ClockCancelled, StartedAt: clockDay, RunningAt: clockDay, StoppedAt: clockDay},
		}, `[1,1772452800.123456,"gold","office",[0,2,3600,0,3600,60,60],"new","office",[1,3,3600,-1.5,3601.5,0,7201.5,2.5,3601.5],[2,4,3600,0,null,0,0]]`},
		{[]Clock{{Metric: Resolution, State: ClockPaused, Target: -time.Nanosecond, StartedAt: time.Unix(-1, 5e8).UTC(), RunningAt: time.Unix(-1, 5e8).UTC()}}, `[1,-0.5,"","",[2,1,-0.000000001]]`},
		// What the short form cannot say.
		{[]Clock{{Metric: "MOOD", State: ClockPaused, StartedAt: clockDay}},
			`[{"metric":"MOOD","sla":"","calendar":"","target":0,"state":"PAUSED","startedAt":"2026-03-02T12:00:00.123456Z","used":0}]`},
		{[]Clock{{Metric: Resolution, State: "LOST", StartedAt: clockDay}},
			`[{"metric":"RESOLUTION","sla":"","calendar":"","target":0,"state":"LOST","startedAt":"2026-03-02T12:00:00.123456Z","used":0}]`},
		{[]Clock{{Metric: Resolution, State: ClockPaused}},
			`[{"metric":"RESOLUTION","sla":"","calendar":"","target":0,"state":"PAUSED","startedAt":"0001-01-01T00:00:00Z","used":0}]`},
		{[]Clock{{Metric: Resolution, State: ClockPaused, StartedAt: clockDay, DueAt: clockDay.In(time.FixedZone("", 3600))}},
			`[{"metric":"RESOLUTION","sla":"","calendar":"","target":0,"state":"PAUSED","startedAt":"2026-03-02T12:00:00.123456Z","used":0,"dueAt":"2026-03-02T13:00:00.123456+01:00"}]`},
	} {
		got, err := AppendClocks([]byte("x"), c.clocks)
		if err != nil || string(got) != "x"+c.want {
			t.Errorf("%s, %v\nwant x%s", got, err, c.want)
			continue
		}
		clocksComeBack(t, c.clocks)
	}
}

// clocksComeBack demands of clocks, once written, that the reader brings back
// what it reads of the form before.
func clocksComeBack(t *testing.T, clocks []Clock) (short bool) {
	t.Helper()
	text, err := AppendClocks(nil, clocks)
	long, wantErr := appendLongClocks(nil, clocks)
	if (err != nil) != (wantErr != nil) {
		t.Fatalf("%+v: written with %v, want %v", clocks, err, wantErr)
	}
	if err != nil {
		return false
	}
	got, err := ReadClocks(string(text))
	want, wantErr := byLibrary[[]Clock](string(long))
	if !reflect.DeepEqual(got, want) || err != nil || wantErr != nil {
		t.Fatalf("%s\nread %+v, %v\nwant %+v, %v", text, got, err, want, wantErr)
	}
	if len(text) > len(long) {
		t.Fatalf("%s is longer than %s", text, long)
	}
	return strings.HasPrefix(string(text), shortClocks)
}

// Whatever clocks are written come back to the nanosecond.
func TestClocksComeBack(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	short := 0
	for range 20_000 {
		if clocksComeBack(t, wildClocks(random)) {
			short++
		}
	}
	if short < 5000 || short > 19_000 {
		t.Errorf("%d of 20000 were short", short)
	}
}

func wildClocks(random *rand.Rand) []Clock {
	metrics, states := append([]Metric{"OTHER"}, clockMetrics...), append([]ClockState{""}, clockStates...)
	odd := random.IntN(3) == 0 // some texts and instants may be out of the ordinary
	base := wildInstant(random, time.Time{}, odd)
	list := make([]Clock, random.IntN(5))
	for i := range list {
		c := &list[i]
		c.Metric, c.State = metrics[1+random.IntN(3)], states[1+random.IntN(5)]
		if c.SLA, c.Calendar = "standard", "office"; random.IntN(4) == 0 {
			c.SLA, c.Calendar = trickyTexts[random.IntN(len(trickyTexts))], trickyTexts[random.IntN(len(trickyTexts))]
		}
		if odd && random.IntN(8) == 0 {
			c.Metric = metrics[random.IntN(4)]
		}
		if odd && random.IntN(8) == 0 {
			c.State = states[random.IntN(6)]
		}
		c.Target, c.Used = wildLength(random), wildLength(random)
		if c.StartedAt = base; random.IntN(2) == 0 {
			c.StartedAt = wildInstant(random, base, odd)
		}
		for _, into := range []*time.Time{&c.RunningAt, &c.DueAt, &c.StoppedAt, &c.BreachedAt} {
			switch random.IntN(4) {
			case 0:
			case 1:
				*into = c.StartedAt
			default:
				*into = wildInstant(random, c.StartedAt, odd)
			}
		}
	}
	return list
}

func wildLength(random *rand.Rand) time.Duration {
	unit := []time.Duration{1, time.Microsecond, time.Millisecond, time.Second, time.Hour}[random.IntN(5)]
	switch random.IntN(12) {
	case 0:
		return 0
	case 1:
		return math.MaxInt64
	case 2:
		return math.MinInt64
	case 3:
		return -unit * time.Duration(random.IntN(1e6))
	}
	return unit * time.Duration(random.IntN(1e6))
}

func wildInstant(random *rand.Rand, near time.Time, odd bool) time.Time {
	switch n := random.IntN(12); {
	case odd && n == 0:
		return time.Unix(random.Int64N(1<<33), random.Int64N(1e9)).In(time.FixedZone("", 60*random.IntN(1000)))
	case odd && n == 1:
		return time.Time{}
	case odd && n == 2:
		return time.Date(random.IntN(20_002)-5000, 1, 1, 0, 0, 0, random.IntN(1e9), time.UTC)
	case n == 3:
		return time.Now() // by the monotonic clock too, which no row has
	case n == 4:
		return time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC)
	case n == 5:
		return time.Time{}.Add(1)
	case n < 9 || near.IsZero():
		return time.Unix(random.Int64N(1<<33)-1<<32, random.Int64N(1e9)).UTC()
	}
	return near.UTC().Add(wildLength(random) / 1000)
}

var oddClocks = []string{`[1,`, `[1]`, `[1,0]`, `[1,0,"s","c"]`, `[1,0,"s","c",]`, `[1,0,[0,0,1]]`, `[1,0,"s",[0,0,1]]`, `[1,0,"s","c",[0,0,1]`, `[1,0,"s","c",[0,0]]`, `[1,0,"s","c",[3,0,1]]`, `[1,0,"s","c",[0,5,1]]`,
	`[1,0,"s","c",[-1,0,1]]`, `[1,0,"s","c",[0,0,null]]`, `[1,0,"s","c",[0,0,1,null]]`, `[1,0,"s","c",[0,0,1,0,0,0,0,0,0,0]]`, `[1,0,"s","c",[0,0,1.]]`, `[1,0,"s","c",[0,0,1.0000000001]]`, `[1,0,"s","c",[0,0,01]]`,
	`[1,0,"s","c",[0,0,9223372036.854775808]]`, `[1,0,"s","c",[0,0,1e3]]`, `[1,null,"s","c",[0,0,1]]`, `[1,-62135596800,"s","c",[0,0,1]]`, `[1,253402300800,"s","c",[0,0,1]]`, `[1,0,"s","c",[0,0,1,253402300800]]`, `[1,9223372036854775807,"s","c",[0,0,1]]`,
	`[1,0,"s","c",[0,0,1],"s","c"]`, `[1,0,"s","c",[0,0,1]]x`, `[1,0,"s","c",[0,0,1,]]`, `[1,0,"s","c",[0,0,1,0,-]]`, `[2,0,"s","c",[0,0,1]]`, `[1,0 ,"s","c",[0,0,1]]`, `[1,0,"\u12","c",[0,0,1]]`, "[1,0,\"\xff\",\"c\",[0,0,1]]"}

// What is not in the short form is refused, whole.
func TestOddClocksAreRefused(t *testing.T) {
	for _, text := range oddClocks {
		if got, err := ReadClocks(text); err == nil {
			t.Errorf("%s was read as %+v", text, got)
		}
	}
}

// The books say the longest and the shortest duration to the nanosecond.
func TestSeconds(t *testing.T) {
	for text, want := range map[string]time.Duration{"0": 0, "-0": 0, "-0.0": 0, "1.5": 1500 * time.Millisecond, "-1.5": -1500 * time.Millisecond, "0.000000001": 1, "-0.000000001": -1,
		"9223372036.854775807": math.MaxInt64, "-9223372036.854775808": math.MinInt64, "-1.000000000": -time.Second} {
		r := jsonReader{text: text}
		var got time.Duration
		if !r.duration(&got) || !r.done() || got != want {
			t.Errorf("%s is %d, want %d", text, got, want)
		}
	}
}

// FuzzReadClocks reads anything: what it takes for clocks in the short form is
// written and read again without a change.
func FuzzReadClocks(f *testing.F) {
	for _, text := range oddClocks {
		f.Add(text)
	}
	f.Add(`[1,1772452800.123456,"gold","office",[0,2,3600,0,3600,60,60],"new","office",[1,3,3600,-1.5,3601.5,0,7201.5,2.5,3601.5],[2,4,3600,0,null,0,0]]`)
	f.Fuzz(func(t *testing.T, text string) {
		clocks, err := ReadClocks(text)
		if err != nil {
			return
		}
		if !strings.HasPrefix(text, shortClocks) {
			want, wantErr := byLibrary[[]Clock](text)
			if !reflect.DeepEqual(clocks, want) || wantErr != nil {
				t.Fatalf("%s\nread %+v\nwant %+v, %v", text, clocks, want, wantErr)
			}
			return
		}
		if !clocksComeBack(t, clocks) {
			t.Fatalf("%s was read, and is not written short: %+v", text, clocks)
		}
		again, _ := AppendClocks(nil, clocks)
		if got, err := ReadClocks(string(again)); err != nil || !reflect.DeepEqual(got, clocks) {
			t.Fatalf("%s\nagain %s\n%+v, %v\nwant %+v", text, again, got, err, clocks)
		}
	})
}
