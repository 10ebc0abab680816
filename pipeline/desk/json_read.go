package desk

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// ReadDraft reads a draft as the ledger keeps it: what encoding/json reads into a
// *Draft. Drafts as [Draft.AppendJSON] writes them are read in one walk, their
// texts as parts of the given one; whatever looks otherwise, or asks for
// something (Ask), is left to encoding/json, and so is every error.
//
// Of a draft as [Draft.AppendLocated] writes it the Text is empty, and the Passage
// says where it is; else the Passage is zero.
//
// A draft that was written beside its row ([Draft.AppendBeside]) is an error here;
// see [ReadBeside].
func ReadDraft(text string) (*Draft, Passage, error) {
	at, rest := passageOf(text)
	d, err := readWhole(rest)
	return d, at, err
}

// readWhole reads a draft with all its values.
func readWhole(rest string) (*Draft, error) {
	d := &Draft{}
	r := jsonReader{text: rest}
	if r.draft(d) && r.at == len(rest) {
		return d, nil
	}
	d = nil
	err := json.Unmarshal([]byte(rest), &d)
	return d, err
}

// LocatedPrefix is how the JSON of a draft begins that says where its text is.
const LocatedPrefix = `{"text":{`

// passageOf takes the place of the text out of the JSON of a draft.
func passageOf(text string) (at Passage, rest string) {
	if !strings.HasPrefix(text, LocatedPrefix) {
		return Passage{}, text
	}
	r := jsonReader{text: text, at: len(LocatedPrefix) - 1}
	var from, length int64
	ok := r.object(func(key string) bool {
		switch key {
		case "offset":
			return r.number(&from)
		case "length":
			return r.number(&length)
		case "as":
			return r.string(&at.As)
		}
		return false
	})
	if !ok || at.IsZero() || !r.next(',') {
		return Passage{}, text
	}
	at.From, at.Length = int(from), int(length)
	return at, "{" + text[r.at:]
}

// jsonReader walks over JSON without blanks. Its methods begin at the value they
// read and end behind it; false is anything out of the ordinary.
type jsonReader struct {
	text string
	at   int
}

func (r *jsonReader) draft(d *Draft) bool {
	return r.object(func(key string) bool {
		switch key {
		case "source":
			return r.string(&d.Source)
		case "channel":
			return r.string((*string)(&d.Channel))
		case "scope":
			return r.string(&d.Scope)
		case "externalId":
			return r.string(&d.ExternalID)
		case "fingerprint":
			return r.string(&d.Fingerprint)
		case "thread":
			return r.thread(&d.Thread)
		case "references":
			return readList(r, &d.References, r.string)
		case "signed":
			return readList(r, &d.Signed, r.signed)
		case "from":
			return r.party(&d.From)
		case "to":
			return readList(r, &d.To, r.party)
		case "cc":
			return readList(r, &d.Cc, r.party)
		case "subject":
			return r.string(&d.Subject)
		case "text":
			return r.string(&d.Text)
		case "html":
			return r.reference(&d.HTML)
		case "sentAt":
			return r.time(&d.SentAt)
		case "receivedAt":
			return r.time(&d.ReceivedAt)
		case "attachments":
			return readList(r, &d.Attachments, r.attachment)
		case "headers":
			d.Headers = map[string]string{}
			return r.object(func(key string) bool {
				var v string
				ok := r.string(&v)
				d.Headers[key] = v
				return ok
			})
		case "raw":
			return r.reference(&d.Raw)
		case "act":
			return r.string((*string)(&d.Act))
		case "target":
			return r.string(&d.Target)
		case "group":
			return r.string(&d.Group)
		case "window":
			return r.number((*int64)(&d.Window))
		case "profile":
			d.Profile = &Profile{}
			return r.profile(d.Profile)
		case "auto":
			return r.auto(&d.Auto)
		case "damage":
			return readList(r, &d.Damage, r.string)
		case "trace":
			return r.string(&d.Trace)
		}
		return false
	})
}

func (r *jsonReader) thread(t *Thread) bool {
	return r.object(func(key string) bool {
		switch key {
		case "key":
			return r.string(&t.Key)
		case "address":
			return r.raw(&t.Address)
		case "plain":
			return r.bool(&t.Plain)
		}
		return false
	})
}

func (r *jsonReader) signed(s *SignedRef) bool {
	return r.object(func(key string) bool {
		switch key {
		case "ticket":
			return r.string((*string)(&s.Ticket))
		case "receipt":
			return r.string((*string)(&s.Receipt))
		case "via":
			return r.string(&s.Via)
		}
		return false
	})
}

func (r *jsonReader) party(p *Party) bool {
	return r.object(func(key string) bool {
		switch key {
		case "name":
			return r.string(&p.Name)
		case "handle":
			return r.string(&p.Handle)
		}
		return false
	})
}

func (r *jsonReader) attachment(a *Attachment) bool {
	return r.object(func(key string) bool {
		switch key {
		case "name":
			return r.string(&a.Name)
		case "contentType":
			return r.string(&a.ContentType)
		case "contentId":
			return r.string(&a.ContentID)
		case "inline":
			return r.bool(&a.Inline)
		case "blob":
			return r.reference(&a.Blob)
		}
		return false
	})
}

