package chat

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"

	"switchboard/channels"
	"switchboard/pipeline/desk"
)

// sample is a captured request and what must be found in it. Samples are run by
// `switchboard check`: a mapping that no longer fits is seen before it is live.
type sample struct {
	File    string            `yaml:"file"` // with the body; seen from where the program runs
	Body    any               `yaml:"body"` // or the body itself: text as it came, or YAML that stands for JSON
	Headers map[string]string `yaml:"headers"`
	Query   string            `yaml:"query"`
	// Want are fields of the mapping with their values; ignore, messages (how
	// many), attachments (how many) and spam (true) too.
	Want map[string]any `yaml:"want"`
	Of   int            `yaml:"of"` // which message is compared, from 1
}

// runSamples reports every field that differs, each with its place in the block.
func (s *settings) runSamples() error {
	var errs []error
	for i := range s.Samples {
		errs = append(errs, s.Samples[i].run(s, fmt.Sprintf("samples[%d]", i)))
	}
	return errors.Join(errs...)
}

func (x *sample) run(s *settings, at string) error {
	body, err := x.bytes()
	if err != nil {
		return desk.Invalidf(at, "%v", err)
	}
	query, err := url.ParseQuery(x.Query)
	if err != nil {
		return desk.Invalidf(at+".query", "cannot be read")
	}
	in := &request{header: http.Header{}, query: query, body: body}
	for k, v := range x.Headers {
		in.header.Set(k, v)
	}
	found, _, err := s.read(in)
	if err != nil {
		return desk.Invalidf(at, "%v", err)
	}
	got := map[string]string{"messages": fmt.Sprint(len(found))}
	if n := max(x.Of, 1); n <= len(found) {
		if err := found[n-1].fields(s, got); err != nil {
			return desk.Invalidf(at, "%v", err)
		}
	}
	var errs []error
	for _, key := range slices.Sorted(maps.Keys(x.Want)) {
		want, err := words(plainWant(x.Want[key]))
		have, known := got[key]
		switch {
		case err != nil:
			errs = append(errs, desk.Invalidf(at+".want."+key, "%v", err))
		case !known && len(found) > 0:
			errs = append(errs, desk.Invalidf(at+".want."+key, "is not a field; there are %s", strings.Join(slices.Sorted(maps.Keys(got)), ", ")))
		case have != want:
			errs = append(errs, desk.Invalidf(at+".want."+key, "the mapping gives %q", desk.Clean(desk.Cut(have, 200))))
		}
	}
	return errors.Join(errs...)
}

func plainWant(v any) any {
	switch n := v.(type) {
	case int64:
		return int(n)
	case uint64:
		return int(n)
	}
	return v
}

// fields are those of the draft a message would become.
func (r *record) fields(s *settings, out map[string]string) error {
	p, err := r.readMail(context.Background(), channels.Limits{}, nil)
	if err != nil {
		return err
	}
	files := len(r.Files)
	if p != nil {
		files = len(p.letter.Attachments)
	}
	d := s.draft(r, origin{source: desk.Source{Name: "x", Channel: desk.Chat}, post: p})
	sent := ""
	if !r.SentAt.IsZero() {
		sent = r.SentAt.UTC().Format("2006-01-02T15:04:05Z07:00")
	}
	id, thread := strings.TrimPrefix(d.ExternalID, "x:"), strings.TrimPrefix(d.Thread.Key, "x:")
	maps.Copy(out, map[string]string{"ignore": r.Ignore, "id": id, "thread": thread, "from": r.From, "fromName": d.From.Name,
		"to": r.To, "email": r.Email, "phone": r.Phone, "language": r.Language, "subject": d.Subject, "text": d.Text, "html": r.HTML,
		"sentAt": sent, "act": r.Act, "target": r.Target, "references": r.References, "attachments": fmt.Sprint(files), "spam": fmt.Sprint(r.Spam)})
	return nil
}

// maxSample is what a sample file may hold.
const maxSample = 16 << 20

func (x *sample) bytes() ([]byte, error) {
	switch body := x.Body.(type) {
	case nil:
		if x.File == "" {
			return nil, errors.New("has neither a file nor a body")
		}
		info, err := os.Stat(x.File)
		if err == nil && info.Size() > maxSample {
			err = errors.New("is too large")
		}
		var b []byte
		if err == nil {
			b, err = os.ReadFile(x.File)
		}
		if err != nil {
			return nil, fmt.Errorf("the file cannot be read: %w", cmp.Or(errors.Unwrap(err), err))
		}
		return b, nil
	case string:
		return []byte(body), nil
	default:
		b, err := json.Marshal(body)
		if err != nil {
			return nil, errors.New("the body cannot be written as JSON")
		}
		return b, nil
	}
}
