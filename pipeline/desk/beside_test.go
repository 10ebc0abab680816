package desk

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"
)

// keptForms are drafts as the books have them, in every form they were ever
// written in. None of these texts may change: rows of years have them.
var keptForms = []struct {
	name, text string
	at         Passage
	beside     Beside // zero: the row is not asked
}{
	{"whole", `{"source":"shop","channel":"CHAT","scope":"CHAT:shop","externalId":"shop:m-1","fingerprint":"f1","thread":{"key":"shop:t-1","address":{"thread":"t-1"},"plain":true},"from":{"name":"Ann","handle":"shop:7"},"subject":"s","text":"words","sentAt":"2026-03-02T12:00:00Z","receivedAt":"2026-03-02T12:00:01.000123Z","raw":{"sha256":"aa","size":7},"group":"shop:g"}`, Passage{}, 0},
	{"words elsewhere", `{"text":{"offset":12,"length":5,"as":"plain"},"source":"shop","channel":"CHAT","scope":"CHAT:shop","externalId":"shop:m-1","fingerprint":"f1","thread":{"key":"shop:t-1","address":{"thread":"t-1"},"plain":true},"from":{"name":"Ann","handle":"shop:7"},"subject":"s","sentAt":"2026-03-02T12:00:00Z","receivedAt":"2026-03-02T12:00:01.000123Z","raw":{"sha256":"aa","size":7},"group":"shop:g"}`, Passage{12, 5, SpelledPlain}, 0},
	{"beside its row", `{"source":239,"channel":"CHAT","thread":{"key":"shop:t-1","address":{"thread":"t-1"},"plain":true},"from":{"name":"Ann","handle":"shop:7"},"subject":"s","text":"words","sentAt":"2026-03-02T12:00:00Z"}`, Passage{}, 239},
	{"both", `{"text":{"offset":12,"length":5,"as":"plain"},"source":239,"channel":"CHAT","thread":{"key":"shop:t-1","address":{"thread":"t-1"},"plain":true},"from":{"name":"Ann","handle":"shop:7"},"subject":"s","sentAt":"2026-03-02T12:00:00Z"}`, Passage{12, 5, SpelledPlain}, 239},
}

func keptDraft() (*Draft, *Receipt) {
	at := time.Date(2026, 3, 2, 12, 0, 1, 123000, time.UTC)
	d := &Draft{Source: "shop", Channel: Chat, Scope: "CHAT:shop", ExternalID: "shop:m-1", Fingerprint: "f1",
		Thread: Thread{Key: "shop:t-1", Address: json.RawMessage(`{"thread":"t-1"}`), Plain: true}, From: Party{Name: "Ann", Handle: "shop:7"}, Subject: "s", Text: "words",
		SentAt: at.Truncate(time.Second).Add(-time.Second), ReceivedAt: at, Raw: BlobRef{"aa", 7}, Group: "shop:g"}
	r := NewReceipt(d, at.Add(time.Second))
	return d, &r
}

// Every form is read as the same draft, and written as it ever was.
func TestEveryFormOfAKeptDraft(t *testing.T) {
	want, row := keptDraft()
	if got := want.BesideOf(row); got != 239 {
		t.Errorf("beside the row stand %d", got)
	}
	for _, c := range keptForms {
		if text, err := want.AppendBeside(nil, c.at, c.beside); err != nil || string(text) != c.text {
			t.Errorf("%s: written %s, %v\nwant %s", c.name, text, err, c.text)
		}
		asked := *row
		if c.beside == 0 {
			asked = Receipt{}
		}
		asked.Draft = nil
		got, at, err := ReadBeside(c.text, &asked)
		if err != nil || at != c.at {
			t.Errorf("%s: at %+v, %v", c.name, at, err)
			continue
		}
		if !at.IsZero() {
			got.Text = "words"
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v\nwant %+v", c.name, got, want)
		}
	}
}