func (r *jsonReader) reference(b *BlobRef) bool {
	return r.object(func(key string) bool {
		switch key {
		case "sha256":
			return r.string(&b.Digest)
		case "size":
			return r.number(&b.Size)
		}
		return false
	})
}

func (r *jsonReader) profile(p *Profile) bool {
	return r.object(func(key string) bool {
		switch key {
		case "name":
			return r.string(&p.Name)
		case "email":
			return r.string(&p.Email)
		case "emailVerified":
			return r.bool(&p.EmailVerified)
		case "phone":
			return r.string(&p.Phone)
		case "timeZone":
			return r.string(&p.TimeZone)
		case "language":
			return r.string(&p.Language)
		}
		return false
	})
}

func (r *jsonReader) auto(a *Auto) bool {
	return r.object(func(key string) bool {
		switch key {
		case "kind":
			return r.string((*string)(&a.Kind))
		case "reason":
			return r.string(&a.Reason)
		}
		return false
	})
}

// next takes the byte if it is the next one.
func (r *jsonReader) next(c byte) bool {
	if r.at < len(r.text) && r.text[r.at] == c {
		r.at++
		return true
	}
	return false
}

// maxMembers bounds the members of one object; a draft of ours has fewer, but for
// its headers.
const maxMembers = 64

// object reads the members of an object, none of them twice.
func (r *jsonReader) object(member func(key string) bool) bool {
	var seen [maxMembers]string
	if !r.next('{') {
		return false
	}
	for n := 0; !r.next('}'); n++ {
		if n == maxMembers || n > 0 && !r.next(',') {
			return false
		}
		var key string
		if !r.string(&key) || !r.next(':') {
			return false
		}
		for _, k := range seen[:n] {
			if k == key {
				return false
			}
		}
		seen[n] = key
		if !member(key) {
			return false
		}
	}
	return true
}

func readList[T any](r *jsonReader, into *[]T, item func(*T) bool) bool {
	if !r.next('[') {
		return false
	}
	list := []T{}
	for n := 0; !r.next(']'); n++ {
		if n > 0 && !r.next(',') {
			return false
		}
		var zero T
		list = append(list, zero)
		if !item(&list[n]) {
			return false
		}
	}
	*into = list
	return true
}

// plain reads a text as it is written; escaped says that there are escapes in it.
func (r *jsonReader) plain() (s string, escaped, ok bool) {
	if !r.next('"') {
		return "", false, false
	}
	begin, ascii := r.at, true
	for ; r.at < len(r.text); r.at++ {
		switch c := r.text[r.at]; {
		case c == '"':
			s = r.text[begin:r.at]
			r.at++
			return s, escaped, ascii || utf8.ValidString(s)
		case c == '\\':
			escaped = true
			r.at++ // a quote behind it ends nothing
		case c < ' ':
			return "", false, false
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	return "", false, false
}

// shortEscapes are the letters behind a backslash that stand for one byte.
var shortEscapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

func (r *jsonReader) string(into *string) bool {
	s, escaped, ok := r.plain()
	if !ok {
		return false
	}
	if !escaped {
		*into = s
		return true
	}
	out := make([]byte, 0, len(s))
	for {
		i := strings.IndexByte(s, '\\')
		if i < 0 {
			*into = string(append(out, s...))
			return true
		}
		out = append(out, s[:i]...)
		if c := shortEscapes[s[i+1]]; c != 0 {
			out, s = append(out, c), s[i+2:]
			continue
		}
		char, ok := hexEscape(s[i:])
		if !ok {
			return false
		}
		out, s = utf8.AppendRune(out, char), s[i+len(`\u0000`):]
	}
}

// hexEscape is the character that \u and four digits stand for; not half of one
// that takes two.
func hexEscape(s string) (rune, bool) {
	if len(s) < len(`\u0000`) || s[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(s[2:6], 16, 16)
	return rune(n), err == nil && !utf16.IsSurrogate(rune(n))
}

func (r *jsonReader) bool(into *bool) bool {
	for _, word := range []string{"true", "false"} {
		if strings.HasPrefix(r.text[r.at:], word) {
			r.at += len(word)
			*into = word == "true"
			return true
		}
	}
	return false
}

func (r *jsonReader) number(into *int64) bool {
	begin := r.at
	r.next('-')
	for r.at < len(r.text) && '0' <= r.text[r.at] && r.text[r.at] <= '9' {
		r.at++
	}
	s := strings.TrimPrefix(r.text[begin:r.at], "-")
	if s == "" || s[0] == '0' && len(s) > 1 {
		return false
	}
	n, err := strconv.ParseInt(r.text[begin:r.at], 10, 64)
	*into = n
	return err == nil
}

func (r *jsonReader) time(into *time.Time) bool {
	s, escaped, ok := r.plain()
	return ok && !escaped && into.UnmarshalText([]byte(s)) == nil
}

// raw copies a value as it is written.
func (r *jsonReader) raw(into *json.RawMessage) bool {
	begin, depth := r.at, 0
	for r.at < len(r.text) {
		switch r.text[r.at] {
		case '"':
			if _, _, ok := r.plain(); !ok {
				return false
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		if r.at++; depth == 0 {
			break
		}
		if depth < 0 {
			return false
		}
	}
	value := []byte(r.text[begin:r.at])
	if len(value) < 2 || value[0] != '{' || depth != 0 || !json.Valid(value) {
		return false
	}
	*into = value
	return true
}
