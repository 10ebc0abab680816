package chat

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"switchboard/pipeline/desk"
)

// mapping says where in a body the messages are and where in a message its
// fields: expressions over body, headers, query, item, up and files.
type mapping struct {
	// BodyField is a field of the form that holds JSON; that is the body then.
	BodyField string `yaml:"bodyField"`
	// Each is the way to several messages in one request, as
	// entry[].changes[].value.messages[]; up are the objects on the way.
	Each string `yaml:"each"`
	Item string `yaml:"item"` // what item is, when Each does not say it

	Ignore      string `yaml:"ignore"` // true, or a reason: nothing for a ticket
	ID          string `yaml:"id"`
	Thread      string `yaml:"thread"`
	From        string `yaml:"from"`
	FromName    string `yaml:"fromName"`
	To          string `yaml:"to"`
	Email       string `yaml:"email"`
	Phone       string `yaml:"phone"`
	Language    string `yaml:"language"`
	Subject     string `yaml:"subject"`
	Text        string `yaml:"text"` // plain text or Markdown
	HTML        string `yaml:"html"` // when there is no text, it is made of it
	SentAt      string `yaml:"sentAt"`
	Attachments string `yaml:"attachments"`
	Act         string `yaml:"act"`    // edit, delete or restore; empty: a new message
	Target      string `yaml:"target"` // the id of the message the act is about
	Mail        string `yaml:"mail"`   // the whole message as MIME; the other fields fill what it lacks
	References  string `yaml:"references"`
	Spam        string `yaml:"spam"`    // true: the service takes it for spam
	Address     string `yaml:"address"` // an object the way back needs

	each     *way
	programs map[string]*program
	asks     asks // of all of them
}

// record is what a mapping found.
type record struct {
	Ignore                                 string
	ID, Thread, From, FromName, To, Email  string
	Phone, Language, Subject, Text, HTML   string
	Act, Target, Mail, References, SentRaw string
	SentAt                                 time.Time
	Spam                                   bool
	Files                                  []fileRef
	Address                                any
	Damage                                 []string
}

// expressions lists the fields that hold one, by key.
func (m *mapping) expressions() map[string]*string {
	out := map[string]*string{}
	v := reflect.ValueOf(m).Elem()
	for i := range v.NumField() {
		if key := v.Type().Field(i).Tag.Get("yaml"); key != "" && key != "bodyField" && key != "each" {
			out[key] = v.Field(i).Addr().Interface().(*string)
		}
	}
	return out
}

// over fills what is not written from a preset.
func (m *mapping) over(p mapping) {
	from := p.expressions()
	for key, mine := range m.expressions() {
		if *mine == "" {
			*mine = *from[key]
		}
	}
	if m.BodyField == "" {
		m.BodyField = p.BodyField
	}
	if m.Each == "" {
		m.Each = p.Each
	}
}

