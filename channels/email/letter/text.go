package letter

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode"
)

// A piece is body text in the order of the mail: plain, HTML, or both as
// alternatives of each other.
type piece struct{ plain, html string }

// hold reads a text part into memory as far as TextBytes allows. If it is
// larger, the whole of it is kept as an attachment as well and the text is cut.
// The bytes hold until the next call.
func (w *reader) hold(p part) (raw []byte, attached bool, err error) {
	w.bench.text.Reset()
	_, err = w.bench.text.ReadFrom(&io.LimitedReader{R: p.body, N: w.textLeft})
	raw = w.bench.text.Bytes()
	if w.src.failed != nil {
		return nil, false, w.src.failed
	}
	if err != nil {
		w.damage("part %d: %v", p.number, err)
	}
	w.textLeft -= int64(len(raw))
	if w.textLeft > 0 {
		return raw, false, nil
	}
	var more [1]byte
	if n, _ := io.ReadFull(p.body, more[:]); n == 1 {
		w.damage("part %d: only the first %d bytes of text are shown; the whole is attached", p.number, len(raw))
		whole := io.MultiReader(bytes.NewReader(raw), bytes.NewReader(more[:]), p.body)
		return raw, true, w.attach(p, "", whole)
	}
	return raw, false, nil
}

// text reads a plain body. One with a file name is an attachment as well.
func (w *reader) text(p part, pieces *[]piece) error {
	raw, attached, err := w.hold(p)
	if err != nil {
		return err
	}
	text, fault := decodeCharset(raw, p.typ.get("charset"))
	if fault != "" {
		w.damage("part %d: %s", p.number, fault)
	}
	text = newlines(text)
	if strings.EqualFold(p.typ.get("format"), "flowed") {
		text = unflow(text, strings.EqualFold(p.typ.get("delsp"), "yes"))
	}
	if p.typ.kind == "text/enriched" || p.typ.kind == "text/richtext" {
		text = tagless(text)
	}
	*pieces = append(*pieces, piece{plain: text})
	if fileName(p) != "" && !attached {
		return w.attach(p, "", bytes.NewReader(raw))
	}
	return nil
}

// html reads an HTML body: the first one is the letter's, others are inline
// attachments.
func (w *reader) html(p part, pieces *[]piece) error {
	raw, attached, err := w.hold(p)
	if err != nil {
		return err
	}
	charset := p.typ.get("charset")
	if charset == "" {
		charset = metaCharset(raw)
	}
	text, fault := decodeCharset(raw, charset)
	if fault != "" {
		w.damage("part %d: %s", p.number, fault)
	}
	if strings.TrimSpace(text) == "" {
		return nil
	}
	*pieces = append(*pieces, piece{html: text})
	if (w.letter.HTML != "" || fileName(p) != "") && !attached {
		p.disp.kind = "inline"
		return w.attach(p, "", bytes.NewReader(raw))
	}
	if w.letter.HTML != "" {
		return nil
	}
	return w.keepHTML(text)
}

// keepHTML gives the HTML body to the Sink.
func (w *reader) keepHTML(text string) error {
	ref, _, err := w.put(w.ctx, "body.html", "text/html; charset=utf-8", strings.NewReader(text))
	if err != nil {
		return fmt.Errorf("keep HTML body: %w", err)
	}
	w.letter.HTML = clean(ref)
	return nil
}

// metaCharset finds the charset that an HTML text names in its first bytes.
func metaCharset(raw []byte) string {
	head := bytes.ToLower(raw[:min(len(raw), 2048)])
	for {
		i := bytes.Index(head, []byte("charset="))
		if i < 0 {
			return ""
		}
		head = head[i+8:]
		name := bytes.TrimLeft(head, "\"' ")
		if end := bytes.IndexAny(name, "\"' />;"); end > 0 {
			return string(name[:min(end, 40)])
		}
	}
}

// joined makes one piece of several that follow each other.
func joined(list []piece) (one piece) {
	for _, pc := range list {
		if strings.TrimSpace(pc.plain) != "" {
			one.plain = joinText(one.plain, pc.plain)
		}
		if pc.html != "" {
			one.html += pc.html
		}
	}
	return one
}

