package markup

import (
	"html"
	"regexp"
	"strings"
	"unicode/utf8"
)

// FromMrkdwn makes Markdown of the text of a Slack message (Slack, "Formatting
// message text"): mentions become @name and #name, <address|words> a link, the
// entities &amp; &lt; &gt; their characters, markers those of Markdown.
//
// names tells what to call a user, channel or user group by its ID; where it is
// nil or answers "", the name that Slack sent along is taken, else the ID.
// Characters that Slack showed as they are and Markdown would not are escaped.
func FromMrkdwn(text string, names func(id string) string) string {
	m := mrkdwn{names: names}
	text = clean(text)
	for text != "" {
		before, code, after, ok := fenced(text)
		if !ok {
			m.prose(text)
			break
		}
		m.prose(before)
		m.fence(code)
		text = strings.TrimPrefix(after, "\n")
	}
	return clean(strings.Trim(strings.Join(m.out, "\n"), "\n"))
}

type mrkdwn struct {
	names  func(id string) string
	out    []string
	quoted bool // everything is quoted from here on (>>>)
}

// fenced finds the first block between ``` and ```.
func fenced(text string) (before, code, after string, ok bool) {
	before, rest, ok := strings.Cut(text, "```")
	if !ok {
		return "", "", "", false
	}
	code, after, ok = strings.Cut(rest, "```")
	return before, code, after, ok && strings.TrimSpace(code) != ""
}

// fence writes a code block, with a fence longer than any in it.
func (m *mrkdwn) fence(code string) {
	code = strings.Trim(m.verbatim(code), "\n")
	fence := "```"
	for strings.Contains(code, fence) {
		fence += "`"
	}
	m.apart(false)
	m.out = append(m.out, fence)
	m.out = append(m.out, strings.Split(code, "\n")...)
	m.out = append(m.out, fence)
}

// The kinds of line that Markdown would let the next line join.
var (
	slackBullet = regexp.MustCompile(`^([ \t]*)[•◦▪‣·]\x{FE0E}?[ \t]+`)
	listItem    = regexp.MustCompile(`^[ \t]*([-+*]|[0-9]{1,9}[.)])[ \t]`)
	heading     = regexp.MustCompile(`^[ \t]*#{1,6}([ \t]|$)`)
)

// prose writes lines outside of code blocks.
func (m *mrkdwn) prose(text string) {
	if text == "" {
		return
	}
	for _, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		quote := false
		if rest, ok := cutQuote(line, 3); ok && !m.quoted {
			m.quoted, line = true, rest
		} else if rest, ok := cutQuote(line, 1); ok && !m.quoted {
			quote, line = true, rest
		}
		item := false
		if bullet := slackBullet.FindStringSubmatch(line); bullet != nil {
			item = true
			line = bullet[1] + "- " + m.line(line[len(bullet[0]):])
		} else {
			item = listItem.MatchString(line)
			line = m.line(line)
		}
		if heading.MatchString(line) {
			line = strings.Replace(line, "#", `\#`, 1)
		}
		if m.quoted || quote {
			m.apart(true)
			m.out = append(m.out, strings.TrimRight("> "+line, " "))
			continue
		}
		if !item && strings.TrimSpace(line) != "" {
			m.apart(false)
		}
		m.out = append(m.out, line)
	}
}

// apart puts a blank line where Markdown would let the next line, which is
// quoted or plain, join the quote or list before it.
func (m *mrkdwn) apart(quote bool) {
	if len(m.out) == 0 {
		return
	}
	last := m.out[len(m.out)-1]
	if strings.HasPrefix(last, ">") && !quote || listItem.MatchString(last) {
		m.out = append(m.out, "")
	}
}

// cutQuote takes n quote signs from the start of a line; Slack escapes them or
// not.
func cutQuote(line string, n int) (string, bool) {
	for range n {
		rest, ok := strings.CutPrefix(line, "&gt;")
		if !ok {
			if rest, ok = strings.CutPrefix(line, ">"); !ok {
				return "", false
			}
		}
		line = rest
	}
	return strings.TrimPrefix(line, " "), true
}

// line writes what stands in a line.
func (m *mrkdwn) line(s string) string {
	var out strings.Builder
	m.spans(&out, s, "")
	return out.String()
}

