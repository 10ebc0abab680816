package letter

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"io"
	"strings"
)

// decodeTransfer undoes a Content-Transfer-Encoding (RFC 2045 6). Unlike the
// decoders of the standard library those here step over bad bytes, and keep
// what comes after them; fault hears of it. br is used if lines are needed.
func decodeTransfer(encoding string, r io.Reader, br *bufio.Reader, fault func(string)) io.Reader {
	br.Reset(r)
	switch name := encodingName(encoding); name {
	case "base64":
		return &lineDecoder{br: br, decode: (&base64Lines{fault: fault}).line}
	case "quoted-printable":
		return &lineDecoder{br: br, decode: (&quotedLines{}).line}
	case "x-uuencode", "uuencode", "x-uue", "uue":
		return &lineDecoder{br: br, decode: (&uuLines{}).line}
	case "", "7bit", "8bit", "binary", "plain", "none":
		return r
	default:
		fault("unknown transfer encoding " + name + "; the bytes were taken as they are")
		return r
	}
}

// encodingName brings the value of a Content-Transfer-Encoding to its token.
func encodingName(s string) string {
	switch s = strings.TrimSpace(s); s {
	case "", "7bit", "8bit", "base64", "quoted-printable", "binary":
		return s
	}
	s = strings.ToLower(strings.TrimSpace(stripComments(s)))
	if i := strings.IndexAny(s, ";,"); i >= 0 {
		s = s[:i]
	}
	s = strings.Trim(strings.TrimSpace(s), "\"'")
	switch strings.Map(func(r rune) rune {
		if r == ' ' || r == '-' || r == '_' {
			return -1
		}
		return r
	}, s) {
	case "quotedprintable", "qp":
		return "quoted-printable"
	case "base64", "b64":
		return "base64"
	case "7bit", "7bits":
		return "7bit"
	case "8bit", "8bits", "utf8":
		return "8bit"
	}
	return shorten(clean(s), 40)
}

// A lineDecoder reads lines, or pieces of very long ones, through decode, which
// appends what they hold. A nil line means the end. decode says when to stop.
type lineDecoder struct {
	br     *bufio.Reader
	decode func(to, line []byte) (out []byte, stop bool)
	buf    []byte
	out    []byte // decoded, not yet read
	err    error
}

func (d *lineDecoder) Read(p []byte) (int, error) {
	for len(d.out) == 0 {
		if d.err != nil {
			return 0, d.err
		}
		line, err := d.br.ReadSlice('\n')
		var stop bool
		d.buf = d.buf[:0]
		if len(line) > 0 {
			d.buf, stop = d.decode(d.buf, line)
		}
		if err != nil && err != bufio.ErrBufferFull {
			if !stop {
				d.buf, _ = d.decode(d.buf, nil)
			}
			d.err = err
		} else if stop {
			d.err = io.EOF
		}
		d.out = d.buf
	}
	n := copy(p, d.out)
	d.out = d.out[n:]
	return n, nil
}

var base64Value = func() (t [256]bool) {
	for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/" {
		t[c] = true
	}
	return
}()

// base64Lines decodes base64. Stray bytes are skipped, a missing end is cut at
// the last whole byte, and text below the data, such as the footer of a mailing
// list, ends it.
type base64Lines struct {
	quad   []byte // letters carried over to the next line
	padded bool   // the data said that it ends
	fault  func(string)
}

func (b *base64Lines) line(to, line []byte) ([]byte, bool) {
	if line == nil {
		return b.finish(to), true
	}
	letters, odd, pads := 0, 0, 0
	for _, c := range line {
		switch {
		case base64Value[c]:
			letters++
		case c == '=':
			pads++
		case c > ' ':
			odd++
		}
	}
	if letters+odd == 0 && pads == 0 {
		return to, false
	}
	if odd > 0 && isProse(line, letters, odd) || b.padded && letters%4 != 0 && pads == 0 {
		b.fault("text below base64 data was left out")
		return b.finish(to), true
	}
	if odd > 0 {
		b.fault("base64 data holds bytes that do not belong there")
	}
	chunk := b.quad
	for _, c := range line {
		if base64Value[c] {
			chunk = append(chunk, c)
		} else if c == '=' && len(chunk) > 0 {
			b.quad = chunk
			to = b.finish(to)
			chunk, b.padded = b.quad, true
		}
	}
	whole := len(chunk) / 4 * 4
	to, _ = base64.RawStdEncoding.AppendDecode(to, chunk[:whole])
	b.quad = append(chunk[:0], chunk[whole:]...)
	return to, false
}

// isProse tells footers and other text from lines with a few bad bytes.
func isProse(line []byte, letters, odd int) bool {
	return odd*4 > letters+odd || len(bytes.Fields(line)) > 2
}

// finish decodes what is left of the last group of four.
func (b *base64Lines) finish(to []byte) []byte {
	whole := len(b.quad) / 4 * 4
	to, _ = base64.RawStdEncoding.AppendDecode(to, b.quad[:whole])
	rest := b.quad[whole:]
	if len(rest) == 1 {
		b.fault("base64 data is cut off")
		rest = nil
	}
	to, _ = base64.RawStdEncoding.AppendDecode(to, rest)
	b.quad = b.quad[:0]
	return to
}

// quotedLines decodes quoted-printable. An equals sign without two digits is
// taken as one.
type quotedLines struct {
	carry []byte // beginning of an escape, from the piece before
}

func (q *quotedLines) line(to, line []byte) ([]byte, bool) {
	if line == nil {
		if string(q.carry) != "=" { // a soft break at the very end
			to = append(to, q.carry...)
		}
		return to, true
	}
	if len(q.carry) > 0 {
		line = append(q.carry, line...)
		q.carry = nil
	}
	text := line
	var end []byte
	if n := len(line); line[n-1] == '\n' {
		end = lf
		if text = line[:n-1]; n > 1 && line[n-2] == '\r' {
			text, end = line[:n-2], crlf
		}
		text = bytes.TrimRight(text, " \t\r") // RFC 2045 6.7 rule 3
		if n := len(text); n > 0 && text[n-1] == '=' {
			text, end = text[:n-1], nil // a soft line break
		}
	}
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c != '=' {
			to = append(to, c)
			continue
		}
		if end == nil && i+2 >= len(text) && line[len(line)-1] != '\n' {
			q.carry = bytes.Clone(text[i:])
			break
		}
		if i+2 < len(text) && isHex(text[i+1]) && isHex(text[i+2]) {
			to = append(to, unhex(text[i+1])<<4|unhex(text[i+2]))
			i += 2
			continue
		}
		to = append(to, c)
	}
	return append(to, end...), false
}

// uuLines decodes uuencoded data between its begin and end lines.
type uuLines struct{ begun bool }

func (u *uuLines) line(to, line []byte) ([]byte, bool) {
	line = bytes.TrimRight(line, "\r\n")
	switch {
	case len(line) == 0:
		return to, false
	case !u.begun:
		u.begun = bytes.HasPrefix(line, []byte("begin "))
		return to, false
	case string(line) == "end":
		return to, true
	}
	n := int(line[0]-' ') & 63
	line = line[1:]
	at := func(i int) byte {
		if i < len(line) {
			return (line[i] - ' ') & 63
		}
		return 0
	}
	for i := 0; n > 0; i += 4 {
		a, b, c, d := at(i), at(i+1), at(i+2), at(i+3)
		group := [3]byte{a<<2 | b>>4, b<<4 | c>>2, c<<6 | d}
		to = append(to, group[:min(n, 3)]...)
		n -= 3
	}
	return to, false
}
