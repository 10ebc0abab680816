package hours

import (
	"strings"
	"testing"
	"time"
)

// week fills a calendar with the same windows on the given days.
func week(t testing.TB, zone string, windows string, days ...time.Weekday) *Calendar {
	t.Helper()
	c := &Calendar{Name: "test", Location: location(t, zone)}
	for _, day := range days {
		for s := range strings.SplitSeq(windows, " ") {
			w, err := ParseWindow(s)
			if err != nil {
				t.Fatal(err)
			}
			c.Week[day] = append(c.Week[day], w)
		}
	}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	return c
}

var (
	workdays = []time.Weekday{time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday}
	everyDay = append([]time.Weekday{time.Saturday, time.Sunday}, workdays...)
)

func location(t testing.TB, zone string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

// local reads "2026-03-02 10:00" or "2026-03-02 10:00:30" on a zone's clock.
func local(t testing.TB, loc *time.Location, s string) time.Time {
	t.Helper()
	layout := "2006-01-02 15:04"
	if len(s) > len(layout) {
		layout = time.DateTime
	}
	at, err := time.ParseInLocation(layout, s, loc)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestValidate(t *testing.T) {
	nine := []Window{{540, 1020}}
	christmas := Date{2026, time.December, 25}
	for _, tc := range []struct {
		name string
		c    Calendar
		want []string // parts of the message; none is valid
	}{
		{"plain", Calendar{Location: time.UTC, Week: [7][]Window{1: nine}}, nil},
		{"touching windows", Calendar{Location: time.UTC, Week: [7][]Window{1: {{540, 720}, {720, 800}}}}, nil},
		{"half days only", Calendar{Location: time.UTC, HalfDays: map[Date][]Window{christmas: nine}}, nil},
		{"zero", Calendar{}, []string{"no time zone", "never open: no weekday has a window"}},
		{"reversed", Calendar{Location: time.UTC, Week: [7][]Window{2: {{600, 540}}}}, []string{"Tuesday", "closes before it opens"}},
		{"empty window", Calendar{Location: time.UTC, Week: [7][]Window{2: {{600, 600}}}}, []string{"same time"}},
		{"too late", Calendar{Location: time.UTC, Week: [7][]Window{2: {{600, 1500}}}}, []string{"00:00 to 24:00"}},
		{"overlap", Calendar{Location: time.UTC, Week: [7][]Window{3: {{540, 720}, {700, 800}}}}, []string{"Wednesday: windows 09:00-12:00 and 11:40-13:20 overlap"}},
		{"disorder", Calendar{Location: time.UTC, Week: [7][]Window{3: {{720, 800}, {540, 720}}}}, []string{"not in order"}},
		{"bad half day", Calendar{Location: time.UTC, Week: [7][]Window{1: nine}, HalfDays: map[Date][]Window{christmas: {{5, 1}}}}, []string{"2026-12-25", "closes before"}},
		{"both", Calendar{Location: time.UTC, Week: [7][]Window{1: nine}, Holidays: map[Date]string{christmas: "Christmas"},
			HalfDays: map[Date][]Window{christmas: nine}}, []string{"both a holiday (Christmas) and a half day"}},
		{"half day that is a holiday", Calendar{Location: time.UTC, Holidays: map[Date]string{christmas: "Christmas"},
			HalfDays: map[Date][]Window{christmas: nine}}, []string{"never open"}},
		{"rule closes all", Calendar{Location: time.UTC, Week: [7][]Window{1: nine},
			HolidaysOf: func(Date) (string, bool) { return "strike", true }}, []string{"closes every day"}},
	} {
		err := tc.c.Validate()
		if (err == nil) != (len(tc.want) == 0) {
			t.Errorf("%s: Validate = %v", tc.name, err)
			continue
		}
		for _, part := range tc.want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: Validate = %v; want %q in it", tc.name, err, part)
			}
		}
	}
}

func TestDayIsDecidedInOrder(t *testing.T) {
	c := week(t, "UTC", "09:00-17:00", workdays...)
	monday, tuesday, wednesday := Date{2026, 3, 2}, Date{2026, 3, 3}, Date{2026, 3, 4}
	c.Holidays = map[Date]string{monday: "own"}
	c.HalfDays = map[Date][]Window{tuesday: {{540, 720}}}
	c.HolidaysOf = func(d Date) (string, bool) { return "rule", d == tuesday || d == wednesday }
	for _, tc := range []struct {
		from, to string
		want     time.Duration
	}{
		{"2026-03-02 00:00", "2026-03-03 00:00", 0},
		{"2026-03-03 00:00", "2026-03-04 00:00", 3 * time.Hour}, // the half day wins over the rule
		{"2026-03-04 00:00", "2026-03-05 00:00", 0},
		{"2026-03-05 00:00", "2026-03-06 00:00", 8 * time.Hour},
	} {
		if got := c.Between(local(t, time.UTC, tc.from), local(t, time.UTC, tc.to)); got != tc.want {
			t.Errorf("Between(%s, %s) = %s, want %s", tc.from, tc.to, got, tc.want)
		}
	}
	got := c.Closures(local(t, time.UTC, "2026-03-01 00:00"), local(t, time.UTC, "2026-03-08 00:00"))
	if len(got) != 2 || got[0] != (Closure{monday, "own"}) || got[1] != (Closure{wednesday, "rule"}) {
		t.Errorf("Closures = %v", got)
	}
}
