package desk

import (
	"encoding/json"
)

// What the rows of the books hold as JSON is written and read here: byte for byte
// what encoding/json writes without escaping HTML, and what it reads. Each
// Append function appends to b; each Read function takes the text of one value,
// walks over it once and leaves whatever it does not know, and every error, to
// encoding/json. Clocks, actors and explanations have short forms of their own:
// see [AppendClocks], [Actor.AppendRow] and [AppendTrail].

// AppendTexts appends a list of texts.
func AppendTexts(b []byte, list []string) []byte {
	w := jsonWriter{b: b}
	w.textList(list)
	return w.b
}

// ReadTexts reads a list of texts.
func ReadTexts(text string) ([]string, error) {
	var list []string
	r := jsonReader{text: text}
	if readList(&r, &list, r.string) && r.done() {
		return list, nil
	}
	return byLibrary[[]string](text)
}

// AppendFields appends fields of any kind by name. The error is of a value no
// JSON holds.
func AppendFields(b []byte, fields map[string]any) ([]byte, error) {
	w := jsonWriter{b: b}
	w.fields(fields)
	return w.b, w.err
}

// ReadFields reads fields of any kind by name.
func ReadFields(text string) (map[string]any, error) {
	var fields map[string]any
	r := jsonReader{text: text}
	if r.fields(&fields, 0) && r.done() {
		return fields, nil
	}
	return byLibrary[map[string]any](text)
}

// AppendValue appends any value. The error is of one no JSON holds.
func AppendValue(b []byte, v any) ([]byte, error) {
	w := jsonWriter{b: b}
	w.value(v)
	return w.b, w.err
}

// AppendAttachments appends the attachments of a message.
func AppendAttachments(b []byte, list []Attachment) []byte {
	w := jsonWriter{b: b}
	if list == nil {
		return w.null()
	}
	w.list(len(list), func(i int) { w.attachment(&list[i]) })
	return w.b
}

// ReadAttachments reads the attachments of a message.
func ReadAttachments(text string) ([]Attachment, error) {
	var list []Attachment
	r := jsonReader{text: text}
	if readList(&r, &list, r.attachment) && r.done() {
		return list, nil
	}
	return byLibrary[[]Attachment](text)
}

// AppendJSON appends what put a ticket on its desk.
func (a AssignedBy) AppendJSON(b []byte) []byte {
	w := jsonWriter{b: b}
	w.open()
	w.some("route", a.Route)
	w.some("rule", a.Rule)
	w.some("agent", a.Agent)
	w.close()
	return w.b
}

// ReadAssignedBy reads what put a ticket on its desk.
func ReadAssignedBy(text string) (AssignedBy, error) {
	var v AssignedBy
	r := jsonReader{text: text}
	if r.assignedBy(&v) && r.done() {
		return v, nil
	}
	return byLibrary[AssignedBy](text)
}

func (r *jsonReader) assignedBy(a *AssignedBy) bool {
	return r.object(func(key string) bool {
		switch key {
		case "route":
			return r.string(&a.Route)
		case "rule":
			return r.string(&a.Rule)
		case "agent":
			return r.string(&a.Agent)
		}
		return false
	})
}

// AppendJSON appends the party.
func (p Party) AppendJSON(b []byte) []byte {
	w := jsonWriter{b: b}
	w.party(p)
	return w.b
}

// ReadParty reads a party.
func ReadParty(text string) (Party, error) {
	var v Party
	r := jsonReader{text: text}
	if r.party(&v) && r.done() {
		return v, nil
	}
	return byLibrary[Party](text)
}

// AppendJSON appends what makes a message automatic.
func (a Auto) AppendJSON(b []byte) []byte {
	w := jsonWriter{b: b}
	w.auto(a)
	return w.b
}

// ReadAuto reads what makes a message automatic.
func ReadAuto(text string) (Auto, error) {
	var v Auto
	r := jsonReader{text: text}
	if r.auto(&v) && r.done() {
		return v, nil
	}
	return byLibrary[Auto](text)
}

// done reports whether everything was read.
func (r *jsonReader) done() bool { return r.at == len(r.text) }

// byLibrary lets encoding/json read a value.
func byLibrary[T any](text string) (v T, err error) {
	err = json.Unmarshal([]byte(text), &v)
	return v, err
}
