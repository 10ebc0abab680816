package webform

import (
	"errors"
	"math"
	"net/mail"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"switchboard/pipeline/desk"
)

// answer is what one field holds, checked: nil, a string, float64, bool or a
// []any of strings, the types custom fields have.
type answer any

// problem is what is wrong with a field: a key of [words] and what is filled in.
type problem struct {
	key  string
	args []string
}

func bad(key string, args ...string) *problem { return &problem{key, args} }

func (p *problem) in(w words) string { return w.say(p.key, p.args...) }

// wrongs are the problems of a submission, by field.
type wrongs map[string]*problem

// check reads what was sent for every shown field. Fields that hold nothing have
// no answer.
func (f *form) check(values map[string][]string, shown map[string]bool, held func(string) int) (map[string]answer, wrongs) {
	out, wrong := map[string]answer{}, wrongs{}
	for _, x := range f.fields {
		if !shown[x.name] {
			continue
		}
		if x.kind == kindFile {
			if x.required && held(x.name) == 0 {
				wrong[x.name] = bad("required file")
			}
			continue
		}
		sent := values[x.name]
		if x.fixed || x.kind == kindHidden && len(sent) == 0 {
			sent = x.initial
		}
		v, p := x.check(sent)
		if p == nil && v == nil && x.required {
			p = x.missing()
		}
		if p != nil {
			wrong[x.name] = p
		} else if v != nil {
			out[x.name] = v
		}
	}
	return out, wrong
}

func (f *field) missing() *problem {
	switch f.kind {
	case kindChoice:
		return bad("required choice")
	case kindChoices:
		return bad("required choices")
	case kindCheckbox:
		return bad("required checkbox")
	}
	return bad("required")
}

// check reads what was sent for one field. Nothing is nil; a checkbox that is
// not ticked is false, or nothing when it must be ticked.
func (f *field) check(sent []string) (answer, *problem) {
	switch f.kind {
	case kindChoices:
		return f.checkMany(sent)
	case kindCheckbox:
		on := ticked(sent) == "true"
		if !on && f.required {
			return nil, nil
		}
		return on, nil
	case kindFile:
		return nil, nil
	}
	s := ""
	if len(sent) > 0 {
		s = sent[0]
	}
	if f.kind == kindLongText {
		s = cleanText(s)
	} else {
		s = cleanLine(s)
	}
	if s == "" {
		return nil, nil
	}
	if f.choosing() {
		if !slices.ContainsFunc(f.options, func(o option) bool { return o.value == s }) {
			return nil, bad("choice")
		}
		return s, nil
	}
	return f.checkOne(s)
}

func (f *field) checkOne(s string) (answer, *problem) {
	switch f.kind {
	case kindEmail:
		a, ok := parseEmail(s)
		if !ok {
			return nil, bad("email")
		}
		return a, nil
	case kindPhone:
		if !isPhone(s) {
			return nil, bad("phone")
		}
	case kindNumber:
		return f.checkNumber(s)
	case kindDate:
		return f.checkDate(s)
	default:
		if utf8.RuneCountInString(s) > f.maxLength {
			return nil, bad("long", strconv.Itoa(f.maxLength))
		}
	}
	if f.pattern != nil && !f.pattern.MatchString(s) {
		return nil, bad("pattern")
	}
	return s, nil
}

func (f *field) checkMany(sent []string) (answer, *problem) {
	chosen := []any{}
	for _, o := range f.options { // in the order of the form, each once
		if slices.ContainsFunc(sent, func(s string) bool { return strings.TrimSpace(s) == o.value }) {
			chosen = append(chosen, o.value)
		}
	}
	for _, s := range sent {
		if s = strings.TrimSpace(s); s != "" && !slices.Contains(chosen, any(s)) {
			return nil, bad("choice")
		}
	}
	if len(chosen) == 0 {
		return nil, nil
	}
	return chosen, nil
}

func (f *field) checkNumber(s string) (answer, *problem) {
	n, err := parseNumber(s)
	switch {
	case err != nil:
		return nil, bad("number")
	case f.min != "" && n < f.low:
		return nil, bad("min", f.min)
	case f.max != "" && n > f.high:
		return nil, bad("max", f.max)
	}
	return n, nil
}

func (f *field) checkDate(s string) (answer, *problem) {
	t, err := parseDate(s)
	switch {
	case err != nil || t.Year() < 1 || t.Year() > 9999:
		return nil, bad("date")
	case f.min != "" && s < f.min:
		return nil, bad("date min", f.min)
	case f.max != "" && s > f.max:
		return nil, bad("date max", f.max)
	}
	return s, nil
}

func parseDate(s string) (time.Time, error) { return time.Parse(time.DateOnly, s) }

// numberForm is a valid floating-point number of HTML.
var numberForm = regexp.MustCompile(`^-?(\d+(\.\d+)?|\.\d+)([eE][-+]?\d{1,3})?$`)

func parseNumber(s string) (float64, error) {
	s = strings.TrimSpace(s)
	if len(s) > 50 || !numberForm.MatchString(s) {
		return 0, errors.New("not a number")
	}
	n, err := strconv.ParseFloat(s, 64)
	if err == nil && math.IsInf(n, 0) {
		err = strconv.ErrRange
	}
	return n, err
}

// parseEmail reads a bare address (RFC 5322 section 3.4.1) and brings its domain
// to lower case.
func parseEmail(s string) (string, bool) {
	a, err := mail.ParseAddress(s)
	at := strings.LastIndexByte(s, '@')
	if err != nil || a.Address != s || len(s) > 254 || at < 1 || at > 64 || strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }) {
		return "", false
	}
	return s[:at] + strings.ToLower(s[at:]), true
}

// isPhone is generous: people write numbers in many ways. At most 15 digits
// (ITU-T E.164), and an extension.
func isPhone(s string) bool {
	digits := 0
	for _, r := range s {
		switch {
		case r >= '0' && r <= '9':
			digits++
		case !strings.ContainsRune(" +()-/.#x\u00a0", r):
			return false
		}
	}
	return digits >= 4 && digits <= 21 && len(s) <= 60
}

// cleanLine is one line: whatever else breaks or controls becomes a blank.
func cleanLine(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, desk.Clean(s)))
}

// cleanText keeps line breaks and tabs; browsers send CR LF.
func cleanText(s string) string {
	s = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(desk.Clean(s))
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, s))
}
