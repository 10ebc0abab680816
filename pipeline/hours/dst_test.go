package hours

import (
	"testing"
	"time"
)

// TestClockChanges measures windows on days with 23, 25 and odd numbers of
// hours. Instants are given in UTC because local ones are ambiguous here.
func TestClockChanges(t *testing.T) {
	for _, tc := range []struct {
		name, zone, windows string
		day                 Date
		want                []string // openings and closings in UTC
	}{
		{"Berlin forward, whole day", "Europe/Berlin", "00:00-24:00", Date{2026, 3, 29}, []string{"2026-03-28 23:00", "2026-03-29 22:00"}},
		{"Berlin back, whole day", "Europe/Berlin", "00:00-24:00", Date{2026, 10, 25}, []string{"2026-10-24 22:00", "2026-10-25 23:00"}},
		{"Berlin forward, over the gap", "Europe/Berlin", "01:00-04:00", Date{2026, 3, 29}, []string{"2026-03-29 00:00", "2026-03-29 02:00"}},
		{"Berlin forward, into the gap", "Europe/Berlin", "01:00-02:30", Date{2026, 3, 29}, []string{"2026-03-29 00:00", "2026-03-29 01:00"}},
		{"Berlin forward, out of the gap", "Europe/Berlin", "02:30-04:00", Date{2026, 3, 29}, []string{"2026-03-29 01:00", "2026-03-29 02:00"}},
		{"Berlin forward, in the gap", "Europe/Berlin", "02:00-03:00", Date{2026, 3, 29}, nil},
		{"Berlin back, the double hour", "Europe/Berlin", "02:00-03:00", Date{2026, 10, 25}, []string{"2026-10-25 00:00", "2026-10-25 02:00"}},
		{"Berlin back, touching in it", "Europe/Berlin", "00:00-02:30 02:30-04:00", Date{2026, 10, 25}, []string{"2026-10-24 22:00", "2026-10-25 00:30", "2026-10-25 00:30", "2026-10-25 03:00"}},
		{"Berlin office, forward", "Europe/Berlin", "09:00-17:00", Date{2026, 3, 29}, []string{"2026-03-29 07:00", "2026-03-29 15:00"}},
		{"New York forward", "America/New_York", "00:00-24:00", Date{2026, 3, 8}, []string{"2026-03-08 05:00", "2026-03-09 04:00"}},
		{"New York back", "America/New_York", "00:00-24:00", Date{2026, 11, 1}, []string{"2026-11-01 04:00", "2026-11-02 05:00"}},
		{"Sydney forward", "Australia/Sydney", "00:00-24:00", Date{2026, 10, 4}, []string{"2026-10-03 14:00", "2026-10-04 13:00"}},
		{"Lord Howe back, half an hour", "Australia/Lord_Howe", "00:00-24:00", Date{2026, 4, 5}, []string{"2026-04-04 13:00", "2026-04-05 13:30"}},
		{"Sao Paulo forward, no midnight", "America/Sao_Paulo", "00:00-24:00", Date{2018, 11, 4}, []string{"2018-11-04 03:00", "2018-11-05 02:00"}},
		{"Sao Paulo, the day before it", "America/Sao_Paulo", "00:00-24:00", Date{2018, 11, 3}, []string{"2018-11-03 03:00", "2018-11-04 03:00"}},
		{"Sao Paulo, in the gap", "America/Sao_Paulo", "00:00-01:00", Date{2018, 11, 4}, nil},
		{"Sao Paulo back, 23:00 twice", "America/Sao_Paulo", "00:00-24:00", Date{2018, 2, 17}, []string{"2018-02-17 02:00", "2018-02-18 03:00"}},
		{"Sao Paulo back, evening", "America/Sao_Paulo", "22:00-24:00", Date{2018, 2, 17}, []string{"2018-02-18 00:00", "2018-02-18 03:00"}},
		{"Sao Paulo, the day after", "America/Sao_Paulo", "00:00-01:00", Date{2018, 2, 18}, []string{"2018-02-18 03:00", "2018-02-18 04:00"}},
		{"Beirut forward", "Asia/Beirut", "00:00-24:00", Date{2022, 3, 27}, []string{"2022-03-26 22:00", "2022-03-27 21:00"}},
		{"Beirut back", "Asia/Beirut", "00:00-24:00", Date{2022, 10, 29}, []string{"2022-10-28 21:00", "2022-10-29 22:00"}},
		{"Apia, the day that was left out", "Pacific/Apia", "00:00-24:00", Date{2011, 12, 30}, nil},
		{"Apia, the day before", "Pacific/Apia", "00:00-24:00", Date{2011, 12, 29}, []string{"2011-12-29 10:00", "2011-12-30 10:00"}},
		{"Apia, the day after", "Pacific/Apia", "00:00-24:00", Date{2011, 12, 31}, []string{"2011-12-30 10:00", "2011-12-31 10:00"}},
		{"St John's, back over midnight", "America/St_Johns", "00:00-24:00", Date{2010, 11, 7}, []string{"2010-11-07 02:30", "2010-11-08 03:30"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			// Only this one day is open, so whatever is found belongs to it.
			c := week(t, tc.zone, tc.windows, everyDay...)
			c.HalfDays = map[Date][]Window{tc.day: c.Week[0]}
			c.Week = [7][]Window{}

			var got []string
			middle := time.Unix(dayOf(tc.day)*secondsPerDay, 0)
			var total time.Duration
			for interval := range c.intervals(middle.AddDate(0, 0, -3), middle.AddDate(0, 0, 4)) {
				got = append(got, interval.From.UTC().Format("2006-01-02 15:04"), interval.To.UTC().Format("2006-01-02 15:04"))
				total += interval.Duration()
				for at, open := range map[time.Time]bool{
					interval.From: true, interval.From.Add(-1): false, interval.To.Add(-1): true,
				} {
					if len(tc.want) == 2 && c.Open(at) != open {
						t.Errorf("Open(%s) = %v", at, !open)
					}
				}
			}
			if len(got) != len(tc.want) {
				t.Fatalf("intervals = %v, want %v", got, tc.want)
			}
			for i := range got {
				if got[i] != tc.want[i] {
					t.Errorf("intervals = %v, want %v", got, tc.want)
					break
				}
			}
			due, err := c.Add(middle.AddDate(0, 0, -3), total)
			if total > 0 && (err != nil || due.UTC().Format("2006-01-02 15:04") != tc.want[len(tc.want)-1]) {
				t.Errorf("Add(%s) = %s, %v; want %s", total, due.UTC(), err, tc.want[len(tc.want)-1])
			}
		})
	}
}

// TestAlwaysIsReal walks a whole year of 24x7 in zones with every sort of
// clock change: nothing may be lost or counted twice.
func TestAlwaysIsReal(t *testing.T) {
	for _, zone := range []string{"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo",
		"Asia/Beirut", "Pacific/Apia", "America/St_Johns", "Africa/Casablanca", "Asia/Gaza", "Antarctica/Troll", "America/Nuuk", "Africa/Monrovia"} {
		c := Always(location(t, zone))
		for _, year := range []int{1900, 1972, 2006, 2011, 2018, 2026, 2060} {
			start := time.Date(year, 1, 1, 5, 0, 0, 0, time.UTC)
			end := start.AddDate(1, 0, 0)
			if got, want := c.Between(start, end), end.Sub(start); got != want {
				t.Errorf("%s %d: Between = %s, want %s", zone, year, got, want)
			}
			if due, err := c.Add(start, end.Sub(start)); err != nil || !due.Equal(end) {
				t.Errorf("%s %d: Add = %s, %v; want %s", zone, year, due, err, end)
			}
		}
	}
}
