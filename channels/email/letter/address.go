package letter

import (
	"strings"
)

// parseAddresses reads an address list (RFC 5322 3.4) the way people and
// broken programs write it: unquoted commas in names, missing brackets,
// encoded words anywhere, comments, groups (whose members are listed, the
// group's name is dropped). At most max are returned.
func parseAddresses(s string, max int) []Address {
	p := addressParser{max: max}
	for i := 0; i < len(s) && len(p.out) < max; {
		switch c := s[i]; c {
		case '"':
			text, n := "", 1
			if !p.oddQuote {
				text, n = quoted(s[i:])
				p.oddQuote = n == 1
			}
			p.phrase(text, true)
			i += n
		case '(':
			text, n := "", 1
			if !p.oddComment {
				text, n = comment(s[i:])
				p.oddComment = n == 1
			}
			p.comment = text
			i += n
		case '<':
			if p.angled && p.addr != "" { // the comma between two is missing
				p.finish()
			}
			end := len(s)
			if n := strings.IndexAny(s[i+1:], "<>"); n >= 0 {
				end = i + 1 + n
			}
			next := end + 1
			if end == len(s) || s[end] == '<' { // never closed
				if n := strings.IndexByte(s[i:end], ','); n >= 0 {
					end = i + n
				}
				next = end
			}
			p.addr, p.angled = s[i+1:end], true
			i = next
		case ',', ';':
			if c == ',' && !p.angled && p.pending() {
				p.phrase(",", false) // "Smith, Alice <alice@example.org>"
				i++
				continue
			}
			p.finish()
			i++
		case ':':
			if !p.angled && !p.at {
				p.reset() // the name of a group, or "mailto"
			}
			i++
		case ' ', '\t', '\r', '\n':
			p.blank = true
			i++
		case '=':
			if strings.HasPrefix(s[i:], "=?") {
				if word, ok := parseWord(s[i:]); ok {
					p.phrase(s[i:i+word.length], false)
					i += word.length
					continue
				}
			}
			fallthrough
		default:
			n := 1
			for i+n < len(s) && !strings.ContainsRune("\"(<,;: \t\r\n=", rune(s[i+n])) {
				n++
			}
			p.phrase(s[i:i+n], false)
			i += n
		}
	}
	p.finish()
	return p.out
}

type addressParser struct {
	out     []Address
	max     int
	text    strings.Builder // phrase, or an address without brackets
	words   bool            // text holds something beyond commas
	at      bool            // text holds an @
	quoted  bool            // text holds a quoted string
	comment string

	quotedEnd bool   // text ends in a quoted string
	addr      string // between angle brackets
	angled    bool
	blank     bool

	oddQuote, oddComment bool // one was never closed: the rest are letters
}

func (p *addressParser) phrase(s string, quoted bool) {
	if s == "" {
		return
	}
	if p.text.Len() > 0 && (p.blank || quoted && p.words) && s != "," {
		p.text.WriteByte(' ')
	}
	p.blank, p.quotedEnd = quoted, quoted
	if quoted {
		// The local part of an address may be quoted: "a b"@example.org
		p.blank, p.quoted = false, true
	}
	p.text.WriteString(s)
	p.words = p.words || s != ","
	p.at = p.at || strings.IndexByte(s, '@') >= 0
}

// pending tells whether the text so far can only be the beginning of a name.
func (p *addressParser) pending() bool { return p.words && !p.at }

func (p *addressParser) reset() {
	p.text.Reset()
	p.words, p.at, p.quoted, p.comment, p.addr, p.angled, p.blank = false, false, false, "", "", false, false
}

