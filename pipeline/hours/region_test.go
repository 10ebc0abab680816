package hours

import (
	"strings"
	"sync"
	"testing"
	"time"
)

func TestRegion(t *testing.T) {
	for _, tc := range []struct {
		region, date string
		closed       bool
	}{
		{"de", "2026-04-03", true},     // Good Friday
		{"de", "2026-04-06", true},     // Easter Monday
		{"de", "2026-10-03", true},     // German Unity Day
		{"de", "2026-11-01", false},    // All Saints' Day is not everywhere ...
		{"de-by", "2026-11-01", true},  // ... but in Bavaria
		{"DE-BY ", "2026-11-01", true}, // as people type it
		{"us", "2026-11-26", true},     // Thanksgiving
		{"us", "2026-07-04", true},     // a Saturday ...
		{"us", "2026-07-03", true},     // ... observed on Friday
		{"us", "2021-12-31", true},     // New Year's Day of 2022, observed in the year before
		{"us", "2026-07-06", false},
		{"gb", "2026-12-28", true}, // Boxing Day is a Saturday
		{"gb", "2026-12-26", true},
		{"fr", "2026-07-14", true},
		{"fr", "2026-07-15", false},
		{"de", "1750-12-25", false}, // outside the years with rules
	} {
		holiday, err := Region(tc.region)
		if err != nil {
			t.Fatal(err)
		}
		date, err := ParseDate(tc.date)
		if err != nil {
			t.Fatal(err)
		}
		if name, closed := holiday(date); closed != tc.closed || closed && name == "" {
			t.Errorf("%s %s = %q, %v; want %v", tc.region, tc.date, name, closed, tc.closed)
		}
	}
	if _, err := Region("atlantis"); err == nil || !strings.Contains(err.Error(), "de-by") || !strings.Contains(err.Error(), "us") {
		t.Errorf("Region(atlantis) = %v; want the known ones listed", err)
	}
}

func TestEveryRegionHasHolidays(t *testing.T) {
	for _, code := range Regions() {
		holiday, err := Region(code)
		if err != nil {
			t.Fatal(err)
		}
		days := 0
		for day := dayOf(Date{2026, 1, 1}); day <= dayOf(Date{2026, 12, 31}); day++ {
			if _, closed := holiday(dateOf(day)); closed {
				days++
			}
		}
		if days < 5 || days > 30 {
			t.Errorf("%s closes on %d days of 2026", code, days)
		}
	}
}

func TestRegionIsConcurrent(t *testing.T) {
	holiday, err := Region("jp")
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for year := 2000; year < 2030; year++ {
				if _, closed := holiday(Date{year, time.January, 1}); !closed {
					t.Errorf("New Year's Day %d is open", year)
				}
			}
		})
	}
	group.Wait()
}

func TestCalendarWithRegion(t *testing.T) {
	c := week(t, "Europe/Berlin", "09:00-17:00", workdays...)
	c.HolidaysOf, _ = Region("de")
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	// Thursday before Easter 2026, 16:00: Friday and Monday are closed.
	due, err := c.Add(local(t, c.Location, "2026-04-02 16:00"), 2*time.Hour)
	if want := local(t, c.Location, "2026-04-07 10:00"); err != nil || !due.Equal(want) {
		t.Errorf("Add = %s, %v; want %s", due, err, want)
	}
	if got := c.Closures(local(t, c.Location, "2026-04-02 16:00"), due); len(got) != 2 || got[0].Name != "Karfreitag" {
		t.Errorf("Closures = %v", got)
	}
}
