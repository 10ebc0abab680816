package letter

import (
	"sort"
	"strconv"
	"strings"
)

// A media is a Content-Type or Content-Disposition value, read leniently:
// comments, missing semicolons and quotes, names with blanks, RFC 2231 pieces,
// encoded words inside of quotes.
type media struct {
	kind   string // lower case, "text/plain" or "attachment"; "" if not a valid value
	params []param
}

type param struct{ name, value string }

func (m media) get(name string) string {
	for _, p := range m.params {
		if p.name == name {
			return p.value
		}
	}
	return ""
}

// parseMedia reads a value. A type without a subtype keeps no slash.
func parseMedia(s string) media {
	kind, rest, _ := strings.Cut(s, ";")
	if strings.IndexByte(kind, '(') >= 0 {
		kind, rest = cutOutsideComment(s)
	}
	kind = strings.ToLower(strings.Join(strings.Fields(kind), ""))
	major, minor, _ := strings.Cut(kind, "/")
	if major == "" || strings.ContainsAny(kind, "=\"<>@,") || !isASCII(kind) || len(kind) > 127 {
		kind = ""
	} else if minor == "" {
		kind = major
	}
	return media{kind: clean(kind), params: parseParams(rest)}
}

// cutOutsideComment cuts at the first semicolon outside of comments and drops
// the comments before it.
func cutOutsideComment(s string) (before, after string) {
	var out strings.Builder
	depth := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && depth > 0:
			i++
		case c == '(':
			depth++
		case c == ')' && depth > 0:
			depth--
		case depth > 0:
		case c == ';':
			return out.String(), s[i+1:]
		default:
			out.WriteByte(c)
		}
	}
	return out.String(), ""
}

// parseParams reads "name=value" pairs parted by semicolons.
func parseParams(s string) []param {
	var raw []param
	split := false
	for s != "" && len(raw) < 100 {
		s = strings.TrimLeft(s, "; \t\r\n")
		eq := strings.IndexAny(s, "=;")
		if eq < 0 {
			break
		}
		name := strings.ToLower(strings.TrimSpace(s[:eq]))
		if s[eq] == ';' {
			s = s[eq:]
			continue
		}
		if i := strings.LastIndexAny(name, " \t)"); i >= 0 { // a comment or a lost semicolon before the name
			name = name[i+1:]
		}
		var value string
		value, s = paramValue(s[eq+1:], name == "name" || name == "filename")
		if name == "" {
			continue
		}
		if strings.IndexByte(name, '*') >= 0 {
			split = true
		}
		raw = append(raw, param{name, value})
	}
	if split {
		raw = joinParams(raw)
	}
	for i := range raw {
		raw[i].name = clean(raw[i].name)
		raw[i].value = cleanParam(raw[i].value)
	}
	return raw
}

// cleanParam decodes encoded words, which RFC 2047 5 forbids here and everybody
// writes.
func cleanParam(s string) string {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '=' && i+1 < len(s) && s[i+1] == '?' {
			return strings.Map(func(r rune) rune {
				if r < ' ' || r == 0x7f {
					return -1
				}
				return r
			}, clean(decodeWords(s)))
		}
	}
	return s
}

// paramValue reads one value, quoted or not, and returns what follows it.
func paramValue(s string, isName bool) (value, rest string) {
	s = strings.TrimLeft(s, " \t\r\n")
	if s != "" && s[0] == '"' {
		var out strings.Builder
		for i := 1; i < len(s); i++ {
			switch c := s[i]; {
			case c == '\\' && i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\\'):
				// A backslash before anything else is a Windows path.
				i++
				out.WriteByte(s[i])
			case c == '"':
				rest = s[i+1:]
				if j := strings.IndexByte(rest, ';'); j >= 0 {
					return out.String(), rest[j:]
				}
				if strings.IndexByte(rest, '=') > 0 { // a lost semicolon
					return out.String(), rest
				}
				return out.String(), ""
			default:
				out.WriteByte(c)
			}
		}
		return strings.TrimRight(out.String(), " \t"), "" // the quote is never closed
	}
	end := 0
	for end < len(s) && s[end] != ';' {
		if s[end] == '=' && strings.HasPrefix(s[end:], "=?") {
			if word, ok := parseWord(s[end:]); ok {
				end += word.length
				continue
			}
		}
		end++
	}
	value, rest = s[:end], s[end:]
	if !isName {
		if i := strings.IndexByte(value, '('); i >= 0 {
			value = value[:i]
		}
		if i := strings.IndexAny(strings.TrimSpace(value), " \t"); i >= 0 {
			value = strings.TrimSpace(value)
			if strings.IndexByte(value[i:], '=') > 0 { // a lost semicolon
				return value[:i], ";" + value[i:] + rest
			}
		}
	}
	return strings.Trim(strings.TrimSpace(value), "\""), rest
}

// joinParams puts RFC 2231 pieces together and decodes them: title*0*=,
// title*1=, title*=charset'language'text.
func joinParams(raw []param) []param {
	type piece struct {
		index   int
		encoded bool
		text    string
	}
	pieces := map[string][]piece{}
	var order []string
	for _, p := range raw {
		base, suffix, ok := strings.Cut(p.name, "*")
		if !ok {
			continue
		}
		pc := piece{text: p.value}
		if s, ok := strings.CutSuffix(suffix, "*"); ok || suffix == "" {
			pc.encoded, suffix = true, s
		}
		if suffix != "" {
			n, err := strconv.Atoi(suffix)
			if err != nil || n < 0 {
				continue
			}
			pc.index = n
		}
		if pieces[base] == nil {
			order = append(order, base)
		}
		pieces[base] = append(pieces[base], pc)
	}
	var out []param
	for _, base := range order {
		list := pieces[base]
		sort.SliceStable(list, func(i, j int) bool { return list[i].index < list[j].index })
		var bytes []byte
		var charset string
		for i, pc := range list {
			text := pc.text
			if pc.encoded {
				if i == 0 {
					if parts := strings.SplitN(text, "'", 3); len(parts) == 3 {
						charset, text = parts[0], parts[2]
					}
				}
				bytes = percent(bytes, text)
			} else {
				bytes = append(bytes, text...)
			}
		}
		value := string(bytes)
		if charset != "" || !isASCII(value) {
			value = toUTF8(bytes, charset)
		}
		out = append(out, param{base, value})
	}
	for _, p := range raw {
		if strings.IndexByte(p.name, '*') < 0 && pieces[p.name] == nil {
			out = append(out, p)
		}
	}
	return out
}

// percent appends s with its %XX decoded.
func percent(to []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]) {
			to = append(to, unhex(s[i+1])<<4|unhex(s[i+2]))
			i += 2
			continue
		}
		to = append(to, s[i])
	}
	return to
}
