package hours

import (
	"strings"
	"testing"
	"time"
)

func TestParseWindow(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want Window
		err  string // part of the message; "" is success
	}{
		{in: "09:00-12:30", want: Window{540, 750}},
		{in: " 9:05 - 17:00 ", want: Window{545, 1020}},
		{in: "00:00-24:00", want: Window{0, 1440}},
		{in: "23:59-24:00", want: Window{1439, 1440}},
		{in: "", err: "want two times"},
		{in: "0900", err: "want two times"},
		{in: "09:00-", err: "not a time of day"},
		{in: "9-17", err: "not a time of day"},
		{in: "09:0-12:00", err: "not a time of day"},
		{in: "09:60-12:00", err: "not a time of day"},
		{in: "09:00-24:01", err: "not a time of day"},
		{in: "+9:00-12:00", err: "not a time of day"},
		{in: "09:00-12:00-13:00", err: "not a time of day"},
		{in: "12:00-12:00", err: "whole day is 00:00-24:00"},
		{in: "22:00-06:00", err: "22:00-24:00 and, on the next day, 00:00-06:00"},
	} {
		got, err := ParseWindow(tc.in)
		switch {
		case tc.err == "" && (err != nil || got != tc.want):
			t.Errorf("ParseWindow(%q) = %v, %v; want %v", tc.in, got, err, tc.want)
		case tc.err != "" && (err == nil || !strings.Contains(err.Error(), tc.err)):
			t.Errorf("ParseWindow(%q) = %v, %v; want an error with %q", tc.in, got, err, tc.err)
		}
	}
}

func FuzzParseWindow(f *testing.F) {
	for _, s := range []string{"09:00-12:30", "00:00-24:00", "22:00-06:00", "-", "24:00-24:00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		w, err := ParseWindow(s)
		if err != nil {
			return
		}
		if w.From < 0 || w.From >= w.To || w.To > 1440 {
			t.Fatalf("ParseWindow(%q) = impossible %v", s, w)
		}
		if again, err := ParseWindow(w.String()); err != nil || again != w {
			t.Fatalf("ParseWindow(%q) = %v, %v; want %v", w.String(), again, err, w)
		}
	})
}

func TestDate(t *testing.T) {
	for day := int64(-200000); day < 200000; day += 37 {
		date := dateOf(day)
		if back := dayOf(date); back != day {
			t.Fatalf("dayOf(%v) = %d, want %d", date, back, day)
		}
		want := time.Date(date.Year, date.Month, date.Day, 0, 0, 0, 0, time.UTC).Weekday()
		if got := weekdayOf(day); got != want {
			t.Fatalf("weekdayOf(%v) = %v, want %v", date, got, want)
		}
	}
	if d, err := ParseDate("2024-02-29"); err != nil || d != (Date{2024, time.February, 29}) || d.String() != "2024-02-29" {
		t.Errorf("ParseDate = %v, %v", d, err)
	}
	if d, err := ParseDate("2023-02-29"); err == nil {
		t.Errorf("ParseDate accepted a day that never was: %v", d)
	}
}
