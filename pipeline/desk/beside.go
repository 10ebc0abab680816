package desk

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Beside names values of a draft that the row of its receipt holds too: a draft
// that is kept there need not repeat them. The numbers lie in the books and never
// change their meaning; a new value takes the next bit.
type Beside int

// The values that can stand beside a draft.
const (
	BesideSource      Beside = 1 << iota // Receipt.Source
	BesideScope                          // Receipt.Scope
	BesideExternalID                     // Receipt.ExternalID
	BesideFingerprint                    // Receipt.Fingerprint
	BesideThread                         // Thread.Key is Receipt.ThreadKey
	BesideGroup                          // Group is Receipt.ThreadKey
	BesideRaw                            // Receipt.Raw
	BesideReceived                       // ReceivedAt is Receipt.SourceTime
	BesideSent                           // SentAt is Receipt.SourceTime

	besideAll = 1<<iota - 1
)

// BesideOf says which values of the draft a row has, given as the row gives them
// back. What differs in anything is not among them: a key that was cut to fit an
// index, bytes that are no UTF-8, a time in another zone. Of the two times the row
// has all that the books keep of any, the microseconds. A nil draft has nothing.
func (d *Draft) BesideOf(row *Receipt) (out Beside) {
	if d == nil {
		return 0
	}
	add := func(is Beside, same bool) {
		if same {
			out |= is
		}
	}
	text := func(is Beside, a, b string) { add(is, a == b && utf8.ValidString(a)) }
	text(BesideSource, d.Source, row.Source)
	text(BesideScope, d.Scope, row.Scope)
	text(BesideExternalID, d.ExternalID, row.ExternalID)
	text(BesideFingerprint, d.Fingerprint, row.Fingerprint)
	text(BesideThread, d.Thread.Key, row.ThreadKey)
	if d.Group != "" {
		text(BesideGroup, d.Group, row.ThreadKey)
	}
	add(BesideRaw, d.Raw == row.Raw && !d.Raw.IsZero() && utf8.ValidString(d.Raw.Digest))
	add(BesideReceived, sameTime(d.ReceivedAt, row.SourceTime))
	add(BesideSent, sameTime(d.SentAt, row.SourceTime))
	return out
}

// sameTime says that a time in UTC is another but for less than a microsecond.
func sameTime(t, kept time.Time) bool {
	_, offset := t.Zone()
	return !t.IsZero() && offset == 0 && t.Truncate(time.Microsecond).Equal(kept)
}

// FillFrom gives a draft the values that stand beside it in a row.
func (d *Draft) FillFrom(row *Receipt, beside Beside) {
	fill(&d.Source, row.Source, beside&BesideSource)
	fill(&d.Scope, row.Scope, beside&BesideScope)
	fill(&d.ExternalID, row.ExternalID, beside&BesideExternalID)
	fill(&d.Fingerprint, row.Fingerprint, beside&BesideFingerprint)
	fill(&d.Thread.Key, row.ThreadKey, beside&BesideThread)
	fill(&d.Group, row.ThreadKey, beside&BesideGroup)
	fill(&d.Raw, row.Raw, beside&BesideRaw)
	fill(&d.ReceivedAt, row.SourceTime, beside&BesideReceived)
	fill(&d.SentAt, row.SourceTime, beside&BesideSent)
}

func fill[T any](into *T, v T, beside Beside) {
	if beside != 0 {
		*into = v
	}
}

// ReadBeside is [ReadDraft] of a draft that may have been written beside its row
// ([Draft.AppendBeside]): what it leaves out is taken from the row, whose own Draft
// is not looked at.
func ReadBeside(text string, row *Receipt) (*Draft, Passage, error) {
	at, rest := passageOf(text)
	beside, rest, err := besideOf(rest)
	if err != nil {
		return nil, at, err
	}
	d, err := readWhole(rest)
	if err == nil && d != nil {
		d.FillFrom(row, beside)
	}
	return d, at, err
}

// besideOf takes the number of what stands beside out of the JSON of a draft.
func besideOf(text string) (Beside, string, error) {
	const prefix = `{"source":`
	if !strings.HasPrefix(text, prefix) {
		return 0, text, nil
	}
	r := jsonReader{text: text, at: len(prefix)}
	var n int64
	if !r.number(&n) || !r.next(',') {
		return 0, text, nil
	}
	if n <= 0 || n > besideAll {
		return 0, text, fmt.Errorf("desk: read a draft: %d stands beside it, of which this version knows not all", n)
	}
	return Beside(n), "{" + text[r.at:], nil
}
