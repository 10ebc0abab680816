package letter

import "strings"

// scanIDs finds message IDs (RFC 5322 3.6.4) in the value of a header field,
// in order and without angle brackets. Text around them is passed over;
// without any bracket every word with an @ counts. Of more than max the first
// and the last ones are kept.
func scanIDs(s string, max int) []string {
	var ids []string
	add := func(id string) {
		if id = cleanID(id); id != "" {
			ids = append(ids, id)
		}
	}
	rest := s
	bracketed := false
	for {
		i := strings.IndexByte(rest, '<')
		if i < 0 {
			break
		}
		bracketed = true
		rest = rest[i+1:]
		end := strings.IndexAny(rest, "<>")
		switch {
		case end < 0: // never closed
			if f := strings.Fields(rest); len(f) > 0 {
				add(f[0])
			}
			rest = ""
		case rest[end] == '<':
			if f := strings.Fields(rest[:end]); len(f) > 0 {
				add(f[0])
			}
			rest = rest[end:]
		default:
			add(rest[:end])
			rest = rest[end+1:]
		}
	}
	if !bracketed {
		for _, word := range strings.FieldsFunc(s, func(r rune) bool { return r <= ' ' || r == ',' || r == ';' || r == '"' }) {
			if at := strings.IndexByte(word, '@'); at > 0 && at < len(word)-1 {
				add(word)
			}
		}
	}
	if len(ids) > max {
		ids = append(ids[:1:1], ids[len(ids)-max+1:]...)
	}
	return ids
}

// oneID reads a Message-ID: the first ID, else the raw value.
func oneID(s string) string {
	if ids := scanIDs(s, maxIDs); len(ids) > 0 {
		return ids[0]
	}
	return cleanID(strings.Trim(strings.TrimSpace(s), "<>"))
}

func cleanID(id string) string {
	id = strings.Map(func(r rune) rune {
		if r <= ' ' || r == 0x7f {
			return -1
		}
		return r
	}, clean(id))
	return shorten(id, maxID)
}
