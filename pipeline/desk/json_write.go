package desk

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// AppendJSON appends the draft as encoding/json writes it without escaping HTML:
// a draft is written for every message, and what it is made of is known. The
// error is of a time no JSON holds, or of a value in Ask.
func (d *Draft) AppendJSON(b []byte) ([]byte, error) { return d.AppendLocated(b, Passage{}) }

// AppendLocated is AppendJSON with the place of the text in front, instead of the
// text: {"text":{"offset":12,"length":1500,"as":"json"},"source":...}. A version
// that knows no passages cannot read it, and so loses no words. The zero Passage
// leaves the text where it is.
func (d *Draft) AppendLocated(b []byte, at Passage) ([]byte, error) {
	return d.AppendBeside(b, at, 0)
}

// AppendBeside is AppendLocated without the values that stand beside the draft:
// {"text":{...},"source":127,"channel":...}, the number says which. A version that
// knows nothing of it cannot read it. Zero leaves out none.
func (d *Draft) AppendBeside(b []byte, at Passage, beside Beside) ([]byte, error) {
	w := jsonWriter{b: b}
	w.open()
	if !at.IsZero() {
		w.key("text").open()
		w.key("offset").number(int64(at.From))
		w.key("length").number(int64(at.Length))
		w.text("as", at.As)
		w.close()
	}
	if beside != 0 {
		w.key("source").number(int64(beside))
	}
	w.kept("source", d.Source, beside&BesideSource)
	w.text("channel", string(d.Channel))
	w.kept("scope", d.Scope, beside&BesideScope)
	w.kept("externalId", d.ExternalID, beside&BesideExternalID)
	w.kept("fingerprint", d.Fingerprint, beside&BesideFingerprint)
	if t := &d.Thread; beside&BesideThread == 0 || len(t.Address) > 0 || t.Plain {
		w.key("thread").open()
		if beside&BesideThread == 0 {
			w.some("key", t.Key)
		}
		if len(t.Address) > 0 {
			w.key("address").raw(t.Address)
		}
		if t.Plain {
			w.key("plain").value(true)
		}
		w.close()
	}
	w.texts("references", d.References)
	if len(d.Signed) > 0 {
		w.key("signed").list(len(d.Signed), func(i int) {
			w.open()
			w.some("ticket", string(d.Signed[i].Ticket))
			w.some("receipt", string(d.Signed[i].Receipt))
			w.text("via", d.Signed[i].Via)
			w.close()
		})
	}
	if beside == 0 || d.From != (Party{}) {
		w.key("from").party(d.From)
	}
	w.parties("to", d.To)
	w.parties("cc", d.Cc)
	w.some("subject", d.Subject)
	if at.IsZero() {
		w.some("text", d.Text)
	}
	w.blob("html", d.HTML)
	if beside&BesideSent == 0 {
		w.time("sentAt", d.SentAt)
	}
	if beside&BesideReceived == 0 {
		w.time("receivedAt", d.ReceivedAt)
	}
	if len(d.Attachments) > 0 {
		w.key("attachments").list(len(d.Attachments), func(i int) { w.attachment(&d.Attachments[i]) })
	}
	if len(d.Headers) > 0 {
		w.key("headers").open()
		for _, k := range sortedKeys(make([]string, 0, 32), d.Headers) {
			w.text(k, d.Headers[k])
		}
		w.close()
	}
	if beside&BesideRaw == 0 {
		w.blob("raw", d.Raw)
	}
	w.some("act", string(d.Act))
	w.some("target", d.Target)
	if beside&BesideGroup == 0 {
		w.some("group", d.Group)
	}
	if d.Window != 0 {
		w.key("window").number(int64(d.Window))
	}
	if p := d.Profile; p != nil {
		w.key("profile").open()
		w.some("name", p.Name)
		w.some("email", p.Email)
		if p.EmailVerified {
			w.key("emailVerified").value(true)
		}
		w.some("phone", p.Phone)
		w.some("timeZone", p.TimeZone)
		w.some("language", p.Language)
		w.close()
	}
	if d.Auto != (Auto{}) {
		w.key("auto").auto(d.Auto)
	}
	if d.Ask != nil {
		w.key("ask").value(d.Ask)
	}
	w.texts("damage", d.Damage)
	w.some("trace", d.Trace)
	w.close()
	return w.b, w.err
}