func (p *addressParser) finish() {
	defer p.reset()
	text := p.text.String()
	if !p.quotedEnd {
		text = strings.TrimRight(text, ", ")
	}
	var a Address
	if p.angled {
		a = Address{Name: text, Addr: cleanAddr(p.addr)}
		if a.Addr == "" && strings.Contains(text, "@") {
			a.Addr = cleanAddr(lastWord(text))
		}
	} else if at := strings.IndexByte(text, '@'); at >= 0 {
		a = bare(text)
	} else if text != "" {
		if strings.ContainsAny(text, " =") || !isASCII(text) || p.quoted {
			a.Name = text
		} else {
			a.Addr = cleanAddr(text) // a local name, as in "root"
		}
	}
	if a.Name == "" && p.comment != "" && a.Addr != "" {
		a.Name = p.comment
	}
	a.Name = strings.TrimSpace(shorten(decodeText(a.Name), maxSubject))
	if a.Name == "" && a.Addr == "" || len(p.out) >= p.max {
		return
	}
	p.out = append(p.out, a)
}

// bare reads an address without brackets: the word with the @ is the address,
// text before it a name. Blanks around @ and dots are tolerated (RFC 5322 4.4).
func bare(text string) Address {
	if !strings.Contains(text, " ") {
		return Address{Addr: cleanAddr(text)}
	}
	joined := text
	for _, mark := range []string{"@", "."} {
		parts := strings.Split(joined, mark)
		for i := range parts {
			if i > 0 {
				parts[i] = strings.TrimLeft(parts[i], " ")
			}
			if i < len(parts)-1 && mark == "@" {
				parts[i] = strings.TrimRight(parts[i], " ")
			}
		}
		if mark == "." && !strings.Contains(joined, " .") && len(strings.Fields(joined)) > 1 {
			continue // "Dr. Who who@example.org"
		}
		joined = strings.Join(parts, mark)
	}
	var name []string
	var addr string
	for _, word := range strings.Fields(joined) {
		if addr == "" && strings.Contains(word, "@") {
			addr = word
		} else {
			name = append(name, word)
		}
	}
	return Address{Name: strings.Join(name, " "), Addr: cleanAddr(addr)}
}

func lastWord(s string) string {
	f := strings.Fields(s)
	if len(f) == 0 {
		return ""
	}
	return f[len(f)-1]
}

// cleanAddr drops comments, blanks, routes and stray quotes, and puts the
// domain in lower case.
func cleanAddr(s string) string {
	s = strings.TrimLeft(stripComments(shorten(s, 2*maxID)), "< \t")
	if strings.HasPrefix(s, "@") { // an obsolete route: <@a,@b:user@host>
		if i := strings.LastIndexByte(s, ':'); i >= 0 {
			s = s[i+1:]
		}
	}
	if len(s) > 7 && strings.EqualFold(s[:7], "mailto:") {
		s = s[7:]
	}
	s = strings.Trim(s, "<> \t,;")
	if n := len(s); n >= 2 && (s[0] == '\'' && s[n-1] == '\'' || s[0] == '"' && s[n-1] == '"') {
		s = s[1 : n-1]
	}
	if strings.Contains(s, "=?") || !isASCII(s) {
		s = decodeWords(s)
	}
	quoted := strings.HasPrefix(s, "\"")
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == ' ' && !quoted {
			return -1
		}
		return r
	}, clean(s))
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		s = s[:i+1] + strings.ToLower(s[i+1:])
	}
	return clean(shorten(s, maxID))
}

// quoted reads the quoted string that s begins with; n is its length in s.
func quoted(s string) (text string, n int) {
	var out strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			if i+1 < len(s) {
				i++
				out.WriteByte(s[i])
			}
		case '"':
			if strings.HasPrefix(s[i+1:], "@") && !strings.Contains(out.String(), "@") {
				return `"` + out.String() + `"`, i + 1 // a quoted local part
			}
			return out.String(), i + 1
		default:
			out.WriteByte(s[i])
		}
	}
	// Never closed: a lone quote, as in: 15" screens <a@example.org>
	return "", 1
}

// comment reads the comment, possibly nested, that s begins with.
func comment(s string) (text string, n int) {
	var out strings.Builder
	depth := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '\\':
			if i+1 < len(s) {
				i++
				out.WriteByte(s[i])
			}
		case '(':
			if depth > 0 {
				out.WriteByte(c)
			}
			depth++
		case ')':
			depth--
			if depth == 0 {
				return out.String(), i + 1
			}
			out.WriteByte(c)
		default:
			out.WriteByte(c)
		}
	}
	return "", 1
}
