package chat

import (
	"reflect"
	"testing"
)

// A place gives what the expression gives when it is run.
func TestPlacesAreWhatTheyWouldGive(t *testing.T) {
	body, err := decodeJSON([]byte(`{"a": {"b": [1, "two", {"c": null, "d": 1.5, "e f": true}]}, "0": "zero", "Headers": {"x": "y"}}`), 9)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range []*env{{}, {Body: body, Item: body, Headers: map[string]string{"x-id": "7", "a": "h"}, Query: map[string]string{"Token": "t"},
		Up: []any{body, "up"}, Files: []any{map[string]any{"name": "f"}}}, {Body: []any{"x", body}, Item: "text"}} {
		for _, src := range []string{`body`, `item`, `headers`, `query`, `up`, `files`, `body.a`, `body.a.b`, `body.a.b[1]`, `body.a.b[2].d`, `body?.a?.b`, `body.a.b[2]["e f"]`,
			`body.nothing.below.it`, `body.a.b.c`, `body[0]`, `body["0"]`, `body[1].a`, `item.a.b[9]`, `headers["x-id"]`, `headers["X-ID"]`, `headers.a`, `query.Token`, `query.token`,
			`up[0].a`, `up[1]`, `up[5].x`, `files[0].name`, `body.Headers.x`} {
			p, err := compileExpr(src)
			if err != nil {
				t.Fatalf("%s: %v", src, err)
			}
			if p.place == nil {
				t.Errorf("%s is no place", src)
				continue
			}
			run := *p
			run.place = nil
			got, _ := p.run(e)
			want, err := run.run(e)
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %#v, want %#v, %v", src, got, want, err)
			}
		}
	}
	for _, src := range []string{`body.a + "x"`, `body[body.a]`, `at(body, "a")`, `body.a ?? "x"`, `"x"`, `body.a[-1]`, `lower(string(body.a))`, `[body]`} {
		if p, err := compileExpr(src); err != nil || p.place != nil {
			t.Errorf("%s is a place, or nothing at all: %v", src, err)
		}
	}
}

// What an expression wants to see of a request is known before it is run.
func TestWhatExpressionsAskFor(t *testing.T) {
	for src, want := range map[string]asks{`body.a`: {}, `headers["x"]`: {headers: true}, `"x" + string(query.a)`: {query: true}, `body.headers ?? query.x ?? headers.y`: {headers: true, query: true}} {
		if p, err := compileExpr(src); err != nil || p.asks != want {
			t.Errorf("%s: %+v, %v", src, p.asks, err)
		}
	}
}