// sortedKeys appends the keys of a map, in order.
func sortedKeys[V any](keys []string, of map[string]V) []string {
	for k := range of {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// jsonWriter appends JSON. A comma is owed before whatever does not begin an
// object or a list.
type jsonWriter struct {
	b    []byte
	owed bool
	err  error
}

func (w *jsonWriter) open()  { w.b, w.owed = append(w.b, '{'), false }
func (w *jsonWriter) close() { w.b, w.owed = append(w.b, '}'), true }

func (w *jsonWriter) key(name string) *jsonWriter {
	if w.owed {
		w.b = append(w.b, ',')
	}
	w.b = append(appendText(w.b, name), ':')
	w.owed = true
	return w
}

func (w *jsonWriter) text(name, s string) {
	w.key(name)
	w.b = appendText(w.b, s)
}

// kept is text that is left out when it stands beside.
func (w *jsonWriter) kept(name, s string, beside Beside) {
	if beside == 0 {
		w.text(name, s)
	}
}

// some is text that is left out when it is empty.
func (w *jsonWriter) some(name, s string) {
	if s != "" {
		w.text(name, s)
	}
}

func (w *jsonWriter) number(n int64) { w.b = strconv.AppendInt(w.b, n, 10) }

func (w *jsonWriter) list(n int, item func(i int)) {
	w.b = append(w.b, '[')
	for i := range n {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		item(i)
	}
	w.b, w.owed = append(w.b, ']'), true
}

func (w *jsonWriter) texts(name string, list []string) {
	if len(list) > 0 {
		w.key(name).list(len(list), func(i int) { w.b = appendText(w.b, list[i]) })
	}
}

func (w *jsonWriter) party(p Party) {
	w.open()
	w.some("name", p.Name)
	w.some("handle", p.Handle)
	w.close()
}

func (w *jsonWriter) parties(name string, list []Party) {
	if len(list) > 0 {
		w.key(name).list(len(list), func(i int) { w.party(list[i]) })
	}
}

func (w *jsonWriter) auto(a Auto) {
	w.open()
	w.some("kind", string(a.Kind))
	w.some("reason", a.Reason)
	w.close()
}

func (w *jsonWriter) attachment(a *Attachment) {
	w.open()
	w.text("name", a.Name)
	w.text("contentType", a.ContentType)
	w.some("contentId", a.ContentID)
	if a.Inline {
		w.key("inline").value(true)
	}
	w.key("blob").reference(a.Blob)
	w.close()
}

func (w *jsonWriter) blob(name string, ref BlobRef) {
	if !ref.IsZero() {
		w.key(name).reference(ref)
	}
}

func (w *jsonWriter) reference(ref BlobRef) {
	w.open()
	w.text("sha256", ref.Digest)
	w.key("size").number(ref.Size)
	w.close()
}

func (w *jsonWriter) time(name string, t time.Time) {
	if t.IsZero() {
		return
	}
	w.key(name).instant(t)
}

func (w *jsonWriter) instant(t time.Time) {
	b, err := t.AppendText(append(w.b, '"'))
	w.fail(err)
	w.b, w.owed = append(b, '"'), true
}

// raw is JSON already; blanks in it are left out.
func (w *jsonWriter) raw(text json.RawMessage) {
	b, err := appendShort(w.b, text)
	w.fail(err)
	w.b = b
}

func (w *jsonWriter) fail(err error) {
	if err != nil && w.err == nil {
		w.err = fmt.Errorf("desk: write JSON: %w", err)
	}
}

// inText says which bytes below 0x80 stand in a JSON text as they are.
var inText = func() (plain [utf8.RuneSelf]bool) {
	for c := byte(' '); c < utf8.RuneSelf; c++ {
		plain[c] = c != '"' && c != '\\'
	}
	return plain
}()

// appendText appends a string in quotes. Bytes that are no UTF-8 become U+FFFD;
// U+2028 and U+2029 are escaped, which JavaScript wants.
func appendText(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	begin := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if inText[c] {
				i++
				continue
			}
			b = append(b, s[begin:i]...)
			switch c {
			case '"', '\\':
				b = append(b, '\\', c)
			case '\b':
				b = append(b, '\\', 'b')
			case '\f':
				b = append(b, '\\', 'f')
			case '\n':
				b = append(b, '\\', 'n')
			case '\r':
				b = append(b, '\\', 'r')
			case '\t':
				b = append(b, '\\', 't')
			default:
				b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			}
			i++
			begin = i
			continue
		}
		char, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case char == utf8.RuneError && size == 1:
			b = append(append(b, s[begin:i]...), `\ufffd`...)
			begin = i + size
		case char == '\u2028' || char == '\u2029':
			b = append(append(b, s[begin:i]...), '\\', 'u', '2', '0', '2', hex[char&15])
			begin = i + size
		}
		i += size
	}
	return append(append(b, s[begin:]...), '"')
}
