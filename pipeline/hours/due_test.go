package hours

import (
	"errors"
	"math"
	"testing"
	"time"
)

func TestAdd(t *testing.T) {
	office := week(t, "UTC", "09:00-17:00", workdays...)
	lunch := week(t, "Europe/Berlin", "09:00-12:00 13:00-17:00", workdays...)
	holidays := week(t, "UTC", "09:00-17:00", workdays...)
	holidays.Holidays = map[Date]string{{2026, time.March, 3}: "Founders' Day"}
	holidays.HalfDays = map[Date][]Window{{2026, time.March, 4}: {{540, 720}}}

	// 2 March 2026 is a Monday.
	for _, tc := range []struct {
		name  string
		c     *Calendar
		start string
		d     time.Duration
		want  string
	}{
		// The worked example of the platform this is modelled on, and the one its label means.
		{"ten working hours", office, "2026-03-02 10:00", 10 * time.Hour, "2026-03-03 12:00"},
		{"five working hours", office, "2026-03-02 10:00", 5 * time.Hour, "2026-03-02 15:00"},
		// Priority changes: the elapsed hour is kept, the target is swapped from 4 h to 2 h.
		{"two hours, one used", office, "2026-03-02 11:00", 1 * time.Hour, "2026-03-02 12:00"},
		{"update checkpoint", office, "2026-03-02 10:30", 30 * time.Minute, "2026-03-02 11:00"},

		{"ends at closing", office, "2026-03-02 10:00", 7 * time.Hour, "2026-03-02 17:00"},
		{"one second past closing", office, "2026-03-02 10:00", 7*time.Hour + time.Second, "2026-03-03 09:00:01"},
		{"starts at closing", office, "2026-03-02 17:00", time.Minute, "2026-03-03 09:01"},
		{"over the weekend", office, "2026-03-06 16:30", time.Hour, "2026-03-09 09:30"},
		{"starts on Sunday", office, "2026-03-08 12:00", 0, "2026-03-09 09:00"},
		{"nothing to add, open", office, "2026-03-02 12:34", 0, "2026-03-02 12:34"},
		{"less than nothing", office, "2026-03-02 12:34", -time.Hour, "2026-03-02 12:34"},
		{"less than nothing, closed", office, "2026-03-02 18:00", -time.Hour, "2026-03-03 09:00"},
		{"working week", office, "2026-03-02 09:00", 40 * time.Hour, "2026-03-06 17:00"},
		{"lunch break", lunch, "2026-03-02 11:30", time.Hour, "2026-03-02 13:30"},
		{"clocks forward in between", lunch, "2026-03-27 16:00", 2 * time.Hour, "2026-03-30 10:00"},
		{"holiday and half day", holidays, "2026-03-02 16:00", 5 * time.Hour, "2026-03-05 10:00"},
		{"always", Always(nil), "2026-03-01 10:00", 50 * time.Hour, "2026-03-03 12:00"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			start, want := local(t, tc.c.Location, tc.start), local(t, tc.c.Location, tc.want)
			for _, from := range []time.Time{start, start.UTC(), start.In(time.FixedZone("", -11*3600))} {
				got, err := tc.c.Add(from, tc.d)
				if err != nil || !got.Equal(want) {
					t.Fatalf("Add(%s, %s) = %s, %v; want %s", from, tc.d, got, err, want)
				}
				if got.Location() != tc.c.Location {
					t.Errorf("Add answered in %s", got.Location())
				}
			}
			var sum time.Duration
			for _, interval := range tc.c.Explain(start, tc.d) {
				sum += interval.Duration()
			}
			if sum != max(tc.d, 0) {
				t.Errorf("Explain adds up to %s, want %s", sum, tc.d)
			}
		})
	}
}

func TestAddKeepsFractions(t *testing.T) {
	c := week(t, "UTC", "09:00-17:00", workdays...)
	start := local(t, time.UTC, "2026-03-02 16:59:59").Add(250 * time.Millisecond)
	due, err := c.Add(start, time.Second)
	if want := local(t, time.UTC, "2026-03-03 09:00").Add(250 * time.Millisecond); err != nil || !due.Equal(want) {
		t.Fatalf("Add = %s, %v; want %s", due, err, want)
	}
	if got := c.Between(start, due); got != time.Second {
		t.Fatalf("Between = %s", got)
	}
}

