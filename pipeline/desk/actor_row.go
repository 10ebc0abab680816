package desk

import (
	"slices"
	"strings"
)

// actorKinds are known by number in the books, from 0: the list only ever grows,
// at the end.
var actorKinds = []ActorKind{ByCustomer, ByAgent, ByKey, BySystem}

// AppendRow appends the actor in the short form of the books, a JSON list:
//
//	[0, "01KJQ6PSG05WZPQN2DCZCBMM40", "Ann"]    the number of the kind in actorKinds, ID and name
//
// It ends before an empty name, and before an empty ID without a name. An actor
// of another kind is written as encoding/json does without escaping HTML.
// [ReadActor] reads both.
func (a Actor) AppendRow(b []byte) []byte {
	w := jsonWriter{b: b}
	kind := slices.Index(actorKinds, a.Kind)
	if kind < 0 {
		w.longActor(a)
		return w.b
	}
	w.b = append(w.b, '[')
	w.number(int64(kind))
	if a.ID != "" || a.Name != "" {
		w.b = append(w.b, ',')
		w.string(a.ID)
	}
	if a.Name != "" {
		w.b = append(w.b, ',')
		w.string(a.Name)
	}
	w.b = append(w.b, ']')
	return w.b
}

// ReadActor reads an actor in either form of [Actor.AppendRow].
func ReadActor(text string) (Actor, error) {
	var v Actor
	r := jsonReader{text: text}
	if strings.HasPrefix(text, "[") {
		if r.shortActor(&v) && r.done() {
			return v, nil
		}
	} else if r.longActor(&v) && r.done() {
		return v, nil
	}
	return byLibrary[Actor](text)
}

func (r *jsonReader) shortActor(a *Actor) bool {
	var kind int64
	if !r.next('[') || !r.number(&kind) || kind < 0 || kind >= int64(len(actorKinds)) ||
		r.next(',') && (!r.string(&a.ID) || r.next(',') && !r.string(&a.Name)) {
		return false
	}
	a.Kind = actorKinds[kind]
	return r.next(']')
}

func (w *jsonWriter) longActor(a Actor) {
	w.open()
	w.text("kind", string(a.Kind))
	w.some("id", a.ID)
	w.some("name", a.Name)
	w.close()
}

func (r *jsonReader) longActor(a *Actor) bool {
	return r.object(func(key string) bool {
		switch key {
		case "kind":
			return r.string((*string)(&a.Kind))
		case "id":
			return r.string(&a.ID)
		case "name":
			return r.string(&a.Name)
		}
		return false
	})
}
