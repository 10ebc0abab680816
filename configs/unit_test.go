package configs

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestSizes(t *testing.T) {
	for in, want := range map[string]Size{"0": 0, "1": 1, "10b": 10, "1KB": 1024, "25 mb": 25 << 20, "2GiB": 2 << 30, "1k": -1, "": -1, "1.5MB": -1, "-1": -1, "9999999999999GB": -1} {
		got, err := ParseSize(in)
		if (want < 0) != (err != nil) || want >= 0 && got != want {
			t.Errorf("%q: %d, %v", in, got, err)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		s := Size(rapid.Int64Range(0, 1<<49).Draw(t, "size"))
		if got, err := ParseSize(s.String()); err != nil || got != s {
			t.Fatalf("%d is written %s and read %d, %v", int64(s), s, int64(got), err)
		}
	})
}

func TestDurations(t *testing.T) {
	const day = 24 * time.Hour
	for in, want := range map[string]time.Duration{"0": 0, "2ms": 2e6, "365d": 365 * day, "1d12h": 36 * time.Hour, "0.5d": day / 2, "1h30m": 90 * time.Minute,
		"": -1, "d": -1, "-1h": -1, "1d-1h": -1, "5": -1, "1 d": -1, "99999d": -1, "9999999h": -1} {
		got, err := ParseDuration(in)
		if (want < 0) != (err != nil) || want >= 0 && got != want {
			t.Errorf("%q: %v, %v", in, got, err)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(0, int64(1000*day)).Draw(t, "duration"))
		if got, err := ParseDuration(d.String()); err != nil || got != d {
			t.Fatalf("%s is read as %v, %v", d, got, err)
		}
	})
}
