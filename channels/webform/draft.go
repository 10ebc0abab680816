package webform

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"switchboard/pipeline/desk"
)

// Address is the thread address of a form's draft: where answers can go, by a
// source that sends mail. The address is what somebody typed; nobody proved it.
type Address struct {
	Email string `json:"email,omitempty"`
	Name  string `json:"name,omitempty"`
}

// sent is one submission that was found good.
type sent struct {
	source  desk.Source
	form    *form
	id      string // the token's number
	lang    string // what the sender reads
	page    string // origin of the site it was embedded in
	answers map[string]answer
	files   []desk.Attachment // in the order of the fields
	raw     desk.BlobRef
	kept    []desk.Kept // the bytes of raw, unless they are a blob
	at      time.Time
}

// Limits of what goes onto a ticket.
const (
	maxTitle = 500 // characters
	maxTags  = 50
)

// externalID names a submission: sending the same page twice is the same
// message.
func (s *sent) externalID() string { return "form:" + s.form.name + ":" + s.id }

// draftFrom turns a submission into a draft. It is pure.
func draftFrom(s *sent) *desk.Draft {
	agents := s.form.langs[0]
	ask := &desk.Ask{}
	var from desk.Party
	var description string
	for _, x := range s.form.fields {
		v := s.answers[x.name]
		if v == nil {
			continue
		}
		text, _ := v.(string)
		switch x.to {
		case toTitle:
			ask.Title = firstRunes(strings.Join(strings.Fields(shown(x, v, agents)), " "), maxTitle)
		case toDescription:
			description = text
		case toEmail:
			from.Handle = text
		case toName:
			from.Name = desk.Cut(text, 200)
		case toPriority:
			ask.Priority, _ = desk.ParsePriority(text)
		case toType:
			ask.Type = typeOf(text)
		case toTags:
			ask.Tags = tags(ask.Tags, v)
		case toCustom:
			if ask.CustomFields == nil {
				ask.CustomFields = map[string]any{}
			}
			ask.CustomFields[x.custom] = v
		}
	}
	if from.Handle == "" { // the books then know nobody who said it
		ask.Actor = desk.Actor{Kind: desk.ByCustomer, Name: from.Name}
	}
	subject := ask.Title
	if subject == "" {
		subject = s.form.title[agents]
	}
	text := strings.TrimSpace(lines(s.form, s.answers, agents) + "\n" + description)
	if text == "" {
		text = subject
	}
	ask.Description = text
	headers := map[string]string{"form": s.form.name, "form-language": s.lang}
	if s.page != "" {
		headers["form-page"] = s.page
	}
	d := &desk.Draft{
		Source: s.source.Name, Channel: desk.WebForm, Scope: s.source.Scope(),
		ExternalID: s.externalID(),
		Thread:     desk.Thread{Key: s.externalID()},
		From:       from, Subject: subject, Text: text,
		SentAt: s.at, ReceivedAt: s.at,
		Attachments: s.files, Headers: headers, Raw: s.raw, Kept: s.kept, Ask: ask,
	}
	if from.Handle != "" {
		d.Thread.Address, _ = json.Marshal(Address{Email: from.Handle, Name: from.Name}) // two texts
	}
	d.Fingerprint = fingerprint(s)
	return d
}

// fingerprint digests who, what and which files; not when, so that a form sent
// twice is one message.
func fingerprint(s *sent) string {
	answers, err := json.Marshal(s.answers)
	if err != nil {
		panic(fmt.Sprintf("webform: fingerprint: %v", err)) // plain data of our own
	}
	parts := []string{s.form.name, string(answers)}
	for _, f := range s.files {
		parts = append(parts, f.Name, f.Blob.Digest)
	}
	return desk.Fingerprint(parts...)
}

// lines are the fields that have no place on the ticket, a line each, as
// Markdown. They stand above the description, and nothing a stranger writes into
// a field can look like another field: a line is one line, and what has several
// is quoted.
func lines(f *form, answers map[string]answer, lang string) string {
	var b strings.Builder
	for _, x := range f.fields {
		v := answers[x.name]
		if v == nil || x.to != toText {
			continue
		}
		label := x.label[lang]
		if label == "" {
			label = x.name
		}
		if label = escape(label); !strings.ContainsAny(label[len(label)-1:], ".:?!") {
			label += ":"
		}
		value := shown(x, v, lang)
		if strings.Contains(value, "\n") {
			fmt.Fprintf(&b, "**%s**\n> %s\n\n", label, strings.ReplaceAll(value, "\n", "\n> "))
			continue
		}
		fmt.Fprintf(&b, "**%s** %s\n", label, escape(value))
	}
	return b.String()
}

// shown is how an agent reads a value.
func shown(x *field, v answer, lang string) string {
	switch v := v.(type) {
	case string:
		return x.optionLabel(v, lang)
	case bool:
		w := wordsOf(lang)
		if v {
			return w.say("yes")
		}
		return w.say("no")
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case []any:
		var out []string
		for _, e := range v {
			s, _ := e.(string)
			out = append(out, x.optionLabel(s, lang))
		}
		return strings.Join(out, ", ")
	}
	return ""
}

// escape makes a text mean itself in the middle of a line of Markdown
// (CommonMark 0.31 section 2.4).
func escape(s string) string {
	var b strings.Builder
	prev := rune(' ')
	for i, r := range s {
		next, _ := utf8.DecodeRuneInString(s[i+utf8.RuneLen(r):])
		inWord := r == '_' && letter(prev) && letter(next)
		if strings.ContainsRune("\\`*_[]<>~|&", r) && !inWord {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
		prev = r
	}
	return b.String()
}

func letter(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

func tags(have []string, v answer) []string {
	list, many := v.([]any)
	if !many {
		list = []any{v}
	}
	for _, e := range list {
		if s, ok := e.(string); ok && len(have) < maxTags {
			have = desk.AddTags(have, s)
		}
	}
	return have
}

func firstRunes(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n])
}

var typeForm = regexp.MustCompile(`^[A-Z][A-Z0-9_]{0,99}$`)

// typeOf brings a type to its wire form; "" is none. Whether it is configured
// only the line knows.
func typeOf(s string) desk.Type {
	t := strings.NewReplacer(" ", "_", "-", "_").Replace(strings.ToUpper(strings.TrimSpace(s)))
	if !typeForm.MatchString(t) {
		return ""
	}
	return desk.Type(t)
}
