package store

import (
	"encoding/json"
	"fmt"
	"sync"

	"switchboard/pipeline/desk"
)

// packer turns values into JSON text for columns and remembers the first
// failure, so that a row's conversion reads as one literal. Nil maps, slices and
// pointers become "", what is empty a text that costs nothing. What every message
// has is written by the desk itself.
type packer struct{ err error }

// room is memory to write into before the text is made, once and as long as it
// is.
type room struct{ b []byte }

var rooms = sync.Pool{New: func() any { return &room{make([]byte, 0, 4<<10)} }}

// keepBuffer is the largest room that is reused.
const keepBuffer = 1 << 20

// packed is what write appends, as a text.
func packed[T any](p *packer, v T, write func(b []byte, v T) ([]byte, error)) (text string) {
	r := rooms.Get().(*room)
	b, err := write(r.b[:0], v)
	if err == nil {
		text = string(b)
	} else if p.err == nil {
		p.err = desk.Permanent(fmt.Errorf("store: encode %T: %w", v, err))
	}
	if cap(b) <= keepBuffer {
		r.b = b
		rooms.Put(r)
	}
	return text
}

// pack is any value, by way of encoding/json.
func (p *packer) pack(v any) string {
	text := packed(p, v, desk.AppendValue)
	if text == "null" {
		return ""
	}
	return text
}

// draft is a draft whose words are in it, or at a passage of its raw request, and
// whose other values are in it, or beside it in its row.
func (p *packer) draft(d *desk.Draft, at desk.Passage, beside desk.Beside) string {
	if d == nil {
		return ""
	}
	return packed(p, d, func(b []byte, d *desk.Draft) ([]byte, error) { return d.AppendBeside(b, at, beside) })
}

func (p *packer) trail(trail []desk.Note) string {
	return packedList(p, trail, desk.AppendTrail)
}

func (p *packer) clocks(clocks []desk.Clock) string {
	return packedList(p, clocks, desk.AppendClocks)
}

func (p *packer) texts(list []string) string {
	return packedList(p, list, func(b []byte, list []string) ([]byte, error) { return desk.AppendTexts(b, list), nil })
}

func (p *packer) attachments(list []desk.Attachment) string {
	return packedList(p, list, func(b []byte, list []desk.Attachment) ([]byte, error) { return desk.AppendAttachments(b, list), nil })
}

func packedList[T any](p *packer, list []T, write func([]byte, []T) ([]byte, error)) string {
	switch {
	case list == nil:
		return ""
	case len(list) == 0:
		return "[]"
	}
	return packed(p, list, write)
}

func (p *packer) fields(fields map[string]any) string {
	switch {
	case fields == nil:
		return ""
	case len(fields) == 0:
		return "{}"
	}
	return packed(p, fields, desk.AppendFields)
}

func (p *packer) actor(a desk.Actor) string {
	return packed(p, a, func(b []byte, a desk.Actor) ([]byte, error) { return a.AppendRow(b), nil })
}

func (p *packer) assignedBy(a desk.AssignedBy) string { return packedJSON(p, a) }

func (p *packer) party(a desk.Party) string { return packedJSON(p, a) }

func (p *packer) auto(a desk.Auto) string {
	if a == (desk.Auto{}) {
		return "{}"
	}
	return packedJSON(p, a)
}

func packedJSON[T interface{ AppendJSON([]byte) []byte }](p *packer, v T) string {
	return packed(p, v, func(b []byte, v T) ([]byte, error) { return v.AppendJSON(b), nil })
}

// unpacker reads what packer wrote, and remembers the first failure. It leaves
// alone what there is no text for.
type unpacker struct{ err error }

// unpack reads any value, by way of encoding/json.
func (u *unpacker) unpack(text string, into any) {
	if text == "" {
		return
	}
	u.failed(json.Unmarshal([]byte(text), into), into)
}

func (u *unpacker) failed(err error, into any) {
	if err != nil && u.err == nil {
		u.err = fmt.Errorf("store: decode %T: %w", into, err)
	}
}

// unpacked reads a value the desk reads itself.
func unpacked[T any](u *unpacker, text string, into *T, read func(string) (T, error)) {
	if text == "" {
		return
	}
	v, err := read(text)
	if err != nil {
		u.failed(err, into)
	}
	*into = v
}

// draft reads the draft of a row and returns where its words are, unless they are
// in it.
func (u *unpacker) draft(text string, row *desk.Receipt) (at desk.Passage) {
	unpacked(u, text, &row.Draft, func(text string) (d *desk.Draft, err error) {
		d, at, err = desk.ReadBeside(text, row)
		return d, err
	})
	return at
}

func (u *unpacker) clocks(text string, into *[]desk.Clock) { unpacked(u, text, into, desk.ReadClocks) }

func (u *unpacker) texts(text string, into *[]string) { unpacked(u, text, into, desk.ReadTexts) }

func (u *unpacker) fields(text string, into *map[string]any) {
	unpacked(u, text, into, desk.ReadFields)
}

func (u *unpacker) attachments(text string, into *[]desk.Attachment) {
	unpacked(u, text, into, desk.ReadAttachments)
}

func (u *unpacker) actor(text string, into *desk.Actor) { unpacked(u, text, into, desk.ReadActor) }

func (u *unpacker) party(text string, into *desk.Party) { unpacked(u, text, into, desk.ReadParty) }

func (u *unpacker) assignedBy(text string, into *desk.AssignedBy) {
	unpacked(u, text, into, desk.ReadAssignedBy)
}

func (u *unpacker) auto(text string, into *desk.Auto) {
	if text != "{}" {
		unpacked(u, text, into, desk.ReadAuto)
	}
}

func (u *unpacker) trail(text string, into *[]desk.Note) { unpacked(u, text, into, desk.ReadTrail) }
