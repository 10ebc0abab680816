package desk

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode/utf16"

	"pgregory.net/rapid"
)

// long makes a text long enough to be looked for.
func long(s string) string { return strings.Repeat(s, MinPassage/max(len(s), 1)+1) }

// inJSON is a request that brings a text as Go writes it, without escaping HTML
// or with.
func inJSON(text string, html bool) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(html)
	if err := e.Encode(map[string]any{"id": 7, "text": text, "user": map[string]string{"name": "Jörg"}}); err != nil {
		panic(err)
	}
	return b.String()
}

// inASCII is a request as PHP writes it: everything that is no ASCII is escaped,
// and so is the slash.
func inASCII(text string, format string) string {
	b := []byte(`{"event":"new","text":"`)
	for _, u := range utf16.Encode([]rune(text)) {
		switch {
		case u == '\n':
			b = append(b, '\\', 'n')
		case u == '"' || u == '\\' || u == '/':
			b = append(b, '\\', byte(u))
		case u < ' ' || u >= 0x7f:
			b = fmt.Appendf(b, format, u)
		default:
			b = append(b, byte(u))
		}
	}
	return string(b) + `"}`
}

func TestWordsAreFoundInTheRequest(t *testing.T) {
	mixed := "Grüße aus Köln: \"it broke\" <b>again</b>, see http://example.com/a\\b & tell me 🙂.\n\tDanke\n"
	start := "The printer on the third floor does not print "
	for _, c := range []struct{ name, raw, text, as string }{
		{"as it is", "x" + long("plain words "), long("plain words "), SpelledPlain},
		{"plain in JSON", inJSON(long("plain words "), true), long("plain words "), SpelledPlain},
		{"a whole body", long("line\n"), long("line\n"), SpelledPlain},
		{"newlines and quotes", inJSON(long("said \"no\"\nand left\n"), false), long("said \"no\"\nand left\n"), SpelledJSON},
		{"quotes first", inJSON(long("\"\\\"\n quoted words"), false), long("\"\\\"\n quoted words"), SpelledJSON},
		{"umlauts as UTF-8", inJSON(long("über größere Äpfel "), true), long("über größere Äpfel "), SpelledPlain},
		{"umlauts as escapes", inASCII(long("über größere Äpfel "), `\u%04x`), long("über größere Äpfel "), SpelledJSON},
		{"in capitals", inASCII(long("über größere Äpfel "), `\u%04X`), long("über größere Äpfel "), SpelledJSON},
		{"surrogate pairs", inASCII(long("🙂 broken 🇩🇪 "), `\u%04x`), long("🙂 broken 🇩🇪 "), SpelledJSON},
		{"HTML escaped", inJSON(long("<script>alert('x') && 1 > 0</script>"), true), long("<script>alert('x') && 1 > 0</script>"), SpelledJSON},
		{"HTML as it is", inJSON(long("<script>alert('x') && 1 > 0</script>"), false), long("<script>alert('x') && 1 > 0</script>"), SpelledPlain},
		{"everything, by Go", inJSON(long(mixed), true), long(mixed), SpelledJSON},
		{"everything, by PHP", inASCII(long(mixed), `\u%04x`), long(mixed), SpelledJSON},
		{"line separators", inJSON(long("one\u2028two\u2029"), false), long("one\u2028two\u2029"), SpelledJSON},
		{"Chinese", inJSON(long("打印机坏了。"), false), long("打印机坏了。"), SpelledPlain},
		{"Chinese with lines", inJSON(long("打印机\n坏了。"), false), long("打印机\n坏了。"), SpelledJSON},
		{"Chinese escaped", inASCII(long("打印机坏了。"), `\u%04x`), long("打印机坏了。"), SpelledJSON},
		{"Chinese in capitals", inASCII(long("\n打印机坏了。"), `\u%04X`), long("\n打印机坏了。"), SpelledJSON},
		{"emoji escaped", inASCII(long("🙂"), `\u%04x`), long("🙂"), SpelledJSON},
		{"a preview before it", `{"preview":"` + start + `...","text":"` + start + long("and so on ") + `"}`, start + long("and so on "), SpelledPlain},
		{"twice", strings.Repeat(inJSON(long("a\nb, as always "), false), 2), long("a\nb, as always "), SpelledJSON},
		{"a part of a string", inJSON("@bot "+long("help\nme please ")+" thanks", false), long("help\nme please "), SpelledJSON},
		{"a mail", "Subject: x\r\n\r\n" + strings.ReplaceAll(long("Dear all,\n\nit broke.\n"), "\n", "\r\n"), long("Dear all,\n\nit broke.\n"), SpelledCRLF},
		{"a mail that begins with a line", "Subject: x\r\n\r\n" + strings.ReplaceAll(long("\nDear all,\nit broke."), "\n", "\r\n"), long("\nDear all,\nit broke."), SpelledCRLF},
		{"backslash and n", inJSON(long(`C:\new\names and more `), false), long(`C:\new\names and more `), SpelledJSON},
		{"broken elsewhere", "\xff\xfe" + long("plain words ") + "\xff", long("plain words "), SpelledPlain},

		{"short", inJSON("plain words", false), "plain words", ""},
		{"not there", inJSON(long("other words "), false), long("plain words "), ""},
		{"only its beginning", inJSON(long("plain words ")[:200], false) + long("x"), long("plain words "), ""},
		{"other at the end", inJSON(long("plain words ")+"a", false), long("plain words ") + "b", ""},
		{"other at the beginning", inJSON("<a>"+long("plain words\n"), false), "<b>" + long("plain words\n"), ""},
		{"cut before the end", inJSON(long("a\nb words "), false)[:MinPassage], long("a\nb words "), ""},
		{"invalid UTF-8", long("plain \xff words "), long("plain \xff words "), ""},
		{"half a pair", `{"text":"` + long(`half \ud83d of it `) + `"}`, long("half \ufffd of it "), ""},
		{"escaped text, plain newline", inJSON(long(`line\nline `), false), long("line\nline "), ""},
		{"nothing but quotes", inJSON(long(`"`), false), long(`"`), ""},
		{"empty", "", "", ""},
		{"no bytes", "", long("plain words "), ""},
	} {
		at, ok := Locate([]byte(c.raw), c.text)
		if ok != (c.as != "") || at.As != c.as {
			t.Errorf("%s: %+v, %t, want it spelled %q", c.name, at, ok, c.as)
			continue
		}
		if !ok {
			continue
		}
		if back, err := at.Text([]byte(c.raw)); err != nil || back != c.text {
			t.Errorf("%s: read back %q, %v", c.name, back, err)
		}
	}
}

