package letter

import (
	"bytes"
	"slices"
	"strings"
)

// A head is a header block made fit for go-message, which refuses a whole mail
// for one line without a colon. Content-Type and Content-Transfer-Encoding are
// taken out of it: they are claims that this package checks itself.
type head struct {
	clean     []byte   // fields and the blank line
	rest      []byte   // lines of the block that belong to the body
	mediaType string   // raw value of Content-Type, unfolded, "" if none
	encoding  string   // raw value of Content-Transfer-Encoding
	damage    []string // what was changed
}

// repair turns a header block, as found, into a head. block is left alone and
// not kept, rest excepted; buf is written over. top says that it is the header
// of the mail itself.
//
// A line that is neither a field nor a continuation is folded into the field
// above it if known fields follow, else the body begins with it.
func repair(block, buf []byte, top bool) head {
	h := head{clean: buf[:0]}
	last := lastKnownField(block)
	kept := false // a field was written that a continuation may follow
	var value *string
	for at := 0; at < len(block); {
		line := block[at:]
		if i := bytes.IndexByte(line, '\n'); i >= 0 {
			line = line[:i+1]
		}
		start := at
		at += len(line)
		text := bytes.TrimRight(line, "\r\n")
		if start == 0 && (bytes.HasPrefix(text, []byte("From ")) || bytes.HasPrefix(text, []byte(">From "))) && !isField(text) {
			h.damage = append(h.damage, "the mail begins with the From line of an mbox file")
			continue
		}
		folded := len(text) > 0 && (text[0] == ' ' || text[0] == '\t')
		if folded && !kept {
			if trimmed := bytes.TrimLeft(text, " \t"); isField(trimmed) {
				text, folded = trimmed, false
				h.damage = append(h.damage, "the header begins with an indented line")
			} else if start < last {
				h.damage = append(h.damage, "the header begins with a continuation line; it was dropped")
				continue
			}
		}
		if folded && kept && len(bytes.TrimSpace(text)) == 0 && start > last && !continues(block[at:]) {
			h.damage = append(h.damage, "the line between header and body is not empty")
			h.rest = block[at:]
			break
		}
		if !folded {
			text = withColon(text)
		}
		switch {
		case folded && kept:
			h.add(value, text)
		case !folded && isField(text):
			value = h.field(text)
			kept = true
		case start < last && !kept:
			h.damage = append(h.damage, "a header line without a field name was dropped")
		case start < last:
			h.damage = append(h.damage, "a header line without a colon was joined to the line above it")
			h.add(value, append([]byte{' '}, text...))
		default:
			if top && !kept {
				h.damage = append(h.damage, "the mail has no header")
			} else {
				h.damage = append(h.damage, "no blank line between header and body")
			}
			h.rest = block[start:]
			at = len(block)
		}
	}
	h.clean = append(h.clean, '\r', '\n')
	return h
}

// field writes a field, or takes it aside and returns where its value is kept.
func (h *head) field(text []byte) (aside *string) {
	name, value, _ := bytes.Cut(text, []byte{':'})
	name = bytes.TrimSpace(name)
	switch {
	case bytes.EqualFold(name, []byte("Content-Type")):
		aside = &h.mediaType
	case bytes.EqualFold(name, []byte("Content-Transfer-Encoding")):
		aside = &h.encoding
	default:
		h.clean = append(append(append(h.clean, name...), ':'), value...)
		h.clean = append(h.clean, '\r', '\n')
		return nil
	}
	if strings.TrimSpace(*aside) != "" { // the first one counts
		var unused string
		return &unused
	}
	*aside = string(value)
	return aside
}

// add appends a continuation line, which begins with a blank.
func (h *head) add(aside *string, text []byte) {
	if aside != nil {
		*aside += string(text)
		return
	}
	h.clean = append(append(h.clean, text...), '\r', '\n')
}

// isField tells whether a line begins with a field name and a colon; blanks
// before the colon are tolerated (RFC 5322 4.5.3).
func isField(line []byte) bool {
	i := bytes.IndexByte(line, ':')
	if i <= 0 {
		return false
	}
	name := bytes.TrimRight(line[:i], " \t")
	for _, c := range name {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return len(name) > 0
}

// withColon puts the colon into "Content-Type text/plain".
func withColon(line []byte) []byte {
	i := bytes.IndexByte(line, ' ')
	if i <= 0 || bytes.IndexByte(line[:i], '-') < 0 || bytes.IndexByte(line[:i], ':') >= 0 {
		return line
	}
	fixed := slices.Concat(line[:i], []byte{':'}, line[i:])
	if !isField(fixed) || !isKnown(fixed) {
		return line
	}
	return fixed
}

// continues tells whether a block goes on with a field or a folded line.
func continues(block []byte) bool {
	if i := bytes.IndexByte(block, '\n'); i >= 0 {
		block = block[:i]
	}
	return isField(block)
}

// lastKnownField returns the offset of the last line that is certainly a field.
func lastKnownField(block []byte) int {
	end := len(block)
	for end > 0 {
		start := bytes.LastIndexByte(block[:end-1], '\n') + 1
		if line := block[start:end]; isField(line) && isKnown(line) {
			return start
		}
		end = start
	}
	return -1
}

func isKnown(line []byte) bool {
	name := bytes.ToLower(bytes.TrimSpace(line[:bytes.IndexByte(line, ':')]))
	if bytes.HasPrefix(name, []byte("x-")) || bytes.HasPrefix(name, []byte("content-")) ||
		bytes.HasPrefix(name, []byte("resent-")) || bytes.HasPrefix(name, []byte("list-")) || bytes.HasPrefix(name, []byte("arc-")) {
		return true
	}
	switch string(name) {
	case "from", "to", "cc", "bcc", "subject", "date", "message-id", "in-reply-to", "references", "received",
		"return-path", "reply-to", "sender", "mime-version", "dkim-signature", "delivered-to", "authentication-results",
		"received-spf", "precedence", "importance", "priority", "user-agent", "organization", "errors-to",
		"auto-submitted", "thread-topic", "thread-index", "accept-language", "envelope-to", "delivery-date", "status":
		return true
	}
	return false
}
