package markup

import (
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/JohannesKaufmann/html-to-markdown/v2/converter"
	"github.com/JohannesKaufmann/html-to-markdown/v2/plugin/base"
	"github.com/JohannesKaufmann/html-to-markdown/v2/plugin/commonmark"
	"github.com/JohannesKaufmann/html-to-markdown/v2/plugin/strikethrough"
	"github.com/JohannesKaufmann/html-to-markdown/v2/plugin/table"
	"github.com/microcosm-cc/bluemonday"
	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// FromHTML makes Markdown of the HTML of a message, such as Teams sends. It is
// cleaned first: what runs or hides is gone, and links that are not safe keep
// their words only. What is too large, too deep, refused by the converter
// (more than 512 open elements) or would multiply in the parser loses its layout but no word.
func FromHTML(s string) string {
	s = strings.ReplaceAll(clean(s), ampersand, "")
	if len(s) <= MaxBytes && shallow(s) {
		if cleaned := textPolicy().Sanitize(s); !Multiplies(cleaned) {
			if doc, err := html.Parse(strings.NewReader(cleaned)); err == nil {
				prepare(doc)
				if md, err := markdownOf().ConvertNode(doc); err == nil {
					return tidy(signs.Replace(string(md)))
				}
			}
		}
	}
	return tidy(tagless(s))
}

var markdownOf = sync.OnceValue(func() *converter.Converter {
	return converter.NewConverter(converter.WithEscapeMode(converter.EscapeModeDisabled), converter.WithPlugins(
		base.NewBasePlugin(), strikethrough.NewStrikethroughPlugin(), table.NewTablePlugin(),
		commonmark.NewCommonmarkPlugin(commonmark.WithEmDelimiter("_"), commonmark.WithHorizontalRule("---"), commonmark.WithListEndComment(false))))
})

// signs undoes the one escaping that the converter's base plugin insists on and
// our Markdown, which has no HTML, does not need.
var signs = strings.NewReplacer("&lt;", "<", "&gt;", ">", ampersand, "&")

// ampersand stands for one that was text while signs are undone; it is no
// character (Unicode 23.7).
const ampersand = "\uFDD0"

var textPolicy = sync.OnceValue(func() *bluemonday.Policy {
	p := bluemonday.UGCPolicy()
	p.RequireNoFollowOnLinks(false)
	p.AllowElements("emoji", "s", "strike", "del", "u", "center", "font")
	p.AllowAttrs("alt").OnElements("emoji", "img")
	p.AllowAttrs("itemtype").OnElements("img")
	p.AllowURLSchemes("http", "https", "mailto", "tel")
	p.AllowRelativeURLs(false)
	return p
})

// prepare changes what would be lost: an emoji is its character, a picture
// without an address its description, and text that Markdown would read as
// something else is escaped.
func prepare(n *html.Node) {
	if n.Type == html.TextNode {
		n.Data = escapeText(n.Data, n.PrevSibling == nil || n.PrevSibling.DataAtom == atom.Br)
		return
	}
	switch {
	case n.DataAtom == atom.Code, n.DataAtom == atom.Pre:
		verbatim(n)
		return
	case n.DataAtom == atom.A && bare(n):
		n.Data, n.DataAtom, n.Attr = "span", atom.Span, nil
		return
	}
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		prepare(c)
	}
	if n.Type != html.ElementNode {
		return
	}
	switch {
	case n.Data == "emoji", n.DataAtom == atom.Img && (attribute(n, "src") == "" || strings.Contains(attribute(n, "itemtype"), "Emoji")):
		alt := attribute(n, "alt")
		for n.FirstChild != nil {
			n.RemoveChild(n.FirstChild)
		}
		n.Type, n.Data, n.DataAtom, n.Attr = html.TextNode, alt, 0, nil
	case n.DataAtom == atom.A && attribute(n, "href") == "":
		n.Data, n.DataAtom = "span", atom.Span
	}
}

// verbatim keeps what in code looks like an escaped sign from being taken for one.
func verbatim(n *html.Node) {
	for c := range n.Descendants() {
		if c.Type == html.TextNode {
			c.Data = strings.ReplaceAll(c.Data, "&", ampersand)
		}
	}
}