// roundTrip writes a draft beside its raw bytes and reads it again.
func roundTrip(d *Draft, raw []byte) (*Draft, Passage, error) {
	at, _ := Locate(raw, d.Text)
	b, err := d.AppendLocated(nil, at)
	if err != nil {
		return nil, at, err
	}
	got, is, err := ReadDraft(string(b))
	if err != nil || is != at {
		return nil, at, fmt.Errorf("%s: passage %+v, want %+v, %w", b, is, at, err)
	}
	if !at.IsZero() {
		got.Text, err = at.Text(raw)
	}
	return got, at, err
}

// Whatever a draft and its raw bytes are, the draft comes back as it does without
// them.
func TestADraftComesBackWhateverItsRequest(t *testing.T) {
	piece := rapid.SampledFrom([]string{"word ", "a", "ü", "\n", "\r\n", "\"", "\\", `\n`, `\u00fc`, "<", "/", "🙂", "打", "\x01", "\x00", "\u2028", "plain words without end "})
	random := rapid.Custom(func(rt *rapid.T) string {
		return strings.Join(rapid.SliceOfN(piece, rapid.SampledFrom([]int{0, 100}).Draw(rt, "least"), 200).Draw(rt, "pieces"), "")
	})
	placed := 0
	rapid.Check(t, func(rt *rapid.T) {
		text := random.Draw(rt, "text")
		if rapid.IntRange(0, 9).Draw(rt, "broken") == 0 {
			text += "\xff"
		}
		raws := []string{text, inJSON(text, true), inJSON(text, false), inASCII(text, `\u%04x`), strings.ReplaceAll(text, "\n", "\r\n"), random.Draw(rt, "raw")}
		raw := random.Draw(rt, "before") + rapid.SampledFrom([]string{"", "\xff", "\xc3", `\ufffd`}).Draw(rt, "odd") + rapid.SampledFrom(raws).Draw(rt, "spelled") + random.Draw(rt, "behind")
		d := &Draft{Source: "shop", Channel: Chat, Subject: "s", Text: text, Damage: []string{"d"}}
		if rapid.Bool().Draw(rt, "asks") {
			d.Ask = &Ask{Title: "t", Priority: High}
		}
		if rapid.Bool().Draw(rt, "edits") {
			d.Act, d.Target = ActEdit, "x"
		}
		inline, err := d.AppendJSON(nil)
		if err != nil {
			rt.Fatal(err)
		}
		want, _, err := ReadDraft(string(inline))
		if err != nil {
			rt.Fatal(err)
		}
		got, at, err := roundTrip(d, []byte(raw))
		if err != nil || !reflect.DeepEqual(got, want) {
			rt.Fatalf("at %+v: got %+v, %v\nwant %+v", at, got, err, want)
		}
		if !at.IsZero() {
			placed++
		}
	})
	if placed == 0 {
		t.Error("no text was ever found: nothing was tried")
	}
}

