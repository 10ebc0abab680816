package markup

import (
	"strings"
	"unicode/utf8"
)

// reference writes what stood between < and > in a Slack message: a mention, a
// channel, a command word or an address.
func (m *mrkdwn) reference(ref string) string {
	body, words, labelled := strings.Cut(ref, "|")
	body, words = slackUnescape.Replace(body), slackUnescape.Replace(words)
	if body == "" || strings.HasPrefix(body, "@") || strings.HasPrefix(body, "#") || strings.HasPrefix(body, "!") {
		return escapeWords(m.shown(slackUnescape.Replace(ref)))
	}
	if !safeURL(body) {
		if !labelled || words == "" {
			words = body
		}
		return escapeWords(words)
	}
	bare := strings.TrimPrefix(strings.TrimPrefix(body, "mailto:"), "tel:")
	if !labelled || words == "" || words == body || words == bare || "http://"+words == body {
		if strings.HasPrefix(body, "http") && (strings.ContainsAny(body, "()*~<> ") || strings.HasSuffix(body, "_")) {
			return "<" + angle.Replace(body) + ">"
		}
		return bare
	}
	return "[" + escapeWords(oneLine(words)) + "](<" + angle.Replace(body) + ">)"
}

// angle makes an address fit between < and > in Markdown.
var angle = strings.NewReplacer("<", "%3C", ">", "%3E", " ", "%20", "\\", "%5C")

// shown is the text a reader of Slack sees for a reference.
func (m *mrkdwn) shown(ref string) string {
	body, words, _ := strings.Cut(ref, "|")
	call := func(sign, id string) string {
		name := ""
		if m.names != nil {
			name = oneLine(clean(m.names(id)))
		}
		if name == "" {
			name = oneLine(words)
		}
		if name == "" {
			name = id
		}
		return sign + strings.TrimPrefix(name, sign)
	}
	switch {
	case strings.HasPrefix(body, "@"):
		return call("@", body[1:])
	case strings.HasPrefix(body, "#"):
		return call("#", body[1:])
	case strings.HasPrefix(body, "!subteam^"):
		return call("@", strings.TrimPrefix(body, "!subteam^"))
	case strings.HasPrefix(body, "!date^"):
		return oneLine(words)
	case strings.HasPrefix(body, "!"):
		if words != "" {
			return "@" + strings.TrimPrefix(oneLine(words), "@")
		}
		return "@" + body[1:]
	case words != "":
		return words
	}
	return body
}

// escapeWords makes words of a stranger, such as a display name, stand as they
// are in a line of Markdown.
func escapeWords(s string) string {
	s = oneLine(s)
	var out strings.Builder
	prev := ' '
	for i, r := range s {
		switch r {
		case '[', ']':
			out.WriteString(`\` + string(r))
		default:
			out.WriteString(literal(r, prev, s[i+utf8.RuneLen(r):]))
		}
		prev = r
	}
	return out.String()
}
