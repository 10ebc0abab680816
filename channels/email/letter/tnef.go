package letter

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"unicode/utf16"
)

// The parts of a TNEF stream that are read ([MS-OXTNEF] 2.1.3).
const (
	tnefSignature = 0x223E9F78

	attBody        = 0x0002800C
	attMsgProps    = 0x00069003
	attRendData    = 0x00069002 // a further attachment begins
	attOEMCodepage = 0x00069007
	attTitle       = 0x00018010
	attData        = 0x0006800F
	attAttachment  = 0x00069005

	propBody       = 0x1000
	propRTF        = 0x1009
	propHTML       = 0x1013
	propCodepage   = 0x3FDE
	propData       = 0x3701
	propFileName   = 0x3704
	propLongName   = 0x3707
	propMimeTag    = 0x370E
	propContentID  = 0x3712
	propName       = 0x3001
	maxTNEFDepth   = 3
	maxTNEFProps   = 4096
	maxTNEFBuffer  = 16 << 20 // bytes of one attribute that must be held
	maxAttachments = 500
	maxCompared    = 5 // of one mail, those whose text is compared with the mail's own
)

var errTNEF = errors.New("the TNEF data is broken")

// tnef opens a winmail.dat: body texts join the pieces, files become
// attachments. Data that is no TNEF is kept as it is.
func (w *reader) tnef(p part, pieces *[]piece) error {
	br := bufio.NewReader(p.body)
	if head, _ := br.Peek(4); len(head) < 4 || binary.LittleEndian.Uint32(head) != tnefSignature {
		if w.src.failed != nil {
			return w.src.failed
		}
		w.damage("part %d: winmail.dat without TNEF in it", p.number)
		return w.attach(p, "winmail.dat", br)
	}
	t := &tnefReader{w: w, r: br}
	err := t.read(0)
	if errors.Is(err, errTNEF) {
		w.damage("part %d: %v; what came before was kept", p.number, err)
		err = nil
	}
	if err != nil {
		return err
	}
	own := t.body
	if own.plain != "" && w.compared < maxCompared {
		w.compared++
		if covers(wordsOf(plainOf(*pieces)), own.plain) {
			own.plain = ""
		}
	}
	if own.html != "" && w.letter.HTML == "" {
		if err := w.keepHTML(own.html); err != nil {
			return err
		}
	}
	if own.plain != "" || own.html != "" && w.bodyless(*pieces) {
		*pieces = append(*pieces, own)
	}
	return nil
}

type tnefReader struct {
	w       *reader
	r       io.Reader
	body    piece
	charset string
	current *Attachment // last one listed for the present file
	title   string      // its short name, if it came before the data
}

// read walks the attributes of one stream.
func (t *tnefReader) read(depth int) error {
	var head [9]byte
	if _, err := io.ReadFull(t.r, head[:6]); err != nil || binary.LittleEndian.Uint32(head[:]) != tnefSignature {
		return t.broken()
	}
	listed := len(t.w.letter.Attachments)
	for {
		if _, err := io.ReadFull(t.r, head[:]); err != nil {
			if err == io.EOF || head[0] == 0 {
				return t.ioError()
			}
			return t.broken()
		}
		if level := head[0]; level != 1 && level != 2 {
			return t.broken()
		}
		id := binary.LittleEndian.Uint32(head[1:])
		data := &io.LimitedReader{R: t.r, N: int64(binary.LittleEndian.Uint32(head[5:]))}
		want := data.N
		if id == attData && len(t.w.letter.Attachments)-listed < maxAttachments {
			a := Attachment{Name: baseName(t.title), ContentType: "application/octet-stream"}
			if a.Name == "" {
				a.Name = "attachment"
			}
			if _, err := t.w.store(&a, data); err != nil {
				return err
			}
			t.current = &t.w.letter.Attachments[len(t.w.letter.Attachments)-1]
		} else if held := t.held(id); held {
			raw, err := io.ReadAll(io.LimitReader(data, maxTNEFBuffer))
			if err != nil {
				return t.broken()
			}
			if data.N > 0 && int64(len(raw)) < want && int64(len(raw)) < maxTNEFBuffer {
				return t.broken()
			}
			if err := t.attribute(id, raw, depth); err != nil {
				return err
			}
		}
		if _, err := io.Copy(io.Discard, data); err != nil || data.N > 0 {
			return t.broken()
		}
		if _, err := io.CopyN(io.Discard, t.r, 2); err != nil { // the checksum
			return t.ioError()
		}
	}
}

func (t *tnefReader) held(id uint32) bool {
	switch id {
	case attBody, attMsgProps, attRendData, attOEMCodepage, attTitle, attAttachment:
		return true
	}
	return false
}

func (t *tnefReader) ioError() error { return t.w.src.failed }

func (t *tnefReader) broken() error {
	if t.w.src.failed != nil {
		return t.w.src.failed
	}
	return errTNEF
}

func (t *tnefReader) attribute(id uint32, raw []byte, depth int) error {
	switch id {
	case attRendData:
		t.current, t.title = nil, ""
	case attOEMCodepage:
		if len(raw) >= 4 {
			t.charset = codepage(binary.LittleEndian.Uint32(raw))
		}
	case attTitle:
		t.title = t.text(raw)
		if t.current != nil {
			t.rename(t.title)
		}
	case attBody:
		t.body.plain = newlines(t.text(raw))
	case attMsgProps:
		return t.messageProps(raw, depth)
	case attAttachment:
		return t.fileProps(raw, depth)
	}
	return nil
}

// text decodes an eight-bit string.
func (t *tnefReader) text(raw []byte) string {
	return clean(toUTF8(bytes.TrimRight(raw, "\x00"), t.charset))
}

