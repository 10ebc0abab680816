package desk

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"
)

// asLibrary is what encoding/json writes without escaping HTML.
func asLibrary(t testing.TB, v any) string {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

var trickyTexts = []string{"", "plain", "two\nlines\t\"quoted\" \\ and \r", "Grüße, <b>&amp;</b> 你好 😀", "\x01\x1f\x7f\b\f", "\u2028\u2029", "broken \xff\xc3", "\ufffd", "a/b"}

// wild fills a value with whatever its type allows.
func wild(random *rand.Rand, v reflect.Value) {
	if random.IntN(4) == 0 {
		return
	}
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(time.Unix(random.Int64N(1<<32), random.Int64N(1e9)).In(time.FixedZone("", 60*random.IntN(1000))).Round(0)))
		return
	case json.RawMessage:
		v.SetBytes([]byte([]string{`{"thread":"a b","id":"\u00e9 x"}`, `{ "a" : [1, "]}\""] }`, `[1]`, `null`, `7`}[random.IntN(5)]))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(trickyTexts[random.IntN(len(trickyTexts))])
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(random.Int64() - random.Int64())
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.Name != "CustomFields" && f.Name != "Kept" && f.IsExported() {
				wild(random, v.Field(i))
			}
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		wild(random, v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), random.IntN(3), 3))
		for i := range v.Len() {
			wild(random, v.Index(i))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range random.IntN(3) {
			key := reflect.New(v.Type().Key()).Elem()
			wild(random, key)
			value := reflect.New(v.Type().Elem()).Elem()
			wild(random, value)
			v.SetMapIndex(key, value)
		}
	}
}

// A draft is written and read as encoding/json does.
func TestDraftJSONIsTheLibrarys(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 3000 {
		var d Draft
		v := reflect.ValueOf(&d).Elem()
		for i := range v.NumField() {
			if v.Type().Field(i).Name != "Kept" {
				wild(random, v.Field(i))
			}
		}
		want := asLibrary(t, &d)
		got, err := d.AppendJSON([]byte("x"))
		if err != nil || string(got) != "x"+want {
			t.Fatalf("written %s\nwant    %s\n%v", got, want, err)
		}
		readsAlike(t, want)
	}
}

func readsAlike(t *testing.T, text string) {
	t.Helper()
	var want *Draft
	wantErr := json.Unmarshal([]byte(text), &want)
	got, at, err := ReadDraft(text)
	if !at.IsZero() {
		return // encoding/json knows no places
	}
	if !reflect.DeepEqual(got, want) || !reflect.DeepEqual(err, wantErr) {
		t.Fatalf("%s\nread %+v, %v\nwant %+v, %v", text, got, err, want, wantErr)
	}
}

// Drafts as they usually are need no encoding/json to be read.
func TestUsualDraftsAreReadInOneWalk(t *testing.T) {
	d := Draft{Source: "shop", Channel: Chat, Thread: Thread{Key: "k", Address: json.RawMessage(`{"thread":"t","id":"i"}`)}, From: Party{Name: "Jörg", Handle: "shop:7"},
		To: []Party{{Handle: "x"}}, Text: "two\nlines with \"quotes\"", SentAt: time.Unix(1e9, 1000).UTC(), Raw: BlobRef{Digest: "aa", Size: 7}, Headers: map[string]string{"a": "b"},
		Attachments: []Attachment{{Name: "n", Inline: true}}, Profile: &Profile{Email: "e", EmailVerified: true}, Auto: Auto{Kind: AutoList}, Window: time.Minute, Damage: []string{"d"},
		References: []string{"r"}, Signed: []SignedRef{{Ticket: "t", Via: "v"}}}
	text, err := d.AppendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	var got Draft
	r := jsonReader{text: string(text)}
	if !r.draft(&got) || r.at != len(text) || !reflect.DeepEqual(got, d) {
		t.Errorf("read to %d of %s: %+v", r.at, text, got)
	}
}

// What is said twice, or otherwise than we write it, is what encoding/json makes
// of it.
func TestOddDraftsAreReadAsTheLibraryDoes(t *testing.T) {
	for _, text := range []string{``, `null`, `{}`, ` {}`, `{} `, `{}x`, `[]`, `7`, `{"source":"a","source":"b"}`, `{"from":{"name":"a"},"from":{"handle":"b"}}`, `{"Source":"a"}`, `{"unknown":1}`,
		`{"text":null}`, `{"text":7}`, `{"to":null}`, `{"to":[]}`, `{"to":[null]}`, `{"window":1.5}`, `{"window":01}`, `{"window":-0}`, `{"window":9223372036854775808}`, `{"sentAt":"yesterday"}`, `{"sentAt":"2026-01-01T00:00:00,5Z"}`,
		`{"sentAt":"2026-01-01T00:00:00\u005a"}`, `{"thread":{"address":{"a":[1,2]}}}`, `{"thread":{"address":{"a":}}}`, `{"thread":{"address":{"a":[}]}}}`, `{"thread":{"address":null}}`, `{"thread":{"address":"x"}}`,
		`{"text":"\u00e9\ud83d"}`, "{\"text\":\"a\nb\"}", "{\"text\":\"\xff\"}", `{"text":"\x"}`, `{"text":"a`, `{"headers":{"a":"b","a":"c"}}`, `{"headers":{}}`, `{"profile":null}`, `{"raw":{"size":1e3}}`, `{"ask":{"title":"x"}}`, `{"profile":{"emailVerified":truex}}`} {
		readsAlike(t, text)
	}
}

func TestTextsAreWrittenAsTheLibraryDoes(t *testing.T) {
	for _, s := range trickyTexts {
		if got, want := string(appendText(nil, s)), asLibrary(t, s); got != want {
			t.Errorf("%q: %s, want %s", s, got, want)
		}
	}
}

func FuzzReadDraft(f *testing.F) {
	f.Add(`{"source":"a","thread":{"key":"k","address":{"a":1}},"from":{},"to":[{"name":"x"}],"sentAt":"2026-01-01T00:00:00.5Z","window":5,"profile":{"emailVerified":true},"headers":{"a":"b"},"raw":{"sha256":"a","size":1}}`)
	f.Add(`{"attachments":[{"name":"n","contentType":"c","inline":false,"blob":{"sha256":"","size":-1}}],"signed":[{"ticket":"t","via":"v"}],"auto":{"kind":"list"},"damage":["d\n"],"references":["r"]}`)
	f.Fuzz(func(t *testing.T, text string) { readsAlike(t, text) })
}

func FuzzAppendText(f *testing.F) {
	for _, s := range trickyTexts {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got, want := string(appendText(nil, s)), asLibrary(t, s); got != want {
			t.Errorf("%q: %s, want %s", s, got, want)
		}
	})
}
