package letter

import (
	"strconv"
	"strings"
	"time"
)

// parseDate reads a date-time (RFC 5322 3.3 and 4.3) and what programs write
// instead of one: comments, missing parts, numbers for months, names of zones,
// ctime and ISO 8601. The zero time means that there is no date in s.
func parseDate(s string) time.Time {
	if len(s) > 512 {
		s = s[:512]
	}
	words := strings.FieldsFunc(stripComments(s), func(r rune) bool {
		return r <= ' ' || r == ',' || r == ';' || r == '"' || r == 0xA0
	})
	t := parseISO(words)
	if t.IsZero() {
		var d dateParts
		for _, word := range words {
			d.take(word)
		}
		t = d.time()
	}
	if y := t.UTC().Year(); y < 1 || y > 9999 { // its zone leads out of what RFC 3339 can write
		return time.Time{}
	}
	return t
}

type dateParts struct {
	numbers   []int // day, month by number, year, as they come
	wide      int   // index in numbers of one with four digits, plus one
	month     time.Month
	monthAt   int // how many numbers came before the month
	clock     [3]int
	hasClock  bool
	zone      *time.Location
	slashed   bool
	pm, am    bool
	malformed bool
}

func (d *dateParts) take(word string) {
	switch {
	case !d.hasClock && strings.Count(word, ":") >= 1 && word[0] >= '0' && word[0] <= '9':
		d.takeClock(word)
	case word[0] == '+' || word[0] == '-':
		if z := numericZone(word); z != nil && d.hasClock && d.zone == nil {
			d.zone = z
		}
	case word[0] >= '0' && word[0] <= '9':
		d.takeNumbers(word)
	case strings.EqualFold(word, "pm") || strings.EqualFold(word, "p.m."):
		d.pm = true
	case strings.EqualFold(word, "am") || strings.EqualFold(word, "a.m."):
		d.am = true
	default:
		if m := monthOf(word); m != 0 && d.month == 0 {
			d.month, d.monthAt = m, len(d.numbers)
			return
		}
		if !d.hasClock || d.zone != nil {
			return
		}
		upper := strings.ToUpper(word)
		if secs, ok := namedZones[upper]; ok {
			d.zone = time.FixedZone(upper, secs)
			if secs == 0 {
				d.zone = time.UTC
			}
			return
		}
		for _, prefix := range []string{"GMT", "UTC", "UT"} { // "GMT+0200"
			if rest, ok := strings.CutPrefix(upper, prefix); ok {
				d.zone = numericZone(rest)
				return
			}
		}
	}
}

func (d *dateParts) takeClock(word string) {
	if i := strings.IndexAny(word, "+-"); i > 0 { // "10:52:37+0200"
		d.zone = numericZone(word[i:])
		word = word[:i]
	}
	lower := strings.ToLower(word)
	if rest, ok := strings.CutSuffix(lower, "pm"); ok {
		word, d.pm = rest, true
	} else if rest, ok := strings.CutSuffix(lower, "am"); ok {
		word, d.am = rest, true
	} else if rest, ok := strings.CutSuffix(lower, "z"); ok {
		word, d.zone = rest, time.UTC
	}
	for i, part := range strings.SplitN(word, ":", 3) {
		part, _, _ = strings.Cut(part, ".")
		n, err := strconv.Atoi(part)
		if err != nil || n < 0 || n > 60 {
			d.malformed = true
			return
		}
		d.clock[i] = n
	}
	d.hasClock = true
}

func (d *dateParts) takeNumbers(word string) {
	sep := strings.IndexAny(word, "-/.")
	d.slashed = d.slashed || sep > 0 && word[sep] == '/'
	for _, part := range strings.FieldsFunc(word, func(r rune) bool { return r == '-' || r == '/' || r == '.' }) {
		if m := monthOf(part); m != 0 {
			d.month, d.monthAt = m, len(d.numbers)
			continue
		}
		part = strings.TrimRight(strings.ToLower(part), "sthndr") // 1st, 2nd
		n, err := strconv.Atoi(part)
		if err != nil || len(d.numbers) >= 3 {
			continue
		}
		d.numbers = append(d.numbers, n)
		if len(part) == 4 && d.wide == 0 {
			d.wide = len(d.numbers)
		}
	}
}

