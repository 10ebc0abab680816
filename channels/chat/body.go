package chat

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/url"
	"strconv"
	"strings"
)

// Bounds of a form, beside the size of the body.
const (
	maxFields    = 2000
	maxNesting   = 8
	maxListIndex = 1000
)

// upload is a file that came in a multipart form.
type upload struct {
	field, name, contentType, id string
	bytes                        []byte
}

// decoded is a request body as a mapping sees it.
type decoded struct {
	body    any // map[string]any, []any, string, int, float64, bool or nil
	uploads []upload
}

// malformed is a body that cannot be read.
type malformed struct {
	why   string
	count string // what it is counted as; empty: refusedMalformed
}

func (m *malformed) Error() string { return m.why }

func broken(format string, args ...any) error { return &malformed{why: fmt.Sprintf(format, args...)} }

// formOf reads the fields of a form, without its files.
func formOf(contentType string, body []byte) (url.Values, error) {
	kind, params, _ := mime.ParseMediaType(contentType)
	if kind != "multipart/form-data" {
		if bytes.Count(body, []byte("&")) > maxFields {
			return nil, broken("the form has more than %d fields", maxFields)
		}
		v, err := url.ParseQuery(string(body))
		if err != nil {
			return nil, broken("the form cannot be read")
		}
		return v, nil
	}
	out := url.Values{}
	err := parts(body, params["boundary"], func(p *multipart.Part, value []byte) {
		if !isFile(p) {
			out.Add(p.FormName(), string(value))
		}
	})
	return out, err
}

// isFile reports whether a part is a file: it has the name of one, or a name that
// cannot be read, and then it may be.
func isFile(p *multipart.Part) bool { return p.FileName() != "" || p.FormName() == "" }

func parts(body []byte, boundary string, each func(*multipart.Part, []byte)) error {
	if boundary == "" {
		return broken("the form names no boundary")
	}
	r := multipart.NewReader(bytes.NewReader(body), boundary)
	for n := 0; ; n++ {
		p, err := r.NextPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return broken("the form is cut off or cannot be read")
		}
		if n >= maxFields {
			return broken("the form has more than %d fields", maxFields)
		}
		value, err := io.ReadAll(p)
		if err != nil {
			return broken("the form is cut off or cannot be read")
		}
		each(p, value)
	}
}

// decodeBody reads JSON or a form by its content type; a body that begins like
// JSON and claims to be nothing we know is JSON.
func decodeBody(contentType string, body []byte, depth int) (*decoded, error) {
	if contentType == "application/json" { // nearly always
		v, err := decodeJSON(body, depth)
		return &decoded{body: v}, err
	}
	kind, params, _ := mime.ParseMediaType(contentType)
	trimmed := bytes.TrimLeft(body, " \t\r\n")
	jsonish := len(trimmed) > 0 && strings.IndexByte("{[\"", trimmed[0]) >= 0
	switch {
	case kind == "multipart/form-data":
		d := &decoded{}
		var fields []pair
		err := parts(body, params["boundary"], func(p *multipart.Part, value []byte) {
			if isFile(p) {
				ct, _, _ := mime.ParseMediaType(p.Header.Get("Content-Type"))
				d.uploads = append(d.uploads, upload{field: p.FormName(), name: p.FileName(), contentType: ct, id: strings.Trim(p.Header.Get("Content-Id"), "<>"), bytes: value})
				return
			}
			fields = append(fields, pair{p.FormName(), string(value)})
		})
		if err != nil {
			return nil, err
		}
		d.body = nest(fields)
		return d, nil
	case strings.HasSuffix(kind, "json") || jsonish && kind != "application/x-www-form-urlencoded":
		v, err := decodeJSON(body, depth)
		return &decoded{body: v}, err
	case kind == "application/x-www-form-urlencoded":
		fields, err := pairs(string(body))
		return &decoded{body: nest(fields)}, err
	}
	return nil, broken("the content type is neither JSON nor a form")
}

type pair struct{ name, value string }

// pairs keeps the order of a form, which a map would lose.
func pairs(s string) ([]pair, error) {
	var out []pair
	for one := range strings.SplitSeq(s, "&") {
		if one == "" {
			continue
		}
		if len(out) >= maxFields {
			return nil, broken("the form has more than %d fields", maxFields)
		}
		k, v, _ := strings.Cut(one, "=")
		name, err1 := url.QueryUnescape(k)
		value, err2 := url.QueryUnescape(v)
		if err1 != nil || err2 != nil {
			return nil, broken("the form cannot be read")
		}
		out = append(out, pair{name, value})
	}
	return out, nil
}

// nest builds the tree that names such as headers[Received][0] mean. Of a field
// that comes twice the first counts.
func nest(fields []pair) map[string]any {
	root := map[string]any{}
	for _, f := range fields {
		path := strings.Split(strings.ReplaceAll(f.name, "]", ""), "[")
		if len(path) > maxNesting || !strings.HasSuffix(f.name, "]") && len(path) > 1 {
			path = []string{f.name}
		}
		at := root
		for i, step := range path {
			if i == len(path)-1 {
				if _, taken := at[step]; !taken {
					at[step] = f.value
				}
				break
			}
			next, ok := at[step].(map[string]any)
			if !ok {
				if _, taken := at[step]; taken {
					break
				}
				next = map[string]any{}
				at[step] = next
			}
			at = next
		}
	}
	for k, v := range root {
		root[k] = lists(v)
	}
	return root
}

// lists turns objects with the keys 0, 1, 2 ... into lists.
func lists(v any) any {
	m, ok := v.(map[string]any)
	if !ok {
		return v
	}
	for k, e := range m {
		m[k] = lists(e)
	}
	if len(m) == 0 || len(m) > maxListIndex {
		return m
	}
	out := make([]any, len(m))
	for i := range out {
		e, ok := m[strconv.Itoa(i)]
		if !ok {
			return m
		}
		out[i] = e
	}
	return out
}
