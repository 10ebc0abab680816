package hours

import (
	"fmt"
	"strconv"
	"strings"
)

const minutesPerDay = 24 * 60

// Window is an opening interval within one local day, in minutes since local
// midnight by wall clock: [From, To), To up to 1440 ("24:00").
type Window struct{ From, To int }

// ParseWindow reads "09:00-12:30" or "9:00 - 12:30". The end may be "24:00".
// A window over midnight is refused; it is two windows on two days.
func ParseWindow(s string) (Window, error) {
	from, to, found := strings.Cut(s, "-")
	if !found {
		return Window{}, fmt.Errorf("hours: window %q: want two times, as in 09:00-17:30", s)
	}
	var w Window
	var err error
	if w.From, err = parseClock(from); err == nil {
		w.To, err = parseClock(to)
	}
	if err == nil {
		err = w.check()
	}
	if err != nil {
		return Window{}, fmt.Errorf("hours: window %q: %w", s, err)
	}
	return w, nil
}

// String returns the form ParseWindow reads, such as "09:00-12:30".
func (w Window) String() string {
	return fmt.Sprintf("%02d:%02d-%02d:%02d", w.From/60, w.From%60, w.To/60, w.To%60)
}

// MarshalText writes the form of String.
func (w Window) MarshalText() ([]byte, error) { return []byte(w.String()), nil }

// UnmarshalText reads what ParseWindow reads.
func (w *Window) UnmarshalText(text []byte) (err error) {
	*w, err = ParseWindow(string(text))
	return err
}

// check refuses a window that no local day can hold.
func (w Window) check() error {
	switch {
	case w.From < 0 || w.To > minutesPerDay:
		return fmt.Errorf("a day runs from 00:00 to 24:00")
	case w.From == w.To:
		return fmt.Errorf("it opens and closes at the same time; a whole day is 00:00-24:00")
	case w.From > w.To:
		return fmt.Errorf("it closes before it opens; hours over midnight are two windows, "+
			"%02d:%02d-24:00 and, on the next day, 00:00-%02d:%02d", w.From/60, w.From%60, w.To/60, w.To%60)
	}
	return nil
}

// checkDay refuses windows of one day that are impossible, overlap, or are
// not in ascending order. Windows that touch are allowed.
func checkDay(windows []Window) error {
	for i, w := range windows {
		if err := w.check(); err != nil {
			return fmt.Errorf("window %s: %w", w, err)
		}
		if i == 0 {
			continue
		}
		switch before := windows[i-1]; {
		case w.To <= before.From:
			return fmt.Errorf("windows %s and %s are not in order", before, w)
		case w.From < before.To:
			return fmt.Errorf("windows %s and %s overlap", before, w)
		}
	}
	return nil
}

// parseClock reads "09:00" as minutes since midnight, 0 to 1440.
func parseClock(s string) (int, error) {
	s = strings.TrimSpace(s)
	h, m, found := strings.Cut(s, ":")
	hour, okHour := parseDigits(h, 1, 24)
	minute, okMinute := parseDigits(m, 2, 59)
	if !found || !okHour || !okMinute || hour*60+minute > minutesPerDay {
		return 0, fmt.Errorf("%q is not a time of day between 00:00 and 24:00", s)
	}
	return hour*60 + minute, nil
}

// parseDigits reads shortest to two decimal digits, at most highest.
func parseDigits(s string, shortest, highest int) (int, bool) {
	if len(s) < shortest || len(s) > 2 || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.Atoi(s)
	return n, err == nil && n <= highest
}
