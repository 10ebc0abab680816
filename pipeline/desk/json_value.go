package desk

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"

	"switchboard/pipeline/match"
)

// value is what fields, events and explanations hold; anything else is left to
// encoding/json.
func (w *jsonWriter) value(v any) {
	switch v := v.(type) {
	case nil:
		w.null()
	case string:
		w.string(v)
	case TicketID:
		w.string(string(v))
	case MessageID:
		w.string(string(v))
	case CustomerID:
		w.string(string(v))
	case TeamID:
		w.string(string(v))
	case AgentID:
		w.string(string(v))
	case Channel:
		w.string(string(v))
	case Status:
		w.string(string(v))
	case Priority:
		w.string(string(v))
	case Type:
		w.string(string(v))
	case Metric:
		w.string(string(v))
	case bool:
		w.b = strconv.AppendBool(w.b, v)
	case int:
		w.number(int64(v))
	case int64:
		w.number(v)
	case float64:
		if size := math.Abs(v); size != 0 && !(size >= 1e-6 && size < 1e21) { // in another form, or none
			w.library(v)
			return
		}
		w.b = strconv.AppendFloat(w.b, v, 'f', -1, 64)
	case time.Time:
		w.instant(v)
	case []string:
		w.textList(v)
	case Spans:
		w.texted(v)
	case []any:
		if v == nil {
			w.null()
			return
		}
		w.list(len(v), func(i int) { w.value(v[i]) })
	case map[string]any:
		if v == nil {
			w.null()
			return
		}
		w.fields(v)
	case []match.Clause:
		if v == nil {
			w.null()
			return
		}
		w.list(len(v), func(i int) {
			w.open()
			w.text("source", v[i].Source)
			w.some("joint", v[i].Joint)
			w.key("match").value(v[i].Match)
			w.some("reason", v[i].Reason)
			w.close()
		})
	default:
		w.library(v)
	}
}

// library lets encoding/json write a value.
func (w *jsonWriter) library(v any) {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	w.fail(e.Encode(v))
	w.b = append(w.b, bytes.TrimSuffix(text.Bytes(), []byte("\n"))...)
}

func (w *jsonWriter) null() []byte {
	w.b = append(w.b, "null"...)
	return w.b
}

func (w *jsonWriter) string(s string) { w.b = appendText(w.b, s) }

func (w *jsonWriter) textList(list []string) {
	if list == nil {
		w.null()
		return
	}
	w.list(len(list), func(i int) { w.string(list[i]) })
}

func (w *jsonWriter) fields(of map[string]any) {
	if of == nil {
		w.null()
		return
	}
	w.open()
	for _, k := range sortedKeys(make([]string, 0, 8), of) {
		w.key(k).value(of[k])
	}
	w.close()
}

// maxDepth is how deep values are read here.
const maxDepth = 16

// value reads any value into what encoding/json makes of it. A number with an
// exponent is left to it.
func (r *jsonReader) value(into *any, depth int) bool {
	if r.at == len(r.text) || depth > maxDepth {
		return false
	}
	switch c := r.text[r.at]; c {
	case '"':
		var s string
		ok := r.string(&s)
		*into = s
		return ok
	case 't', 'f':
		var is bool
		ok := r.bool(&is)
		*into = is
		return ok
	case 'n':
		ok := strings.HasPrefix(r.text[r.at:], "null")
		r.at += len("null")
		return ok
	case '[':
		var list []any
		ok := readList(r, &list, func(v *any) bool { return r.value(v, depth+1) })
		*into = list
		return ok
	case '{':
		var fields map[string]any
		ok := r.fields(&fields, depth+1)
		*into = fields
		return ok
	}
	begin := r.at
	var whole int64
	if !r.number(&whole) {
		return false
	}
	if r.next('.') {
		fraction := r.at
		for r.at < len(r.text) && '0' <= r.text[r.at] && r.text[r.at] <= '9' {
			r.at++
		}
		if r.at == fraction {
			return false
		}
	}
	f, err := strconv.ParseFloat(r.text[begin:r.at], 64)
	*into = f
	return err == nil
}

func (r *jsonReader) fields(into *map[string]any, depth int) bool {
	fields := map[string]any{}
	*into = fields
	return r.object(func(key string) bool {
		var v any
		ok := r.value(&v, depth)
		fields[key] = v
		return ok
	})
}