func TestNever(t *testing.T) {
	start := local(t, time.UTC, "2026-03-02 10:00")
	closed := &Calendar{Name: "closed", Location: time.UTC}
	if _, err := closed.Add(start, 0); !errors.Is(err, ErrNever) {
		t.Errorf("Add on a closed calendar: %v", err)
	}
	if at, ok := closed.NextOpening(start); ok || closed.Open(start) {
		t.Errorf("a closed calendar opens at %s", at)
	}
	oneDay := &Calendar{Location: time.UTC, HalfDays: map[Date][]Window{{2026, 3, 4}: {{540, 600}}}}
	if due, err := oneDay.Add(start, time.Hour); err != nil || !due.Equal(local(t, time.UTC, "2026-03-04 10:00")) {
		t.Errorf("Add = %s, %v", due, err)
	}
	if _, err := oneDay.Add(start, time.Hour+1); !errors.Is(err, ErrNever) {
		t.Errorf("Add past the only opening: %v", err)
	}
	if _, err := Always(nil).Add(start, math.MaxInt64); !errors.Is(err, ErrNever) {
		t.Errorf("Add of 292 years: %v", err)
	}
	if got := Always(nil).Between(time.Time{}, start); got != math.MaxInt64 {
		t.Errorf("Between over two thousand years = %s", got)
	}
	if got := closed.Between(time.Time{}, start); got != 0 {
		t.Errorf("Between on a closed calendar = %s", got)
	}
}

func TestOpenAndNextOpening(t *testing.T) {
	c := week(t, "America/New_York", "09:00-12:00 13:00-17:00", workdays...)
	for _, tc := range []struct {
		at, next string // next == at: open
	}{
		{"2026-03-02 08:59", "2026-03-02 09:00"},
		{"2026-03-02 09:00", "2026-03-02 09:00"},
		{"2026-03-02 11:59:59", "2026-03-02 11:59:59"},
		{"2026-03-02 12:00", "2026-03-02 13:00"},
		{"2026-03-02 17:00", "2026-03-03 09:00"},
		{"2026-03-06 17:00", "2026-03-09 09:00"}, // over the change of 8 March
	} {
		at := local(t, c.Location, tc.at).UTC()
		next, ok := c.NextOpening(at)
		if !ok || !next.Equal(local(t, c.Location, tc.next)) {
			t.Errorf("NextOpening(%s) = %s, %v; want %s", tc.at, next, ok, tc.next)
		}
		if c.Open(at) != (tc.at == tc.next) {
			t.Errorf("Open(%s) = %v", tc.at, c.Open(at))
		}
	}
}

func TestExplain(t *testing.T) {
	c := week(t, "UTC", "09:00-12:00 12:00-17:00", workdays...)
	got := c.Explain(local(t, time.UTC, "2026-03-06 16:00"), 10*time.Hour)
	want := [][2]string{
		{"2026-03-06 16:00", "2026-03-06 17:00"},
		{"2026-03-09 09:00", "2026-03-09 17:00"}, // windows that touch are one
		{"2026-03-10 09:00", "2026-03-10 10:00"},
	}
	if len(got) != len(want) {
		t.Fatalf("Explain = %v", got)
	}
	for i, w := range want {
		if !got[i].From.Equal(local(t, time.UTC, w[0])) || !got[i].To.Equal(local(t, time.UTC, w[1])) {
			t.Errorf("Explain[%d] = %v, want %v", i, got[i], w)
		}
	}
	if got := Always(nil).Explain(local(t, time.UTC, "2026-03-06 16:00"), 100*time.Hour); len(got) != 1 || got[0].Duration() != 100*time.Hour {
		t.Errorf("Explain of Always = %v", got)
	}
}

func BenchmarkAdd40h(b *testing.B) {
	c := week(b, "Europe/Berlin", "09:00-12:00 13:00-17:00", workdays...)
	c.Holidays = map[Date]string{{2026, time.March, 3}: "x"}
	c.HolidaysOf, _ = Region("de-by")
	start := local(b, c.Location, "2026-06-01 10:00")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Add(start, 40*time.Hour); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBetweenYear(b *testing.B) {
	c := week(b, "Europe/Berlin", "09:00-12:00 13:00-17:00", workdays...)
	start := local(b, c.Location, "2026-01-01 00:00")
	b.ReportAllocs()
	for b.Loop() {
		c.Between(start, start.AddDate(1, 0, 0))
	}
}
