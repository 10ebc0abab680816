package configs

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Size is a number of bytes, written "25MB", "512KB", "1GB" or a plain number.
// The units count in 1024.
type Size int64

// The units of Size.
const (
	KB Size = 1 << 10
	MB Size = 1 << 20
	GB Size = 1 << 30
)

var sizeForm = regexp.MustCompile(`(?i)^(\d{1,15})\s*(b|kb|mb|gb|kib|mib|gib|)$`)

var errSize = errors.New(`want a size such as 25MB, 256KB or 1GB`)

// ParseSize reads what String writes.
func ParseSize(s string) (Size, error) {
	m := sizeForm.FindStringSubmatch(strings.TrimSpace(s))
	if m == nil {
		return 0, errSize
	}
	n, _ := strconv.ParseInt(m[1], 10, 64)
	unit := Size(1)
	switch strings.ToLower(strings.TrimSuffix(strings.ToLower(m[2]), "b")) {
	case "k", "ki":
		unit = KB
	case "m", "mi":
		unit = MB
	case "g", "gi":
		unit = GB
	}
	if n > math.MaxInt64/int64(unit) {
		return 0, errSize
	}
	return Size(n) * unit, nil
}

// String writes the size in its largest whole unit.
func (s Size) String() string {
	for _, u := range []struct {
		size Size
		name string
	}{{GB, "GB"}, {MB, "MB"}, {KB, "KB"}} {
		if s != 0 && s%u.size == 0 {
			return fmt.Sprintf("%d%s", s/u.size, u.name)
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// MarshalText writes the form of String.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what ParseSize reads.
func (s *Size) UnmarshalText(text []byte) (err error) {
	*s, err = ParseSize(string(text))
	return err
}

var (
	days        = regexp.MustCompile(`^(\d{1,6}(?:\.\d{1,6})?)d`)
	errDuration = errors.New(`want a duration such as 30s, 5m, 1h30m or 7d`)
)

// ParseDuration reads a Go duration that may begin with days of 24 hours:
// "36h", "1d12h", "2ms". It is never negative.
func ParseDuration(s string) (time.Duration, error) {
	s = strings.TrimSpace(s)
	var whole time.Duration
	if m := days.FindStringSubmatch(s); m != nil {
		n, _ := strconv.ParseFloat(m[1], 64)
		if n > 100*365 {
			return 0, errors.New("is longer than 100 years")
		}
		whole = time.Duration(n * float64(24*time.Hour))
		if s = s[len(m[0]):]; s == "" {
			return whole, nil
		}
	}
	d, err := time.ParseDuration(s)
	switch {
	case err != nil:
		return 0, errDuration
	case d < 0:
		return 0, errors.New("must not be negative")
	case d > 100*365*24*time.Hour:
		return 0, errors.New("is longer than 100 years")
	}
	return whole + d, nil
}
