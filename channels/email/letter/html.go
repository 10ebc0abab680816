package letter

import (
	"strings"
	"sync"

	"github.com/JohannesKaufmann/html-to-markdown/v2/converter"
	"github.com/JohannesKaufmann/html-to-markdown/v2/plugin/base"
	"github.com/JohannesKaufmann/html-to-markdown/v2/plugin/commonmark"
	"golang.org/x/net/html"

	"switchboard/channels/markup"
)

// markdownOf converts cleaned HTML. Escaping is off: people read the text, no
// program renders it.
var markdownOf = sync.OnceValue(func() *converter.Converter {
	return converter.NewConverter(
		converter.WithPlugins(base.NewBasePlugin(), commonmark.NewCommonmarkPlugin()),
		converter.WithEscapeMode(converter.EscapeModeDisabled),
	)
})

// unescaped undoes the one escaping that the converter's base plugin insists on.
var unescaped = strings.NewReplacer("&lt;", "<", "&gt;", ">")

// markdown makes readable text of an HTML body. What the converter refuses
// (more than 512 open elements), what is very large or what would multiply in the
// parser loses its layout only.
func (w *reader) markdown(s string) string {
	if len(s) <= maxMarkdown && nesting(s) {
		if cleaned := cleanForText(s); !markup.Multiplies(cleaned) {
			if doc, err := html.Parse(strings.NewReader(cleaned)); err == nil {
				layout(doc)
				if md, err := markdownOf().ConvertNode(doc); err == nil {
					return blankLines(newlines(clean(unescaped.Replace(string(md)))))
				}
			}
		}
	}
	w.damage("the HTML body is too large, too deep or too tangled; its text was taken without layout")
	return tagless(s)
}

// nesting tells whether no element lies deeper than a person would write: the
// parser behind the converter is slow on deep trees, and every quote or list
// indents all lines in it.
func nesting(s string) bool {
	z := html.NewTokenizer(strings.NewReader(s))
	depth, indent := 0, 0
	for {
		switch z.Next() {
		case html.ErrorToken:
			return true
		case html.StartTagToken:
			switch name, _ := z.TagName(); string(name) {
			case "br", "hr", "img", "input", "meta", "link", "area", "base", "col", "embed", "param", "source", "track", "wbr":
			case "p", "li", "td", "th", "tr": // often never closed
			case "blockquote", "ul", "ol", "dl":
				indent++
				depth++
			default:
				depth++
			}
			if depth > 300 || indent > 30 {
				return false
			}
		case html.EndTagToken:
			switch name, _ := z.TagName(); string(name) {
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
			return blankLines(newlines(clean(out.String())))
		case html.TextToken:
			if hidden == "" {
				out.Write(z.Text())
			}
		case html.StartTagToken, html.SelfClosingTagToken:
			name, _ := z.TagName()
			switch tag := string(name); tag {
			case "script", "style", "head", "title", "noscript", "template":
				if hidden == "" {
					hidden = tag
				}
			case "br", "p", "div", "tr", "li", "h1", "h2", "h3", "h4", "h5", "h6", "table", "ul", "ol", "blockquote", "hr", "pre":
				out.WriteByte('\n')
			case "td", "th":
				out.WriteByte(' ')
			}
			if hidden == "head" && string(name) == "body" {
				hidden = ""
			}
		case html.EndTagToken:
			if name, _ := z.TagName(); string(name) == hidden {
				hidden = ""
			}
		}
	}
}

// blankLines trims line ends and keeps at most one blank line in a row.
func blankLines(s string) string {
	var out strings.Builder
	blank := 0
	for _, line := range strings.Split(s, "\n") {
		line = strings.TrimRight(line, " \t\u00A0")
		if line == "" {
			blank++
			continue
		}
		if out.Len() > 0 {
			if blank > 0 {
				out.WriteByte('\n')
			}
			out.WriteByte('\n')
		}
		blank = 0
		out.WriteString(line)
	}
	return out.String()
}
