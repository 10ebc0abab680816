package chat

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// asLibrary is decodeJSON by encoding/json.
func asLibrary(body []byte, depth int) (any, error) {
	if deeper(string(body), depth) {
		return nil, &malformed{"the JSON is nested deeper than " + strconv.Itoa(depth), refusedDeep}
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, broken("the body is not valid JSON")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, broken("something follows the JSON")
	}
	return asNumbers(v), nil
}

func asNumbers(v any) any {
	switch x := v.(type) {
	case json.Number:
		if n, err := strconv.Atoi(string(x)); err == nil {
			return n
		}
		if f, err := x.Float64(); err == nil && strings.ContainsAny(string(x), ".eE") {
			return f
		}
		return string(x)
	case []any:
		for i := range x {
			x[i] = asNumbers(x[i])
		}
	case map[string]any:
		for k := range x {
			x[k] = asNumbers(x[k])
		}
	}
	return v
}

// trickyJSON are bodies on which readers of JSON differ.
var trickyJSON = []string{
	``, ` `, `{}`, ` [ ] `, `{} x`, `{}}`, `1 2`, `12x`, `truex`, `nul`, `-`, `-0`, `01`, `1.`, `.5`, `1e`, `1e+`, `1E-2`, `1e999`, `-1.5e3`, "\ufeff{}",
	`123456789012345678901234567890`, `9223372036854775807`, `-9223372036854775808`, `9223372036854775808`, `1.0`, `0.1`, `00`, `+1`, `NaN`,
	`{"a":1,"a":2}`, `{"a":1,}`, `[1,]`, `[,1]`, `{,}`, `{"a"}`, `{"a" : [1 , {"b":null}] , "c":true}`, `{"a":1 "b":2}`, `{a:1}`, `{"":{}}`, `[[[[1]]]]`, `[[[[`, `{"a":{"a":{"a":{"a":1}}}}`,
	`"a\u00e9\n\/\b\f\r\t\"\\"`, `"\ud83d\ude00"`, `"\ud83d"`, `"\ud83dA"`, `"\ud83d\ud83d\ude00"`, `"\ude00\ud83d"`, `"\u12"`, `"\u12g4"`, `"\x"`, `"\`, `"a`, `"\"`, `"\u0000"`,
	"\"a\nb\"", "\"a\\nb\x01\"", "\"\xff\xfe\"", "\"é\xc3\"", "\"\\n\xc3\xa9\xff\xff\"", "\"\\\xff\"", "\"\\\n\"", "{\"\xff\":1,\"\ufffd\":2}", `"\ud83d\u00"`, "\x00", `[1]` + "\x00", `"` + "\x7f" + `"`,
}

func sameAsLibrary(t *testing.T, body []byte, depth int) {
	t.Helper()
	got, err := decodeJSON(body, depth)
	want, wantErr := asLibrary(body, depth)
	if !reflect.DeepEqual(got, want) || !reflect.DeepEqual(err, wantErr) {
		t.Errorf("%q: %#v, %v; want %#v, %v", body, got, err, want, wantErr)
	}
}

func TestJSONIsReadAsTheLibraryDoes(t *testing.T) {
	for _, body := range trickyJSON {
		for _, depth := range []int{3, 40} {
			sameAsLibrary(t, []byte(body), depth)
		}
	}
}

func FuzzJSON(f *testing.F) {
	for _, body := range trickyJSON {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) { sameAsLibrary(t, body, 4) })
}
