package chat

import (
	"html"
	"strings"

	nethtml "golang.org/x/net/html"

	"switchboard/channels/markup"
)

// layout is a notation of a chat service, as what stands around a text.
type layout struct {
	tags   map[string][2]string
	escape func(string) string
	link   func(text, href string) string
}

// telegramTags are those of "Formatting options", HTML style; all others are
// refused there.
var telegramTags = map[string][2]string{"strong": {"<b>", "</b>"}, "b": {"<b>", "</b>"}, "em": {"<i>", "</i>"}, "i": {"<i>", "</i>"},
	"del": {"<s>", "</s>"}, "code": {"<code>", "</code>"}, "pre": {"<pre>", "</pre>"}, "blockquote": {"<blockquote>", "</blockquote>"}}

// whatsappTags are WhatsApp's and Crisp's: *bold*, _italic_, ~struck~, ```code```.
var whatsappTags = map[string][2]string{"strong": {"*", "*"}, "b": {"*", "*"}, "em": {"_", "_"}, "i": {"_", "_"},
	"del": {"~", "~"}, "code": {"```", "```"}}

func telegramHTML(md string) string {
	return layout{telegramTags, func(s string) string { return telegramEscape.Replace(s) }, func(text, href string) string {
		return `<a href="` + html.EscapeString(href) + `">` + text + `</a>`
	}}.write(md)
}

var telegramEscape = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;")

func whatsappMarks(md string) string {
	return layout{whatsappTags, func(s string) string { return s }, func(text, href string) string {
		if text == href || "mailto:"+text == href || strings.TrimSuffix(href, "/") == strings.TrimSuffix(text, "/") {
			return text
		}
		return text + " (" + href + ")"
	}}.write(md)
}

// write lays Markdown out. Tags of the result are balanced as those of
// [markup.ToHTML] are.
func (l layout) write(md string) string {
	z := nethtml.NewTokenizer(strings.NewReader(markup.ToHTML(md)))
	type link struct {
		href string
		at   int
	}
	var b strings.Builder
	var links []link
	var lists []int // -1: dots; else the last number
	pre := 0
	line := func() {
		if s := b.String(); s != "" && !strings.HasSuffix(s, "\n") {
			b.WriteByte('\n')
		}
	}
	for {
		kind := z.Next()
		if kind == nethtml.ErrorToken {
			break
		}
		t := z.Token()
		marks, known := l.tags[t.Data]
		switch kind {
		case nethtml.TextToken:
			text := t.Data
			if pre == 0 {
				if strings.TrimSpace(text) == "" && strings.Contains(text, "\n") {
					continue // between two tags
				}
				text = strings.ReplaceAll(text, "\n", " ")
				if s := b.String(); strings.TrimSpace(text) == "" && (s == "" || strings.HasSuffix(s, "\n")) {
					continue
				} else if strings.HasSuffix(s, "\n") {
					text = strings.TrimLeft(text, " ")
				}
			}
			b.WriteString(l.escape(text))
		case nethtml.StartTagToken, nethtml.SelfClosingTagToken:
			switch t.Data {
			case "br":
				b.WriteByte('\n')
			case "hr":
				line()
				b.WriteString("---\n")
			case "ul", "ol":
				line()
				n := -1
				if t.Data == "ol" {
					n = 0
				}
				lists = append(lists, n)
			case "li":
				line()
				b.WriteString(strings.Repeat("  ", max(len(lists)-1, 0)))
				if n := len(lists); n > 0 && lists[n-1] >= 0 {
					lists[n-1]++
					b.WriteString(itoa(lists[n-1]) + ". ")
				} else {
					b.WriteString("• ")
				}
			case "p", "tr", "table":
				if !strings.HasSuffix(b.String(), "• ") && !strings.HasSuffix(b.String(), ". ") && !strings.HasSuffix(b.String(), ">") {
					line()
				}
			case "td", "th":
				if s := b.String(); s != "" && !strings.HasSuffix(s, "\n") {
					b.WriteString(" | ")
				}
			case "h1", "h2", "h3", "h4", "h5", "h6":
				line()
				b.WriteString(l.tags["strong"][0])
			case "pre":
				line()
				pre++
				b.WriteString(marks[0])
			case "a":
				links = append(links, link{attr(t, "href"), b.Len()})
			case "img":
				if alt, src := attr(t, "alt"), attr(t, "src"); src != "" {
					b.WriteString(l.link(l.escape(orElse(alt, src)), src))
				}
			default:
				if known && !(t.Data == "code" && pre > 0 && l.tags["pre"][0] != "") {
					b.WriteString(marks[0])
				}
			}
		case nethtml.EndTagToken:
			switch t.Data {
			case "p":
				b.WriteString("\n\n")
			case "ul", "ol":
				lists = lists[:max(len(lists)-1, 0)]
				line()
				if len(lists) == 0 {
					b.WriteByte('\n')
				}
			case "h1", "h2", "h3", "h4", "h5", "h6":
				b.WriteString(l.tags["strong"][1] + "\n\n")
			case "pre":
				pre = max(pre-1, 0)
				b.WriteString(marks[1] + "\n\n")
			case "blockquote":
				s := strings.TrimRight(b.String(), "\n")
				b.Reset()
				b.WriteString(s + marks[1] + "\n\n")
			case "a":
				if n := len(links); n > 0 {
					at := links[n-1]
					links = links[:n-1]
					s := b.String()
					if at.at <= len(s) && at.href != "" {
						b.Reset()
						b.WriteString(s[:at.at] + l.link(s[at.at:], at.href))
					}
				}
			default:
				if known && !(t.Data == "code" && pre > 0 && l.tags["pre"][0] != "") {
					b.WriteString(marks[1])
				}
			}
		}
	}
	return strings.TrimSpace(squash(b.String()))
}

func attr(t nethtml.Token, name string) string {
	for _, a := range t.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// squash leaves one blank line where there are more.
func squash(s string) string {
	for strings.Contains(s, "\n\n\n") {
		s = strings.ReplaceAll(s, "\n\n\n", "\n\n")
	}
	return s
}

func itoa(n int) string { s, _ := words(n); return s }
