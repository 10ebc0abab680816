package hours

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

var zones = []string{"UTC", "Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Asia/Beirut",
	"Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia", "America/St_Johns", "Africa/Casablanca"}

// anyCalendar draws a valid calendar with any number of windows a day.
func anyCalendar(t *rapid.T) *Calendar {
	loc, err := time.LoadLocation(rapid.SampledFrom(zones).Draw(t, "zone"))
	if err != nil {
		t.Fatal(err)
	}
	windows := func(label string) (day []Window) {
		edge := 0
		for range rapid.IntRange(0, 3).Draw(t, label) {
			from := rapid.IntRange(edge, minutesPerDay).Draw(t, "from")
			to := rapid.IntRange(edge, minutesPerDay).Draw(t, "to")
			if from < to {
				day = append(day, Window{from, to})
				edge = to
			}
		}
		return day
	}
	c := &Calendar{Location: loc, Holidays: map[Date]string{}, HalfDays: map[Date][]Window{}}
	for day := range c.Week {
		c.Week[day] = windows("windows")
	}
	c.Week[1] = append([]Window{{0, 1}}, c.Week[2]...) // open at least once a week
	if len(c.Week[2]) > 0 && c.Week[2][0].From == 0 {
		c.Week[1] = c.Week[2]
	}
	for range rapid.IntRange(0, 3).Draw(t, "days off") {
		c.Holidays[dateOf(rapid.Int64Range(14000, 22000).Draw(t, "day off"))] = "off"
	}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	return c
}

func anyInstant(label string) *rapid.Generator[time.Time] {
	return rapid.Custom(func(t *rapid.T) time.Time {
		day := rapid.Int64Range(14000, 22000).Draw(t, label) // 2008 to 2030
		second := rapid.Int64Range(0, secondsPerDay).Draw(t, "second")
		return time.Unix(day*secondsPerDay+second, rapid.Int64Range(0, 999_999_999).Draw(t, "fraction"))
	})
}

func anyDuration(t *rapid.T) time.Duration {
	return time.Duration(rapid.Int64Range(0, int64(5*time.Hour)).Draw(t, "duration"))
}

func TestBetweenUndoesAdd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, start, d := anyCalendar(t), anyInstant("start").Draw(t, "start"), anyDuration(t)
		due, err := c.Add(start, d)
		if err != nil {
			t.Skip("a calendar of minutes may need more than ten years")
		}
		if got := c.Between(start, due); got != d {
			t.Fatalf("Between(%s, %s) = %s, want %s", start, due, got, d)
		}
		if due.Before(start) {
			t.Fatalf("due %s before %s", due, start)
		}
		var sum time.Duration
		var end time.Time
		for _, interval := range c.Explain(start, d) {
			if !interval.From.After(end) || interval.From.Before(start) || !c.Open(interval.From) {
				t.Fatalf("Explain gives %v", interval)
			}
			sum, end = sum+interval.Duration(), interval.To
		}
		if sum != d || d > 0 && !end.Equal(due) {
			t.Fatalf("Explain adds up to %s until %s, want %s until %s", sum, end, d, due)
		}
	})
}

func TestAddIsMonotonic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, start, d := anyCalendar(t), anyInstant("start").Draw(t, "start"), anyDuration(t)
		later, more := start.Add(anyDuration(t)), d+anyDuration(t)
		due, err := c.Add(start, d)
		dueLater, errLater := c.Add(later, d)
		dueMore, errMore := c.Add(start, more)
		if err == nil && errLater == nil && dueLater.Before(due) {
			t.Fatalf("starting at %s is due %s, before %s", later, dueLater, due)
		}
		if err == nil && errMore == nil && dueMore.Before(due) {
			t.Fatalf("%s is due %s, before %s", more, dueMore, due)
		}
	})
}

func TestBetweenAddsUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, a := anyCalendar(t), anyInstant("a").Draw(t, "a")
		b := a.Add(30 * anyDuration(t))
		e := b.Add(30 * anyDuration(t))
		if got, want := c.Between(a, e), c.Between(a, b)+c.Between(b, e); got != want {
			t.Fatalf("Between(%s, %s) = %s, in two parts at %s %s", a, e, got, b, want)
		}
		if got := c.Between(e, a); got != 0 {
			t.Fatalf("Between backwards = %s", got)
		}
		if got := c.Between(a, e); got < 0 || got > e.Sub(a) {
			t.Fatalf("Between(%s, %s) = %s", a, e, got)
		}
	})
}

// TestOpenAgreesWithTheWallClock compares with the plain definition of a
// window wherever no clock change is near.
func TestOpenAgreesWithTheWallClock(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, at := anyCalendar(t), anyInstant("at").Draw(t, "at")
		wall := at.In(c.Location)
		for _, near := range []time.Duration{-48 * time.Hour, 48 * time.Hour} {
			_, here := wall.Zone()
			if _, there := wall.Add(near).Zone(); here != there {
				t.Skip("clock change near")
			}
		}
		want := false
		if _, off := c.Holidays[DateOf(wall)]; !off {
			minute := wall.Hour()*60 + wall.Minute()
			for _, w := range c.Week[wall.Weekday()] {
				want = want || w.From <= minute && minute < w.To
			}
		}
		if got := c.Open(at); got != want {
			t.Fatalf("Open(%s) = %v", wall, got)
		}
	})
}

func TestFirstIsWhatIsExplainedForLess(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, start := anyCalendar(t), anyInstant("start").Draw(t, "start")
		less := anyDuration(t)
		all := c.Explain(start, less+anyDuration(t)*4)
		got, want := First(all, less), c.Explain(start, less)
		if len(got) != len(want) {
			t.Fatalf("%v, want %v", got, want)
		}
		for i := range got {
			if !got[i].From.Equal(want[i].From) || !got[i].To.Equal(want[i].To) || got[i].From.Location() != want[i].From.Location() {
				t.Fatalf("%v, want %v", got, want)
			}
		}
	})
}
