package desk

import (
	"maps"
	"slices"
	"time"
	"unicode/utf8"
)

// Recorded is the draft as the ledger gives it back: what [ReadDraft] makes of
// what [Draft.AppendJSON] writes, mostly without writing and reading it. It shares
// nothing with d that anybody may change. The error is AppendJSON's.
func (d *Draft) Recorded() (*Draft, error) {
	if out, ok := d.recorded(); ok {
		return out, nil
	}
	text, err := d.AppendJSON(nil)
	if err != nil {
		return nil, err
	}
	out, _, err := ReadDraft(string(text))
	return out, err
}

// recorded copies what is written and read as it is; false is a draft that is
// changed by being written in more than empty lists and zones of time.
func (d *Draft) recorded() (*Draft, bool) {
	if d.Ask != nil || !d.valid() {
		return nil, false
	}
	out := *d
	out.Kept = nil
	if d.HTML.IsZero() {
		out.HTML = BlobRef{}
	}
	if d.Raw.IsZero() {
		out.Raw = BlobRef{}
	}
	out.References, out.Signed, out.Damage = some(d.References), some(d.Signed), some(d.Damage)
	out.To, out.Cc, out.Attachments = some(d.To), some(d.Cc), some(d.Attachments)
	if out.Headers = nil; len(d.Headers) > 0 {
		out.Headers = maps.Clone(d.Headers)
	}
	if out.Thread.Address = nil; len(d.Thread.Address) > 0 {
		short, err := appendShort(nil, d.Thread.Address)
		if err != nil {
			return nil, false
		}
		out.Thread.Address = short
	}
	if d.Profile != nil {
		p := *d.Profile
		out.Profile = &p
	}
	var sent, received bool
	out.SentAt, sent = recordedTime(d.SentAt)
	out.ReceivedAt, received = recordedTime(d.ReceivedAt)
	return &out, sent && received
}

// some is a copy of a list; one without members is not written.
func some[T any](list []T) []T {
	if len(list) == 0 {
		return nil
	}
	return slices.Clone(list)
}

// recordedTime is a time as it is read back: without the reading of the process's
// clock that it may carry, and in the zone that its offset names.
func recordedTime(t time.Time) (time.Time, bool) {
	if t.IsZero() {
		return time.Time{}, true
	}
	if t.Location() == time.UTC && t.Year() > 0 && t.Year() < 10_000 { // else it has no text
		return t.Round(0), true
	}
	text, err := t.AppendText(make([]byte, 0, len(time.RFC3339Nano)))
	if err != nil {
		return t, false
	}
	var out time.Time
	return out, out.UnmarshalText(text) == nil
}

// valid says that every text of a draft is UTF-8; what is not would be written
// otherwise.
func (d *Draft) valid() bool {
	good := func(texts ...string) bool {
		return !slices.ContainsFunc(texts, func(s string) bool { return !utf8.ValidString(s) })
	}
	if !good(d.Source, string(d.Channel), d.Scope, d.ExternalID, d.Fingerprint, d.Thread.Key, d.From.Name, d.From.Handle, d.Subject, d.Text, d.HTML.Digest,
		d.Raw.Digest, string(d.Act), d.Target, d.Group, string(d.Auto.Kind), d.Auto.Reason, d.Trace) || !good(d.References...) || !good(d.Damage...) {
		return false
	}
	for _, s := range d.Signed {
		if !good(string(s.Ticket), string(s.Receipt), s.Via) {
			return false
		}
	}
	for _, list := range [][]Party{d.To, d.Cc} {
		for _, p := range list {
			if !good(p.Name, p.Handle) {
				return false
			}
		}
	}
	for _, a := range d.Attachments {
		if !good(a.Name, a.ContentType, a.ContentID, a.Blob.Digest) {
			return false
		}
	}
	for k, v := range d.Headers {
		if !good(k, v) {
			return false
		}
	}
	p := d.Profile
	return p == nil || good(p.Name, p.Email, p.Phone, p.TimeZone, p.Language)
}