// escapeText escapes what stood as text and Markdown would not leave so.
func escapeText(s string, begins bool) string {
	if strings.ContainsAny(s, "*_`~\\&") {
		var out strings.Builder
		prev := ' '
		for i, r := range s {
			if r == '&' && !entityLike.MatchString(s[i+1:]) {
				out.WriteByte('&')
				prev = r
				continue
			}
			out.WriteString(strings.Replace(literal(r, prev, s[i+utf8.RuneLen(r):]), "&", ampersand, 1))
			prev = r
		}
		s = out.String()
	}
	if begins && heading.MatchString(s) {
		s = strings.Replace(s, "#", `\#`, 1)
	}
	return s
}

// bare tells whether a link's text is its address.
func bare(n *html.Node) bool {
	c := n.FirstChild
	if c == nil || c != n.LastChild || c.Type != html.TextNode {
		return false
	}
	href, text := attribute(n, "href"), strings.TrimSpace(c.Data)
	return !strings.ContainsAny(href, "*~") && (text == href || "mailto:"+text == href || text+"/" == href)
}

func attribute(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return strings.TrimSpace(a.Val)
		}
	}
	return ""
}

// void are elements without an end.
var void = map[string]bool{"br": true, "hr": true, "img": true, "input": true, "meta": true, "link": true, "area": true,
	"base": true, "col": true, "embed": true, "param": true, "source": true, "track": true, "wbr": true}

// shallow tells whether no element lies deeper than a person would write: the
// parser behind the converter is slow on deep trees.
func shallow(s string) bool {
	const most, indents = 300, 2 * MaxDepth
	z := html.NewTokenizer(strings.NewReader(s))
	depth, indent := 0, 0
	for {
		switch z.Next() {
		case html.ErrorToken:
			return true
		case html.StartTagToken:
			name, _ := z.TagName()
			switch tag := string(name); {
			case void[tag], tag == "p", tag == "li", tag == "td", tag == "th", tag == "tr": // often never closed
			case tag == "blockquote", tag == "ul", tag == "ol", tag == "dl":
				indent++
				depth++
			default:
				depth++
			}
			if depth > most || indent > indents {
				return false
			}
		case html.EndTagToken:
			name, _ := z.TagName()
			switch string(name) {
			case "p", "li", "td", "th", "tr":
			case "blockquote", "ul", "ol", "dl":
				indent = max(indent-1, 0)
				depth = max(depth-1, 0)
			default:
				depth = max(depth-1, 0)
			}
		}
	}
}

// tagless is the text of an HTML fragment, a line for every block.
func tagless(s string) string {
	z := html.NewTokenizer(strings.NewReader(s))
	var out strings.Builder
	hidden := ""
	for {
		switch z.Next() {
		case html.ErrorToken:
			return clean(out.String())
		case html.TextToken:
			if hidden == "" {
				out.Write(z.Text())
			}
		case html.StartTagToken, html.SelfClosingTagToken:
			name, _ := z.TagName()
			switch tag := string(name); tag {
			case "script", "style", "title", "noscript", "template":
				if hidden == "" {
					hidden = tag
				}
			case "br", "p", "div", "tr", "li", "h1", "h2", "h3", "h4", "h5", "h6", "table", "ul", "ol", "blockquote", "hr", "pre":
				out.WriteByte('\n')
			case "td", "th":
				out.WriteByte(' ')
			}
		case html.EndTagToken:
			if name, _ := z.TagName(); string(name) == hidden {
				hidden = ""
			}
		}
	}
}

// tidy trims line ends and keeps at most one blank line in a row, outside of
// code blocks.
func tidy(s string) string {
	var out []string
	fence := ""
	for line := range strings.SplitSeq(clean(s), "\n") {
		if mark := strings.TrimLeft(line, " "); fence == "" && strings.HasPrefix(mark, "```") {
			fence = mark[:len(mark)-len(strings.TrimLeft(mark, "`"))]
		} else if fence != "" && strings.TrimSpace(line) == fence {
			fence = ""
		}
		if fence == "" {
			line = strings.TrimRight(line, " \t\u00A0")
			if line == "" && (len(out) == 0 || out[len(out)-1] == "") {
				continue
			}
		}
		out = append(out, line)
	}
	return strings.Trim(strings.Join(out, "\n"), "\n")
}
