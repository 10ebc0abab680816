package webform

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"

	"switchboard/channels"
	"switchboard/pipeline/desk"
)

// Names of inputs of ours; a field's cannot begin with an underscore.
const (
	tokenInput = "_token"
	keptInput  = "_kept"
)

// submission is what one request sent, read and not yet checked.
type submission struct {
	values  map[string][]string // by field; only fields the form has
	basket  *basket
	token   string
	id      string // the token's number, once the token is good
	bait    string
	captcha string
	kept    []string
	unknown []string // names the form does not have; JSON only
	typed   wrongs   // values of a type no field has; JSON only
}

var (
	errTooLarge = errors.New("the body is too large")
	errMedia    = errors.New("the body is of a type no form has")
)

// A gate decides, before anything is kept, whether what comes with this token
// may go on.
type gate func(*submission) error

// reader reads one body.
type reader struct {
	form  *form
	sub   *submission
	gate  gate
	asked bool
	said  error     // by the gate
	text  int64     // bytes of text left
	body  io.Reader // the request's, which counts what is in memory
}

// passing is what goes through without staying in memory.
type passing struct{ part, body io.Reader }

func (p passing) Read(b []byte) (int, error) {
	n, err := p.part.Read(b)
	channels.Passed(p.body, n)
	return n, err
}

// Bounds of a body beside its text and files.
const (
	overhead   = 256 << 10
	extraParts = 20
)

// bodyLimit is the most that is read of a body. Somewhat more than a form may
// hold is read, so that the answer can say which file is too large.
func (f *form) bodyLimit(text int64) int64 {
	if !f.takesFiles() {
		return text + overhead
	}
	return text + overhead + 2*f.upload.totalBytes
}

// read reads a body as its Content-Type says. The gate is asked once: before the
// first file, or at the end. What was read is returned with an error too; of a page
// that was open for too long that is all but its files.
func (f *form) read(ctx context.Context, w http.ResponseWriter, r *http.Request, sub *submission, text int64, g gate) error {
	rd := &reader{form: f, sub: sub, gate: g, text: text, body: r.Body}
	limited := http.MaxBytesReader(w, r.Body, f.bodyLimit(text))
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return errMedia
	}
	switch media {
	case "multipart/form-data":
		err = rd.multipart(ctx, multipart.NewReader(limited, params["boundary"]))
	case "application/x-www-form-urlencoded":
		err = rd.urlencoded(limited)
	case "application/json":
		err = rd.json(limited)
	default:
		return errMedia
	}
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return errTooLarge
	}
	if err != nil {
		return err
	}
	return rd.pass()
}

// pass asks the gate, once.
func (rd *reader) pass() error {
	if !rd.asked {
		rd.asked, rd.said = true, rd.gate(rd.sub)
	}
	return rd.said
}

// parts is the most parts a body of the form can have.
func (rd *reader) parts() int {
	n := extraParts + 2*rd.form.upload.files
	for _, x := range rd.form.fields {
		n += 1 + len(x.options)
	}
	return 2 * n
}

func (rd *reader) multipart(ctx context.Context, mr *multipart.Reader) error {
	for n := 0; ; n++ {
		p, err := mr.NextPart()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return cutOff(err)
		}
		if n >= rd.parts() {
			return errTooLarge
		}
		if err := rd.part(ctx, p); err != nil {
			return err
		}
	}
}

func (rd *reader) part(ctx context.Context, p *multipart.Part) error {
	if _, _, err := mime.ParseMediaType(p.Header.Get("Content-Disposition")); err != nil { // it may be a file
		return fmt.Errorf("%w: the name of a part: %w", errClient, err)
	}
	name := p.FormName()
	x := rd.form.field(name)
	if x != nil && x.kind == kindFile {
		_, params, err := mime.ParseMediaType(p.Header.Get("Content-Disposition"))
		if err != nil || params["filename"] == "" { // an input nobody put a file in
			return rd.skip(p)
		}
		switch err := rd.pass(); {
		case errors.Is(err, errOldToken): // it comes back with what was written behind the file too
			return rd.skip(p)
		case err != nil:
			return err
		}
		if err := rd.sub.basket.add(ctx, name, params["filename"], passing{p, rd.body}); err != nil {
			return err
		}
		return rd.skip(p) // what the basket did not take
	}
	if x == nil && !rd.known(name) {
		return rd.skip(p)
	}
	data, err := io.ReadAll(io.LimitReader(p, rd.text+1))
	if err != nil {
		return cutOff(err)
	}
	if rd.text -= int64(len(data)); rd.text < 0 {
		return errTooLarge
	}
	rd.put(name, string(data))
	return nil
}

