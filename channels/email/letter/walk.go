package letter

import (
	"bytes"
	"context"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/emersion/go-message"
	"github.com/emersion/go-message/textproto"
)

// A reader is one call of Read.
type reader struct {
	ctx    context.Context
	src    *source
	limits Limits
	put    Sink
	letter *Letter

	bench    *bench
	parts    int    // visited
	textLeft int64  // bytes of text that may still be held
	report   report // what machines said of themselves
	rtf      []byte // RTF body of a winmail.dat, the last resort
	compared int    // winmail.dat whose text was compared
	hasFrom  bool   // there is a From field, whatever it says
}

// A part is one entity while it is visited.
type part struct {
	header  message.Header
	typ     media
	disp    media
	body    io.Reader // decoded
	number  int
	encoded string // transfer encoding
}

// message reads the mail itself.
func (w *reader) message() error {
	var pieces []piece
	if err := w.entity(0, "text/plain", &pieces); err != nil {
		return err
	}
	return w.finish(pieces)
}

// entity reads one part, its header first, up to its boundary. Its body text
// is appended to pieces.
func (w *reader) entity(depth int, defaultType string, pieces *[]piece) error {
	w.parts++
	block, cut, ended := w.src.header(w.bench.header, w.limits.HeaderBytes, depth == 0)
	w.bench.header = block
	if cut {
		w.damage("a header is larger than %d bytes; the rest of it was left out", w.limits.HeaderBytes)
	}
	h := repair(block, w.bench.clean, depth == 0)
	w.bench.clean = h.clean
	for _, d := range h.damage {
		w.damage("%s", d)
	}
	p := part{number: w.parts, typ: parseMedia(h.mediaType), encoded: h.encoding}
	if p.typ.kind == "" || !strings.Contains(p.typ.kind, "/") {
		if strings.TrimSpace(h.mediaType) != "" {
			w.damage("the content type %q is not valid", shorten(strings.TrimSpace(h.mediaType), 80))
		}
		p.typ.kind = defaultType
		if p.typ.get("boundary") != "" && strings.HasPrefix(strings.ToLower(strings.TrimSpace(h.mediaType)), "multipart") {
			p.typ.kind = "multipart/mixed"
		}
	}
	if !utf8.Valid(h.clean) {
		h.clean = headerUTF8(h.clean, p.typ.get("charset"))
	}
	raw := &body{s: w.src, done: ended}
	if len(h.rest) > 0 { // the body began before its time
		switch {
		case ended && w.src.hit.seen: // and ended there, at the boundary
			raw.rest = bytes.TrimRight(h.rest, "\r\n")
		case ended: // and goes on to the end of the mail
			w.src.unread(h.rest)
			raw.done, ended = false, false
		default:
			w.src.unread(append(bytes.Clone(h.rest), '\n'))
		}
	}
	var in io.Reader = raw
	multi := strings.HasPrefix(p.typ.kind, "multipart/")
	if !multi {
		in = decodeTransfer(h.encoding, in, w.bench.lines, func(fault string) { w.damage("part %d: %s", p.number, fault) })
	}
	w.bench.fields.Reset(bytes.NewReader(h.clean))
	fields, err := textproto.ReadHeader(w.bench.fields)
	if err != nil { // repair left nothing to complain of
		w.damage("part %d: %v", p.number, err)
		fields = textproto.Header{}
	}
	p.header, p.body = message.Header{Header: fields}, in
	if v := p.header.Get("Content-Disposition"); v != "" {
		p.disp = parseMedia(v)
	}
	if depth == 0 {
		w.fill(&p.header)
	}
	if multi {
		if ended && len(raw.rest) == 0 {
			w.damage("part %d: a multipart without parts", p.number)
			return nil
		}
		if !ended {
			return w.multipart(p, depth, pieces)
		}
		p.typ = media{kind: "text/plain"}
	}
	if err := w.leaf(p, pieces); err != nil {
		return err
	}
	return w.drain(raw) // whatever nobody wanted
}

// drain reads a body up to its boundary.
func (w *reader) drain(raw *body) error {
	_, err := io.Copy(io.Discard, raw)
	if w.src.failed != nil {
		return w.src.failed
	}
	return err
}

// multipart reads the parts of a container (RFC 2046 5.1).
func (w *reader) multipart(p part, depth int, pieces *[]piece) error {
	boundary := strings.TrimRight(p.typ.get("boundary"), " \t")
	if boundary == "" {
		if boundary = w.sniff(); boundary == "" {
			w.damage("part %d: a multipart without a boundary was read as plain text", p.number)
			p.typ = media{kind: "text/plain"}
			return w.raw(p, pieces)
		}
		w.damage("part %d: a multipart names no boundary; it was guessed", p.number)
	}
	if depth >= w.limits.Depth {
		w.damage("part %d: parts lie deeper than %d; they were kept as one attachment", p.number, w.limits.Depth)
		raw := &body{s: w.src}
		if err := w.attach(p, "nested-parts.eml", raw); err != nil {
			return err
		}
		return w.drain(raw)
	}
	if ok, err := w.children(p, boundary, depth, pieces); ok || err != nil {
		return err
	}
	return nil
}