// spans writes s with its markers turned into Markdown's. Markers in within are
// open around it already. missing remembers that no end follows, so that many
// lonely markers are not searched for again and again.
func (m *mrkdwn) spans(out *strings.Builder, s, within string) {
	missing := map[byte]bool{}
	lastEnd := strings.LastIndexByte(s, '>')
	prev := rune(' ')
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '<' && i < lastEnd:
			if end := strings.IndexByte(s[i:], '>'); end > 1 && s[i+1] != ' ' {
				out.WriteString(m.reference(s[i+1 : i+end]))
				i += end + 1
				prev = '>'
				continue
			}
		case c == '`' && !missing[c]:
			if end := strings.IndexByte(s[i+1:], '`'); end > 0 {
				out.WriteString(codeSpan(m.verbatim(s[i+1 : i+1+end])))
				i += end + 2
				prev = '`'
				continue
			}
			missing[c] = true
		case strings.IndexByte("*_~", c) >= 0 && !missing[c] && strings.IndexByte(within, c) < 0 && !isWord(prev):
			if end := closing(s, i, lastEnd); end > 0 {
				mark := map[byte]string{'*': "**", '_': "_", '~': "~~"}[c]
				out.WriteString(mark)
				m.spans(out, s[i+1:end], within+string(c))
				out.WriteString(mark)
				i = end + 1
				prev = rune(c)
				continue
			} else if end < 0 {
				missing[c] = true
			}
		case c == '&':
			if r, n := entity(s[i:]); n > 0 {
				out.WriteString(literal(r, prev, s[i+n:]))
				i += n
				prev = r
				continue
			}
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		out.WriteString(literal(r, prev, s[i+n:]))
		prev = r
		i += n
	}
}

// closing finds the end of the marked words that begin at i: 0 if the marker
// there begins nothing, -1 if no end follows at all. lastEnd is where the last >
// stands.
func closing(s string, i, lastEnd int) int {
	c := s[i]
	if next := after(s, i+1); next == ' ' || next == '\t' || next == rune(c) {
		return 0
	}
	code := false
	for j := i + 1; j < len(s); j++ {
		switch s[j] {
		case '`':
			code = !code && strings.IndexByte(s[j+1:], '`') >= 0
		case '<': // markers in an address are none
			if !code && j < lastEnd {
				j += strings.IndexByte(s[j:], '>')
			}
		case c:
			if last := s[j-1]; !code && j > i+1 && last != ' ' && last != '\t' && !isWord(after(s, j+1)) {
				return j
			}
		}
	}
	return -1
}

// after is the character at i, a space at the end.
func after(s string, i int) rune {
	if i >= len(s) {
		return ' '
	}
	r, _ := utf8.DecodeRuneInString(s[i:])
	return r
}

// entity reads one of the three entities Slack writes.
func entity(s string) (rune, int) {
	for _, e := range []struct {
		name string
		r    rune
	}{{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}} {
		if strings.HasPrefix(s, e.name) {
			return e.r, len(e.name)
		}
	}
	return 0, 0
}

var entityLike = regexp.MustCompile(`^(#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});`)

// literal writes a character that Slack showed as it is: escaped where Markdown
// would read it otherwise.
func literal(r, prev rune, rest string) string {
	next := after(rest, 0)
	switch {
	case r == '*' && (next != ' ' || prev != ' '),
		r == '_' && (!isWord(prev) || !isWord(next)) && (next != ' ' || prev != ' ') && prev != '_' && next != '_',
		r == '`',
		r == '~' && prev != ' ', // an end; a beginning alone does nothing
		r == '\\' && next < utf8.RuneSelf && next > ' ' && !isWord(next),
		r == '&' && entityLike.MatchString(rest):
		return `\` + string(r)
	}
	return string(r)
}

// codeSpan writes code in a line, with delimiters longer than any in it.
func codeSpan(s string) string {
	ticks := "`"
	for strings.Contains(s, ticks) {
		ticks += "`"
	}
	if len(ticks) > 1 {
		return ticks + " " + s + " " + ticks
	}
	return ticks + s + ticks
}

var slackReference = regexp.MustCompile(`<[^<>\n]*>`)

// verbatim is text inside code: references show what they show, unescaped.
func (m *mrkdwn) verbatim(s string) string {
	s = slackReference.ReplaceAllStringFunc(s, func(ref string) string {
		return html.EscapeString(m.shown(html.UnescapeString(ref[1 : len(ref)-1])))
	})
	return slackUnescape.Replace(s)
}

var slackUnescape = strings.NewReplacer("&amp;", "&", "&lt;", "<", "&gt;", ">", "&#34;", `"`, "&#39;", "'")