func (d *dateParts) time() time.Time {
	if d.malformed {
		return time.Time{}
	}
	n := d.numbers
	var day, year int
	month := d.month
	switch {
	case month != 0 && len(n) >= 2:
		day, year = n[0], n[1]
		if d.wide == 1 { // 2003 Jul 1
			day, year = n[1], n[0]
		}
	case month == 0 && len(n) == 3 && (d.hasClock || d.wide > 0):
		switch {
		case d.wide == 1: // 2003-07-01
			year, month, day = n[0], time.Month(n[1]), n[2]
		case d.slashed && n[0] <= 12: // 07/01/2003
			month, day, year = time.Month(n[0]), n[1], n[2]
		default:
			day, month, year = n[0], time.Month(n[1]), n[2]
		}
	default:
		return time.Time{}
	}
	switch { // RFC 5322 4.3
	case year < 50:
		year += 2000
	case year < 1000:
		year += 1900
	}
	hour := d.clock[0]
	if d.pm && hour < 12 {
		hour += 12
	} else if d.am && hour == 12 {
		hour = 0
	}
	zone := d.zone
	if zone == nil {
		zone = time.UTC // like -0000
	}
	t := time.Date(year, month, day, hour, d.clock[1], d.clock[2], 0, zone)
	if month < 1 || month > 12 || day < 1 || t.Month() != month && hour < 24 || hour > 24 || d.clock[1] > 59 || year > 9999 {
		return time.Time{}
	}
	return t
}

// parseISO reads 2003-07-01T10:52:37Z and the like.
func parseISO(words []string) time.Time {
	if len(words) == 0 || len(words[0]) < 10 || words[0][4] != '-' {
		return time.Time{}
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05-0700", "2006-01-02T15:04:05", "2006-01-02T15:04"} {
		if t, err := time.Parse(layout, words[0]); err == nil && t.Year() > 0 {
			if _, offset := t.Zone(); offset%60 == 0 {
				return t
			}
		}
	}
	return time.Time{}
}

// numericZone reads +hhmm, +hh:mm and +hh; nil if it is none or out of range.
func numericZone(s string) *time.Location {
	if len(s) < 2 || s[0] != '+' && s[0] != '-' {
		return nil
	}
	digits := strings.ReplaceAll(s[1:], ":", "")
	n, err := strconv.Atoi(digits)
	if err != nil || n < 0 {
		return nil
	}
	if len(digits) <= 2 {
		n *= 100
	}
	if len(digits) > 4 || n%100 > 59 || n/100 > 14 {
		return nil
	}
	secs := n/100*3600 + n%100*60
	if s[0] == '-' {
		secs = -secs
	}
	if secs == 0 {
		return time.UTC
	}
	return time.FixedZone("", secs)
}

// monthOf reads an English month, whole or from three letters on.
func monthOf(word string) time.Month {
	word = strings.TrimRight(word, ".")
	if len(word) < 3 {
		return 0
	}
	for i, name := range monthNames {
		if len(word) <= len(name) && strings.EqualFold(name[:len(word)], word) {
			return time.Month(i + 1)
		}
	}
	return 0
}

var monthNames = [...]string{"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"}

// namedZones are those of RFC 5322 4.3 and the European ones seen in mails.
var namedZones = map[string]int{
	"UT": 0, "UTC": 0, "GMT": 0, "Z": 0, "WET": 0,
	"EST": -5 * 3600, "EDT": -4 * 3600, "CST": -6 * 3600, "CDT": -5 * 3600,
	"MST": -7 * 3600, "MDT": -6 * 3600, "PST": -8 * 3600, "PDT": -7 * 3600,
	"CET": 3600, "MET": 3600, "MEZ": 3600, "CEST": 7200, "MEST": 7200, "MESZ": 7200, "BST": 3600,
	"EET": 7200, "EEST": 10800, "MSK": 10800, "JST": 9 * 3600, "KST": 9 * 3600, "HKT": 8 * 3600, "SGT": 8 * 3600,
	"AEST": 10 * 3600, "AEDT": 11 * 3600, "NZST": 12 * 3600, "NZDT": 13 * 3600,
}

// stripComments drops comments, nested ones too.
func stripComments(s string) string {
	if strings.IndexByte(s, '(') < 0 {
		return s
	}
	var out strings.Builder
	depth := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && depth > 0:
			i++
		case c == '(':
			depth++
			out.WriteByte(' ')
		case c == ')' && depth > 0:
			depth--
		case depth == 0:
			out.WriteByte(c)
		}
	}
	return out.String()
}