// raw reads a body that pretends to be a multipart as a leaf.
func (w *reader) raw(p part, pieces *[]piece) error {
	raw := &body{s: w.src}
	p.body = decodeTransfer(p.encoded, raw, w.bench.lines, func(string) {})
	if err := w.leaf(p, pieces); err != nil {
		return err
	}
	return w.drain(raw)
}

// children reads the parts between the boundaries. ok is false if none was
// found; what stood there instead has then been read as text.
func (w *reader) children(p part, boundary string, depth int, pieces *[]piece) (ok bool, err error) {
	level := w.src.push(boundary)
	w.src.hit = hit{}
	preamble := w.src.skip(nil, w.textLeft)
	var own []piece
	count := 0
	for w.src.hit.seen && w.src.hit.level == level && !w.src.hit.close {
		if w.parts >= w.limits.Parts {
			w.damage("the mail has more than %d parts; the rest was kept as one attachment", w.limits.Parts)
			w.src.pop(0)
			w.src.hit = hit{}
			if err := w.attach(part{number: w.parts + 1, typ: media{kind: "text/plain"}}, "further-parts.txt", &body{s: w.src}); err != nil {
				return true, err
			}
			break
		}
		w.src.hit = hit{}
		defaultType := "text/plain"
		if p.typ.kind == "multipart/digest" {
			defaultType = "message/rfc822" // RFC 2046 5.1.5
		}
		if p.typ.kind == "multipart/alternative" {
			var choice []piece
			err = w.entity(depth+1, defaultType, &choice)
			own = append(own, joined(choice))
		} else {
			err = w.entity(depth+1, defaultType, &own)
		}
		if err != nil {
			return true, err
		}
		count++
	}
	closed := w.src.hit.seen && w.src.hit.level == level
	if level < len(w.src.open) {
		w.src.pop(level)
	}
	if count == 0 {
		return w.childless(p, preamble, closed, depth, pieces)
	}
	if closed {
		w.src.hit = hit{}
		w.src.skip(nil, 0) // the epilogue
	} else {
		w.damage("part %d: the last boundary is missing", p.number)
	}
	if p.typ.kind == "multipart/alternative" {
		own = alternatives(own)
	}
	*pieces = append(*pieces, own...)
	return true, nil
}

// childless deals with a multipart whose boundary never came: a wrong boundary
// is guessed anew, else the body is text.
func (w *reader) childless(p part, preamble []byte, closed bool, depth int, pieces *[]piece) (bool, error) {
	if closed { // an empty multipart
		w.src.hit = hit{}
		preamble = w.src.skip(preamble, w.textLeft)
	}
	if len(bytes.TrimSpace(preamble)) == 0 {
		w.damage("part %d: a multipart without parts", p.number)
		return false, nil
	}
	w.damage("part %d: the boundary of a multipart never comes", p.number)
	outer := w.src
	defer func() { w.src = outer }()
	w.src = newSource(w.ctx, bytes.NewReader(preamble))
	if boundary := w.sniff(); boundary != "" && boundary != p.typ.get("boundary") && depth < w.limits.Depth {
		p.typ.params = []param{{"boundary", boundary}}
		return w.children(p, boundary, depth+1, pieces)
	}
	p.typ = media{kind: "text/plain"}
	return false, w.raw(p, pieces)
}

// sniff guesses the boundary of what comes next: a line of two dashes and more,
// with a field of a part header below it.
func (w *reader) sniff() string {
	head, _ := w.src.br.Peek(4 << 10)
	if len(w.src.ahead) > 0 {
		head = w.src.ahead
	}
	for len(head) > 0 {
		line, rest, _ := bytes.Cut(head, lf)
		line = bytes.TrimRight(line, "\r \t")
		if len(line) > 4 && len(line) < 200 && bytes.HasPrefix(line, []byte("--")) && len(rest) > 8 && bytes.EqualFold(rest[:8], []byte("content-")) {
			return string(line[2:])
		}
		head = rest
	}
	return ""
}

// leaf reads one part that holds no other parts.
func (w *reader) leaf(p part, pieces *[]piece) error {
	kind := p.typ.kind
	name := fileName(p)
	switch {
	case kind == "application/ms-tnef" || kind == "application/vnd.ms-tnef" || strings.EqualFold(name, "winmail.dat"):
		return w.tnef(p, pieces)
	case kind == "message/rfc822" || kind == "message/global" || kind == "message/news":
		return w.enclosed(p)
	case kind == "message/delivery-status" || kind == "message/global-delivery-status" ||
		kind == "message/feedback-report" || kind == "message/disposition-notification" ||
		kind == "text/rfc822-headers" || kind == "message/global-headers":
		return w.reported(p)
	case p.disp.kind == "attachment":
	case kind == "text/plain" && (name == "" || w.bodyless(*pieces)):
		return w.text(p, pieces)
	case kind == "text/html" && (name == "" || w.bodyless(*pieces)):
		return w.html(p, pieces)
	case (kind == "text/enriched" || kind == "text/richtext" || kind == "text/markdown" || kind == "text/x-markdown") && name == "":
		return w.text(p, pieces)
	}
	return w.attach(p, "", p.body)
}

// bodyless tells whether no body text was found yet.
func (w *reader) bodyless(pieces []piece) bool {
	for _, pc := range pieces {
		if strings.TrimSpace(pc.plain) != "" || pc.html != "" {
			return false
		}
	}
	return w.letter.HTML == ""
}