// alternatives makes one piece of the choices of a multipart/alternative: of
// each sort the first that says something.
func alternatives(own []piece) []piece {
	var one piece
	for _, pc := range own {
		if one.plain == "" && strings.TrimSpace(pc.plain) != "" {
			one.plain = pc.plain
		}
		if one.html == "" {
			one.html = pc.html
		}
	}
	if one.plain == "" && one.html == "" {
		return nil
	}
	return []piece{one}
}

// finish chooses the body text of the letter. Plain text is preferred; HTML is
// converted where nothing plain says the same.
func (w *reader) finish(pieces []piece) error {
	var text string
	var plain map[string]bool // words; read once, of however many pieces
	for _, pc := range pieces {
		add := pc.plain
		if strings.TrimSpace(add) == "" && pc.html != "" {
			if plain == nil {
				plain = wordsOf(plainOf(pieces))
			}
			if md := w.markdown(pc.html); !covers(plain, md) {
				add = md
			}
		}
		if strings.TrimSpace(add) != "" {
			text = joinText(text, add)
		}
	}
	if strings.TrimSpace(text) == "" && len(w.rtf) > 0 {
		text = rtfText(w.rtf)
	}
	if most := 2 * w.limits.TextBytes; int64(len(text)) > most { // indentation grows
		text = shorten(text, int(most))
		w.damage("the text was cut at %d bytes", most)
	}
	w.letter.Text = clean(strings.TrimRight(text, " \t\n"))
	w.letter.Auto = w.judge()
	return nil
}

func plainOf(pieces []piece) string {
	var out strings.Builder
	for _, pc := range pieces {
		out.WriteString(pc.plain)
		out.WriteByte('\n')
	}
	return out.String()
}

// joinText puts b below a with a blank line between.
func joinText(a, b string) string {
	if a == "" {
		return b
	}
	return strings.TrimRight(a, "\n") + "\n\n" + strings.TrimLeft(b, "\n")
}

// wordsOf are the words of a text, nil of a blank one.
func wordsOf(s string) map[string]bool {
	if strings.TrimSpace(s) == "" {
		return nil
	}
	have := map[string]bool{}
	for word := range strings.FieldsFuncSeq(s, notWord) {
		have[word] = true
	}
	return have
}

func notWord(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }

// covers tells whether most words of part are among those of the whole: senders
// put the same text twice into a multipart/mixed.
func covers(whole map[string]bool, part string) bool {
	if whole == nil {
		return false
	}
	words, found := 0, 0
	for word := range strings.FieldsFuncSeq(part, notWord) {
		if words++; whole[word] {
			found++
		}
	}
	return found*10 >= words*8
}

// newlines makes LF of all line ends.
func newlines(s string) string {
	if strings.IndexByte(s, '\r') < 0 {
		return s
	}
	s = strings.ReplaceAll(s, "\r\r\n", "\n")
	s = strings.ReplaceAll(s, "\r\n", "\n")
	return strings.ReplaceAll(s, "\r", "\n")
}

// unflow joins the soft lines of a format=flowed text (RFC 3676 4): a line that
// ends in a blank goes on in the next one of the same quote depth. The mark "-- "
// of a signature is never soft.
func unflow(s string, delsp bool) string {
	var out strings.Builder
	out.Grow(len(s))
	depth, open := 0, false // of the paragraph being written
	for s != "" {
		line, rest, more := strings.Cut(s, "\n")
		s = rest
		n := 0
		for n < len(line) && line[n] == '>' {
			n++
		}
		text := strings.TrimPrefix(line[n:], " ") // space stuffing, 4.4
		soft := strings.HasSuffix(text, " ") && text != "-- "
		if open && (n != depth || text == "-- ") {
			out.WriteByte('\n')
			open = false
		}
		if !open && n > 0 {
			out.WriteString(strings.Repeat(">", n))
			out.WriteByte(' ')
		}
		if soft && delsp {
			text = text[:len(text)-1]
		}
		out.WriteString(text)
		depth, open = n, soft
		if !soft && more {
			out.WriteByte('\n')
		}
	}
	return out.String()
}
