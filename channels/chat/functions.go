package chat

import (
	"fmt"
	"maps"
	"net/mail"
	"slices"
	"strconv"
	"strings"

	"switchboard/pipeline/desk"
)

// function is one of ours: how it runs, and its type as a nil function pointer.
type function struct {
	run  func(args ...any) (any, error)
	hint any
}

// functions are what a mapping may call beside the builtins.
var functions = map[string]function{
	// at(x, key): the member of an object or list, nil when it is not there.
	"at": {func(a ...any) (any, error) { return at(a[0], a[1]), nil }, new(func(any, any) any)},
	// string(x): as text; nil is "".
	"string": {func(a ...any) (any, error) { return words(a[0]) }, new(func(any) string)},
	// number(x): as a number; what is none is 0.
	"number": {func(a ...any) (any, error) { return number(a[0]), nil }, new(func(any) float64)},
	"first":  {func(a ...any) (any, error) { return at(a[0], 0), nil }, new(func(any) any)},
	"last":   {func(a ...any) (any, error) { return at(a[0], -1), nil }, new(func(any) any)},
	// where(list, key, value): the first object of a list whose key has the value.
	"where": {func(a ...any) (any, error) { return where(a[0], a[1], a[2]), nil }, new(func(any, any, any) any)},
	// header(x, name): a header out of a list of {name, value}, of an object, or of
	// the text of a header, without regard to case.
	"header": {func(a ...any) (any, error) { return header(a[0], a[1]) }, new(func(any, any) any)},
	// address("Ada <ada@example.com>") is "ada@example.com", and name(...) "Ada".
	"address": {func(a ...any) (any, error) { _, addr, err := mailbox(a[0]); return addr, err }, new(func(any) string)},
	"name":    {func(a ...any) (any, error) { name, _, err := mailbox(a[0]); return name, err }, new(func(any) string)},
	// join(list, between): the texts of a list that are not empty.
	"join": {func(a ...any) (any, error) { return join(a[0], a[1]) }, new(func(any, any) string)},
}

// at is lenient access: of an object by key, of a list by index (from the end
// below zero).
func at(x, key any) any {
	switch x := x.(type) {
	case map[string]any:
		if k, ok := key.(string); ok {
			return x[k]
		}
	case map[string]string:
		if k, ok := key.(string); ok {
			if v, ok := x[strings.ToLower(k)]; ok {
				return v
			}
			if v, ok := x[k]; ok {
				return v
			}
		}
	case []any:
		if i, ok := key.(int); ok {
			if i < 0 {
				i += len(x)
			}
			if i >= 0 && i < len(x) {
				return x[i]
			}
		}
	}
	return nil
}

// words is text, or a number or boolean written out.
func words(v any) (string, error) {
	switch x := v.(type) {
	case nil:
		return "", nil
	case string:
		return x, nil
	case int:
		return strconv.Itoa(x), nil
	case float64:
		return strconv.FormatFloat(x, 'f', -1, 64), nil
	case bool:
		return strconv.FormatBool(x), nil
	}
	return "", fmt.Errorf("want text, got %s", kindOf(v))
}

func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "nothing"
	case string:
		return "text"
	case int, float64:
		return "a number"
	case bool:
		return "true or false"
	case []any:
		return "a list"
	case map[string]any, map[string]string:
		return "an object"
	}
	return fmt.Sprintf("%T", v)
}

func number(v any) float64 {
	switch x := v.(type) {
	case int:
		return float64(x)
	case float64:
		return x
	case string:
		if f, err := strconv.ParseFloat(strings.TrimSpace(x), 64); err == nil && f == f {
			return f
		}
	}
	return 0
}

func where(list, key, value any) any {
	items, _ := list.([]any)
	want, err := words(value)
	if err != nil {
		return nil
	}
	for _, item := range items {
		if v := at(item, key); v != nil {
			if got, err := words(v); err == nil && got == want {
				return item
			}
		}
	}
	return nil
}

func header(x, name any) (any, error) {
	want, err := words(name)
	if err != nil {
		return nil, err
	}
	switch x := x.(type) {
	case string:
		if len(x) > 1<<20 {
			x = x[:1<<20]
		}
		m, err := mail.ReadMessage(strings.NewReader(x + "\r\n\r\n"))
		if err != nil {
			return nil, nil
		}
		if v := m.Header.Get(want); v != "" {
			return v, nil
		}
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(x)) {
			if strings.EqualFold(k, want) {
				if list, ok := x[k].([]any); ok {
					return at(list, 0), nil
				}
				return x[k], nil
			}
		}
	case []any:
		for _, e := range x {
			n, v := field(e, "name", "key"), field(e, "value")
			if pair, ok := e.([]any); ok && len(pair) == 2 {
				n, v = pair[0], pair[1]
			}
			if n, ok := n.(string); ok && strings.EqualFold(n, want) {
				return v, nil
			}
		}
	}
	return nil, nil
}

// field finds a member by one of its names, without regard to case, _ and -.
func field(x any, names ...string) any {
	m, ok := x.(map[string]any)
	if !ok {
		return nil
	}
	for _, want := range names {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if m[k] != nil && squeeze.Replace(strings.ToLower(k)) == want {
				return m[k]
			}
		}
	}
	return nil
}

var squeeze = strings.NewReplacer("_", "", "-", "")

// mailbox takes a mail address and the name beside it apart.
func mailbox(v any) (name, addr string, err error) {
	s, err := words(v)
	if err != nil || s == "" {
		return "", "", err
	}
	s = strings.TrimSpace(desk.Cut(s, 2000))
	if list, err := mail.ParseAddressList(s); err == nil && len(list) > 0 {
		return list[0].Name, domainLower(list[0].Address), nil
	}
	if i := strings.LastIndexByte(s, '<'); i >= 0 {
		inner, _, _ := strings.Cut(s[i+1:], ">")
		return strings.Trim(strings.TrimSpace(s[:i]), `"`), domainLower(strings.TrimSpace(inner)), nil
	}
	return "", domainLower(s), nil
}

func domainLower(addr string) string {
	if i := strings.LastIndexByte(addr, '@'); i >= 0 {
		return addr[:i] + strings.ToLower(addr[i:])
	}
	return addr
}

func join(list, between any) (string, error) {
	items, _ := list.([]any)
	sep, err := words(between)
	if err != nil {
		return "", err
	}
	var out []string
	size := 0
	for _, item := range items {
		s, err := words(item)
		if err != nil {
			return "", err
		}
		if size += len(s) + len(sep); size > 4<<20 {
			return "", fmt.Errorf("joined text is too long")
		}
		if s != "" {
			out = append(out, s)
		}
	}
	return strings.Join(out, sep), nil
}