// skip reads a part to its end and keeps nothing of it.
func (rd *reader) skip(p io.Reader) error {
	if _, err := io.Copy(io.Discard, passing{p, rd.body}); err != nil {
		return cutOff(err)
	}
	return nil
}

func (rd *reader) known(name string) bool {
	c := rd.form.spam.captcha
	return name == tokenInput || name == keptInput || name != "" && name == rd.form.honeypot || c != nil && name == c.Response
}

func (rd *reader) put(name, value string) {
	s, c := rd.sub, rd.form.spam.captcha
	switch x := rd.form.field(name); {
	case x != nil:
		if len(s.values[name]) <= max(1, len(x.options)) {
			s.values[name] = append(s.values[name], value)
		}
	case name == tokenInput:
		s.token = value
	case name == keptInput:
		if len(s.kept) < maxFiles {
			s.kept = append(s.kept, value)
		}
	case name == rd.form.honeypot && name != "":
		s.bait += strings.TrimSpace(value)
	case c != nil && name == c.Response:
		s.captcha = value
	}
}

func (rd *reader) all(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, rd.text+1))
	if err != nil {
		return nil, cutOff(err)
	}
	if int64(len(data)) > rd.text {
		return nil, errTooLarge
	}
	return data, nil
}

func (rd *reader) urlencoded(r io.Reader) error {
	data, err := rd.all(r)
	if err != nil {
		return err
	}
	if bytes.Count(data, []byte("&")) >= rd.parts() {
		return errTooLarge
	}
	for pair := range strings.SplitSeq(string(data), "&") {
		k, v, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(k)
		value, err2 := url.QueryUnescape(v)
		if err != nil || err2 != nil {
			return fmt.Errorf("%w: %w", errClient, errors.Join(err, err2))
		}
		rd.put(name, value)
	}
	return nil
}

// jsonBody is what the JSON endpoint takes, beside multipart/form-data.
type jsonBody struct {
	Token   string `json:"token"`
	Captcha string `json:"captcha"`
	Values  named  `json:"values"`
}

// named are values by name. A name that is there twice is refused (RFC 8259
// section 4): all but one of its values would be lost.
type named map[string]json.RawMessage

func (n *named) UnmarshalJSON(data []byte) error {
	d := json.NewDecoder(bytes.NewReader(data))
	switch t, err := d.Token(); {
	case err != nil:
		return err
	case t == nil: // null
		return nil
	case t != json.Delim('{'):
		return errors.New("the values are no object")
	case *n != nil:
		return errors.New("the values are there twice")
	}
	*n = named{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return err
		}
		name, _ := t.(string)
		if _, twice := (*n)[name]; twice {
			return errors.New("a value is there twice")
		}
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return err
		}
		(*n)[name] = raw
	}
	return nil
}

func (rd *reader) json(r io.Reader) error {
	data, err := rd.all(r)
	if err != nil {
		return err
	}
	var b jsonBody
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&b); err != nil {
		return fmt.Errorf("%w: %w", errClient, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("%w: more than one value", errClient)
	}
	if len(b.Values) > rd.parts() {
		return errTooLarge
	}
	rd.sub.token, rd.sub.captcha = b.Token, b.Captcha
	for name, raw := range b.Values {
		if name == rd.form.honeypot && name != "" {
			filled, _ := jsonValues(raw)
			rd.sub.bait = strings.TrimSpace(strings.Join(filled, ""))
			continue
		}
		x := rd.form.field(name)
		if x == nil {
			rd.sub.unknown = append(rd.sub.unknown, desk.Cut(name, 64))
			continue
		}
		values, ok := jsonValues(raw)
		if !ok || x.kind == kindFile || len(values) > 1 && x.kind != kindChoices {
			rd.sub.typed[name] = bad("pattern")
			continue
		}
		for _, v := range values {
			rd.put(name, v)
		}
	}
	return nil
}

// jsonValues reads a text, a number, true or false, null, or a list of them.
func jsonValues(raw json.RawMessage) ([]string, bool) {
	var list []json.RawMessage
	if len(raw) > 0 && raw[0] == '[' {
		if json.Unmarshal(raw, &list) != nil {
			return nil, false
		}
	} else {
		list = []json.RawMessage{raw}
	}
	var out []string
	for _, e := range list {
		switch {
		case len(e) == 0 || e[0] == '{' || e[0] == '[':
			return nil, false
		case string(e) == "null":
		case e[0] == '"':
			var s string
			if json.Unmarshal(e, &s) != nil {
				return nil, false
			}
			out = append(out, s)
		default: // a number, true or false, as it is written
			out = append(out, string(e))
		}
	}
	return out, true
}