// compile checks every expression.
func (m *mapping) compile() error {
	var errs []error
	m.programs = map[string]*program{}
	for key, src := range m.expressions() {
		p, err := compileExpr(*src)
		if err != nil {
			errs = append(errs, desk.Invalidf("mapping."+key, "%v", err))
		}
		m.programs[key] = p
		if p != nil {
			m.asks.headers, m.asks.query = m.asks.headers || p.asks.headers, m.asks.query || p.asks.query
		}
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	var err error
	if m.each, err = parseWay(m.Each); err != nil {
		errs = append(errs, desk.Invalidf("mapping.each", "%v", err))
	}
	if m.Mail == "" && m.From == "" {
		errs = append(errs, desk.Invalidf("mapping.from", "is required: who wrote it"))
	}
	if m.Mail == "" && m.Text == "" && m.HTML == "" {
		errs = append(errs, desk.Invalidf("mapping.text", "is required: what it says (or html)"))
	}
	return errors.Join(errs...)
}

// missing is a message without a field it must have, or with one of a wrong
// type.
type missing struct {
	index  int
	fields []string // "from: is missing"
}

func (m *missing) Error() string {
	return fmt.Sprintf("message %d: %s", m.index+1, strings.Join(m.fields, "; "))
}

// find applies the mapping to a body. The error is a *missing or *malformed.
func (m *mapping) find(e *env, limit, depth int) ([]record, error) {
	if m.BodyField != "" {
		text, ok := at(e.Body, m.BodyField).(string)
		if !ok {
			return nil, broken("the field %s is missing", m.BodyField)
		}
		body, err := decodeJSON([]byte(text), depth)
		if err != nil {
			return nil, err
		}
		e.Body = body
	}
	spots := []spot{{item: e.Body}}
	if m.each != nil {
		var err error
		if spots, err = m.each.walk(e.Body, limit); err != nil {
			return nil, err
		}
	}
	var out []record
	for i, s := range spots {
		one := *e
		one.Item, one.Up = s.item, s.up
		r, err := m.one(&one)
		if err != nil {
			err.index = i
			return nil, err
		}
		out = append(out, *r)
	}
	return out, nil
}

// one evaluates the fields of one message.
func (m *mapping) one(e *env) (*record, *missing) {
	r, bad := &record{}, &missing{}
	run := func(key string) any {
		p := m.programs[key]
		if p == nil {
			return nil
		}
		v, err := p.run(e)
		if err != nil {
			bad.fields = append(bad.fields, key+": "+err.Error())
		}
		return v
	}
	text := func(key string, into *string) {
		s, err := words(run(key))
		if err != nil {
			bad.fields = append(bad.fields, key+": "+err.Error())
		}
		*into = s
	}
	if m.Item != "" {
		e.Item = run("item")
	}
	switch v := run("ignore").(type) {
	case string:
		r.Ignore = v
	case bool:
		if v {
			r.Ignore = "the mapping ignores it"
		}
	}
	if r.Ignore != "" && len(bad.fields) == 0 {
		return r, nil
	}
	for _, field := range [...]struct {
		key  string
		into *string
	}{{"id", &r.ID}, {"thread", &r.Thread}, {"from", &r.From}, {"fromName", &r.FromName},
		{"to", &r.To}, {"email", &r.Email}, {"phone", &r.Phone}, {"language", &r.Language}, {"subject", &r.Subject}, {"text", &r.Text},
		{"html", &r.HTML}, {"act", &r.Act}, {"target", &r.Target}, {"mail", &r.Mail}, {"references", &r.References}} {
		text(field.key, field.into)
	}
	if v := run("sentAt"); v != nil && v != "" {
		var err error
		if r.SentAt, err = instant(v); err != nil {
			r.Damage = append(r.Damage, "the time it was sent cannot be read")
		}
	}
	r.Spam, _ = run("spam").(bool)
	r.Address = run("address")
	var err error
	if r.Files, err = fileRefs(run("attachments")); err != nil {
		bad.fields = append(bad.fields, "attachments: "+err.Error())
	}
	r.complete(bad)
	if len(bad.fields) > 0 {
		slices.Sort(bad.fields)
		return nil, bad
	}
	return r, nil
}

// complete says what a message lacks.
func (r *record) complete(bad *missing) {
	if len(bad.fields) > 0 || r.Mail != "" {
		return
	}
	need := func(ok bool, what string) {
		if !ok {
			bad.fields = append(bad.fields, what)
		}
	}
	switch desk.Act(r.Act) {
	case "":
		need(r.From != "", "from: is missing")
		need(strings.TrimSpace(r.Text) != "" || strings.TrimSpace(r.HTML) != "" || r.Subject != "" || len(r.Files) > 0, "text: is missing, and so are html, subject and attachments")
	case desk.ActEdit, desk.ActDelete, desk.ActRestore:
		need(r.Target != "", "target: is missing")
	default:
		need(false, "act: must be edit, delete or restore")
	}
}

// instant reads a time: seconds or milliseconds since 1970, RFC 3339, or the
// form of mails (RFC 5322), whose weekday is not checked.
func instant(v any) (time.Time, error) {
	if s, ok := v.(string); ok {
		s = strings.TrimSpace(s)
		for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05 MST", "2006-01-02 15:04:05", "2006-01-02T15:04:05"} {
			if t, err := time.Parse(layout, s); err == nil {
				return inRange(t)
			}
		}
		if t, err := mailDate(s); err == nil {
			return inRange(t)
		}
	}
	n := number(v)
	switch {
	case n <= 0 || n > 1e17:
		return time.Time{}, errors.New("not a time")
	case n >= 1e14:
		n /= 1e6
	case n >= 1e11:
		n /= 1e3
	}
	return inRange(time.UnixMilli(int64(n * 1000)).UTC())
}

// inRange keeps out times no store holds.
func inRange(t time.Time) (time.Time, error) {
	if t.Year() < 1970 || t.Year() > 9998 {
		return time.Time{}, errors.New("not a time")
	}
	return t, nil
}
