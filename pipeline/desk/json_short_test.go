package desk

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// shorts are texts that are JSON without blanks, and that are not.
var shorts = map[bool][]string{
	true: {`{}`, `[]`, `{"a":1,"b":[true,false,null,-7,"é"],"c":{"d":""}}`, `""`, `0`, `"a b"`, `[[],[[]]]`, strings.Repeat("[", maxShort) + strings.Repeat("]", maxShort)},
	false: {``, ` `, `{ }`, `{"a": 1}`, `[1 ]`, ` {}`, "{}\n", `{`, `}`, `[1,]`, `[,1]`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{a:1}`, `01`, `-`, `+1`, `tru`, `nulll`, `1 2`, `[1][2]`,
		`"a`, "\"\n\"", "\"\xff\"", `"\x"`, `"\u00e9"`, `1.5`, `1e3`, strings.Repeat("[", maxShort+1) + strings.Repeat("]", maxShort+1), strings.Repeat("[", 100_000), `99999999999999999999`},
}

func TestIsShort(t *testing.T) {
	for want, texts := range shorts {
		for _, text := range texts {
			if got := isShort(json.RawMessage(text)); got != want {
				t.Errorf("%.40q: %v, want %v", text, got, want)
			}
			asCompact(t, text)
		}
	}
}

// asCompact compares what appendShort does with what json.Compact does.
func asCompact(t *testing.T, text string) {
	t.Helper()
	want := bytes.NewBufferString("x")
	wantErr := json.Compact(want, []byte(text))
	got, err := appendShort([]byte("x"), json.RawMessage(text))
	if (err == nil) != (wantErr == nil) || err == nil && string(got) != want.String() {
		t.Errorf("%.60q: %q, %v; want %q, %v", text, got, err, want, wantErr)
	}
}

func FuzzShort(f *testing.F) {
	for _, texts := range shorts {
		for _, text := range texts {
			f.Add(text)
		}
	}
	f.Fuzz(asCompact)
}