// Whatever is in a draft, and however much of it its row has, it comes back as if
// it had been written whole; of the times the row has, the microseconds.
func TestADraftBesideItsRowComesBackWhole(t *testing.T) {
	random := rand.New(rand.NewPCG(8, 9))
	seen := map[Beside]int{}
	for range 5000 {
		var d Draft
		v := reflect.ValueOf(&d).Elem()
		for i := range v.NumField() {
			if name := v.Type().Field(i).Name; name != "Kept" && (name != "Ask" || random.IntN(4) == 0) {
				wild(random, v.Field(i))
			}
		}
		if random.IntN(2) == 0 {
			d.ReceivedAt, d.SentAt = d.ReceivedAt.UTC(), d.ReceivedAt.UTC()
		}
		row := NewReceipt(&d, time.Unix(1e9, 0).UTC())
		row.SourceTime = row.SourceTime.UTC().Truncate(time.Microsecond)
		for _, cut := range []*string{&row.Source, &row.Scope, &row.ExternalID, &row.Fingerprint, &row.ThreadKey, &row.Raw.Digest} {
			if *cut = strings.ToValidUTF8(*cut, "?"); random.IntN(6) == 0 {
				*cut += "#"
			}
		}
		whole, err := d.AppendJSON(nil)
		if err != nil {
			t.Fatal(err)
		}
		want, _, err := ReadDraft(string(whole))
		if err != nil {
			t.Fatal(err)
		}
		beside := d.BesideOf(&row)
		for bit := BesideSource; bit < besideAll; bit <<= 1 {
			if beside&bit != 0 {
				seen[bit]++
			}
		}
		micros := func(is Beside, at time.Time) time.Time {
			if beside&is != 0 {
				return at.Truncate(time.Microsecond)
			}
			return at
		}
		want.ReceivedAt, want.SentAt = micros(BesideReceived, want.ReceivedAt), micros(BesideSent, want.SentAt)
		at := Passage{}
		if random.IntN(2) == 0 {
			at, want.Text = Passage{random.IntN(9), random.IntN(9), SpelledJSON}, ""
		}
		text, err := d.AppendBeside(nil, at, beside)
		if err != nil {
			t.Fatal(err)
		}
		got, is, err := ReadBeside(string(text), &row)
		if err != nil || is != at || !reflect.DeepEqual(got, want) {
			t.Fatalf("%s\nread %+v at %+v, %v\nwant %+v", text, got, is, err, want)
		}
	}
	for bit := BesideSource; bit < besideAll; bit <<= 1 {
		if seen[bit] < 20 {
			t.Errorf("value %d stood beside %d drafts of 5000", bit, seen[bit])
		}
	}
}

// What is not the same to the last byte stays in the draft.
func TestWhatTheRowHasOtherwiseStaysInTheDraft(t *testing.T) {
	for name, c := range map[string]struct {
		is     Beside
		change func(d *Draft, row *Receipt)
	}{
		"source":           {BesideSource, func(_ *Draft, row *Receipt) { row.Source = "Shop" }},
		"scope":            {BesideScope, func(_ *Draft, row *Receipt) { row.Scope = "" }},
		"a cut ID":         {BesideExternalID, func(_ *Draft, row *Receipt) { row.ExternalID = "shop#00" }},
		"no UTF-8":         {BesideFingerprint, func(d *Draft, row *Receipt) { d.Fingerprint, row.Fingerprint = "\xff", "\xff" }},
		"no thread of its": {BesideThread, func(d *Draft, row *Receipt) { row.ThreadKey = d.Group }},
		"no group":         {BesideGroup, func(d *Draft, row *Receipt) { d.Group, row.ThreadKey = "", "" }},
		"another size":     {BesideRaw, func(_ *Draft, row *Receipt) { row.Raw.Size++ }},
		"no request":       {BesideRaw, func(d *Draft, row *Receipt) { d.Raw, row.Raw = BlobRef{}, BlobRef{} }},
		"another zone":     {BesideReceived, func(d *Draft, _ *Receipt) { d.ReceivedAt = d.ReceivedAt.In(time.FixedZone("", 60)) }},
		"no time":          {BesideReceived, func(d *Draft, row *Receipt) { d.ReceivedAt, row.SourceTime = time.Time{}, time.Time{} }},
		"another time":     {BesideReceived, func(d *Draft, _ *Receipt) { d.ReceivedAt = d.ReceivedAt.Add(time.Microsecond) }},
	} {
		d, row := keptDraft()
		c.change(d, row)
		if got := d.BesideOf(row); got&c.is != 0 {
			t.Errorf("%s: %d stand beside, with %d", name, got, c.is)
		}
	}
	if got := (*Draft)(nil).BesideOf(&Receipt{}); got != 0 {
		t.Errorf("beside no draft stand %d", got)
	}
}

// Who does not know what stands beside a draft reads none, instead of one without
// it: an older version, [ReadDraft], and this one what a later version left out.
func TestADraftWithoutItsRowIsNotRead(t *testing.T) {
	for _, c := range keptForms {
		if c.beside == 0 {
			continue
		}
		_, rest := passageOf(c.text)
		var old *Draft
		var wrong *json.UnmarshalTypeError
		if err := json.Unmarshal([]byte(rest), &old); !errors.As(err, &wrong) || wrong.Field != "source" {
			t.Errorf("%s: %+v, %v", c.name, old, err)
		}
		if d, _, err := ReadDraft(c.text); err == nil {
			t.Errorf("%s: without its row %+v", c.name, d)
		}
	}
	for _, n := range []string{"0", "-1", fmt.Sprint(besideAll + 1), "1e2", "01", "99999999999999999999", "null", "true"} {
		if d, _, err := ReadBeside(`{"source":`+n+`,"channel":"CHAT"}`, &Receipt{}); err == nil && n != "null" {
			t.Errorf("%s: %+v", n, d)
		}
	}
}

func FuzzReadBeside(f *testing.F) {
	for _, c := range keptForms {
		f.Add(c.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		_, row := keptDraft()
		d, at, err := ReadBeside(text, row)
		if err != nil || d == nil {
			return
		}
		again, err := d.AppendBeside(nil, at, d.BesideOf(row))
		if err != nil {
			return // a time that no JSON holds
		}
		if _, _, err := ReadBeside(string(again), row); err != nil {
			t.Fatalf("%s\nwritten again %s\n%v", text, again, err)
		}
	})
}