func (t *tnefReader) rename(name string) {
	if name = baseName(cleanParam(name)); name != "" {
		t.current.Name = clean(name)
	}
}

func (t *tnefReader) messageProps(raw []byte, depth int) error {
	props, err := mapiProps(raw)
	for _, p := range props {
		switch p.id {
		case propCodepage:
			if len(p.data) >= 4 {
				t.charset = codepage(binary.LittleEndian.Uint32(p.data))
			}
		case propBody:
			if s := t.string(p); strings.TrimSpace(s) != "" && t.body.plain == "" {
				t.body.plain = newlines(s)
			}
		case propHTML:
			if t.body.html == "" {
				t.body.html = t.string(p)
			}
		case propRTF:
			if rtf := unpackRTF(p.data); len(rtf) > 0 && len(t.w.rtf) == 0 && depth == 0 {
				t.w.rtf = rtf
			}
		}
	}
	return err
}

func (t *tnefReader) fileProps(raw []byte, depth int) error {
	props, err := mapiProps(raw)
	var long, short, kind, cid string
	var data []byte
	for _, p := range props {
		switch p.id {
		case propLongName:
			long = t.string(p)
		case propFileName, propName:
			if short == "" {
				short = t.string(p)
			}
		case propMimeTag:
			kind = strings.ToLower(t.string(p))
		case propContentID:
			cid = cleanID(strings.Trim(t.string(p), "<>"))
		case propData:
			data = p.data
			if p.kind == 0x0D && len(data) > 16 {
				data = data[16:] // the interface the object is of
			}
		}
	}
	name := long
	if name == "" {
		name = short
	}
	if t.current == nil && len(data) > 0 {
		if len(data) > 4 && binary.LittleEndian.Uint32(data) == tnefSignature && depth < maxTNEFDepth {
			inner := &tnefReader{w: t.w, r: bytes.NewReader(data)} // a mail inside
			if e := inner.read(depth + 1); e != nil && !errors.Is(e, errTNEF) {
				return e
			}
			if inner.body.plain != "" {
				a := Attachment{Name: shorten(baseName(name), maxName-4) + ".txt", ContentType: "text/plain"}
				if _, e := t.w.store(&a, strings.NewReader(inner.body.plain)); e != nil {
					return e
				}
			}
			return err
		}
		a := Attachment{Name: "attachment", ContentType: "application/octet-stream"}
		if _, e := t.w.store(&a, bytes.NewReader(data)); e != nil {
			return e
		}
		t.current = &t.w.letter.Attachments[len(t.w.letter.Attachments)-1]
	}
	if t.current != nil {
		t.rename(name)
		if m := parseMedia(kind); strings.Contains(m.kind, "/") {
			t.current.ContentType = m.kind
		}
		t.current.ContentID = cid
		t.current.Inline = cid != "" && strings.HasPrefix(t.current.ContentType, "image/")
	}
	return err
}

// A mapiProp is one property: its number, its type and its first value.
type mapiProp struct {
	id, kind uint16
	data     []byte
}

func (t *tnefReader) string(p mapiProp) string {
	if p.kind == 0x1F {
		units := make([]uint16, 0, len(p.data)/2)
		for i := 0; i+1 < len(p.data); i += 2 {
			units = append(units, binary.LittleEndian.Uint16(p.data[i:]))
		}
		return clean(strings.TrimRight(string(utf16.Decode(units)), "\x00"))
	}
	return t.text(p.data)
}

// mapiProps reads a property list ([MS-OXTNEF] 2.1.3.4). What was read before a
// fault is returned with it.
func mapiProps(raw []byte) (out []mapiProp, err error) {
	c := cursor{b: raw}
	count := c.u32()
	for i := uint32(0); i < count && i < maxTNEFProps && !c.bad; i++ {
		p := mapiProp{kind: c.u16(), id: c.u16()}
		if p.id >= 0x8000 { // a named property
			c.take(16)
			if c.u32() == 0 {
				c.u32()
			} else {
				c.padded(c.u32())
			}
		}
		multi := p.kind&0x1000 != 0
		p.kind &^= 0x1000
		values := uint32(1)
		variable := p.kind == 0x1E || p.kind == 0x1F || p.kind == 0x102 || p.kind == 0x0D
		if multi || variable {
			values = c.u32()
		}
		for v := uint32(0); v < values && !c.bad; v++ {
			var data []byte
			switch {
			case variable:
				data = c.padded(c.u32())
			case p.kind == 0x05 || p.kind == 0x06 || p.kind == 0x07 || p.kind == 0x14 || p.kind == 0x40:
				data = c.take(8)
			case p.kind == 0x48:
				data = c.take(16)
			case p.kind == 0x01 || p.kind == 0:
			default:
				data = c.take(4)
			}
			if v == 0 {
				p.data = data
			}
			if !variable && len(data) == 0 {
				break
			}
		}
		if !c.bad {
			out = append(out, p)
		}
	}
	if c.bad {
		return out, errTNEF
	}
	return out, nil
}

// A cursor reads little-endian numbers and never beyond the end.
type cursor struct {
	b   []byte
	bad bool
}

func (c *cursor) take(n uint32) []byte {
	if uint64(n) > uint64(len(c.b)) {
		c.bad, c.b = true, nil
		return nil
	}
	out := c.b[:n]
	c.b = c.b[n:]
	return out
}

// padded takes n bytes and skips to the next multiple of four.
func (c *cursor) padded(n uint32) []byte {
	out := c.take(n)
	if pad := (4 - n%4) % 4; !c.bad && int(pad) <= len(c.b) {
		c.b = c.b[pad:]
	}
	return out
}

func (c *cursor) u16() uint16 {
	if b := c.take(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

func (c *cursor) u32() uint32 {
	if b := c.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}