// A version that knows no passages fails on such a draft: to read it without its
// words would lose them.
func TestADraftWithoutItsWordsIsNotReadByAnOlderVersion(t *testing.T) {
	d := &Draft{Source: "shop", Text: long("words ")}
	b, err := d.AppendLocated(nil, Passage{From: 3, Length: 4, As: SpelledPlain})
	if err != nil {
		t.Fatal(err)
	}
	var old *Draft
	var wrong *json.UnmarshalTypeError
	if err := json.Unmarshal(b, &old); !errors.As(err, &wrong) || wrong.Field != "text" {
		t.Errorf("%s: %+v, %v", b, old, err)
	}
}

// A passage that cannot be one is an error and no more.
func TestBrokenPassages(t *testing.T) {
	raw := []byte("caf\u00e9 \\u00e9 \\ud83d \\x")
	for _, p := range []Passage{{-1, 2, SpelledPlain}, {0, -1, SpelledPlain}, {0, len(raw) + 1, SpelledPlain}, {len(raw) + 1, 0, SpelledPlain}, {1, 1<<63 - 1, SpelledPlain},
		{1<<63 - 1, 1<<63 - 1, SpelledJSON}, {0, 3, "other"}, {0, 3, ""}, {0, 4, SpelledPlain}, {4, 2, SpelledPlain}, {6, 3, SpelledJSON}, {6, 5, SpelledJSON}, {13, 6, SpelledJSON}, {20, 2, SpelledJSON}} {
		if text, err := p.Text(raw); !errors.Is(err, ErrNoWords) {
			t.Errorf("%+v: %q, %v", p, text, err)
		}
	}
	if text, err := (Passage{6, 6, SpelledJSON}).Text(raw); err != nil || text != "é" {
		t.Errorf("%q, %v", text, err)
	}
	for _, text := range []string{`{"text":{}`, `{"text":{},"source":"a"}`, `{"text":{"offset":1,"length":2},"source":"a"}`, `{"text":{"offset":1,"length":2,"as":"json"}}`,
		`{"text":{"offset":"1","length":2,"as":"json"},"source":"a"}`, `{"text":{"offset":1,"length":2,"as":"json","more":1},"source":"a"}`, `{"text":{"offset":1,"offset":2,"as":"json"},"source":"a"}`} {
		if d, at, err := ReadDraft(text); err == nil || !at.IsZero() {
			t.Errorf("%s: %+v at %+v", text, d, at)
		}
	}
}

func FuzzPassage(f *testing.F) {
	f.Add(`{"text":{"offset":2,"length":9,"as":"json"},"source":"a"}`, []byte(`ab\u00fc\n\ud83d\ude42`))
	f.Add(`{"text":{"offset":-2,"length":99999999999999999,"as":"crlf"},"source":"a"}`, []byte("a\r\nb"))
	f.Add(`{"text":{"offset":0,"length":5,"as":"plain"},"ask":{}}`, []byte("plain"))
	f.Fuzz(func(t *testing.T, text string, raw []byte) {
		_, at, err := ReadDraft(text)
		if err != nil || at.IsZero() {
			return
		}
		words, err := at.Text(raw)
		if err != nil && (!errors.Is(err, ErrNoWords) || words != "") {
			t.Fatalf("%+v: %q, %v", at, words, err)
		}
	})
}

func FuzzLocate(f *testing.F) {
	f.Add([]byte(inJSON(long("a\nb \"c\" "), true)), long("a\nb \"c\" "))
	f.Add([]byte(inASCII(long("打印机"), `\u%04x`)), long("打印机"))
	f.Fuzz(func(t *testing.T, raw []byte, text string) {
		if at, ok := Locate(raw, text); ok {
			if back, err := at.Text(raw); err != nil || back != text {
				t.Fatalf("%+v: %q, %v, want %q", at, back, err, text)
			}
		}
	})
}

func BenchmarkLocate(b *testing.B) {
	for name, text := range map[string]string{"plain": long("It broke again, please help. "), "lines": strings.Repeat("It broke again,\nplease \"help\". ", 50)} {
		b.Run(name, func(b *testing.B) {
			raw := []byte(inJSON(text, true))
			for b.Loop() {
				if _, ok := Locate(raw, text); !ok {
					b.Fatal("not found")
				}
			}
		})
	}
}
