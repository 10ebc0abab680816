package markup

import (
	"bytes"
	"html"
	"strings"
	"sync"

	"github.com/microcosm-cc/bluemonday"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	extast "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/util"
)

// ToHTML makes HTML of Markdown, for mails and pages: a fragment without <html>
// or <body>. Images may be http, https or cid (RFC 2392); links http, https,
// mailto or tel.
func ToHTML(md string) string {
	md = clean(md)
	if plainly(md) {
		return plainHTML(md)
	}
	return htmlPolicy().Sanitize(convert(standard(), md))
}

func convert(m goldmark.Markdown, md string) string {
	var out bytes.Buffer
	if err := m.Convert([]byte(md), &out); err != nil { // a buffer takes everything
		return plainHTML(md)
	}
	return out.String()
}

// plainHTML shows a text as it is.
func plainHTML(s string) string {
	if strings.TrimSpace(s) == "" {
		return ""
	}
	s = html.EscapeString(strings.TrimRight(s, "\n"))
	return "<p>" + strings.ReplaceAll(s, "\n", "<br>\n") + "</p>\n"
}

var htmlPolicy = sync.OnceValue(func() *bluemonday.Policy {
	p := bluemonday.NewPolicy()
	p.AllowElements("p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "strong", "em", "del", "code", "pre",
		"blockquote", "ul", "ol", "li", "table", "thead", "tbody", "tr", "th", "td")
	p.AllowAttrs("start").Matching(bluemonday.Integer).OnElements("ol")
	p.AllowAttrs("align").Matching(bluemonday.CellAlign).OnElements("th", "td")
	p.AllowAttrs("href").OnElements("a")
	p.AllowAttrs("title").OnElements("a", "img")
	p.AllowAttrs("src", "alt").OnElements("img")
	p.AllowURLSchemes("http", "https", "mailto", "tel", "cid")
	p.RequireParseableURLs(true)
	return p
})

// checkBoxes writes the boxes of a task list as characters, which every reader
// shows, where an input element would be cleaned away.
type checkBoxes struct{}

func (checkBoxes) RegisterFuncs(r renderer.NodeRendererFuncRegisterer) {
	r.Register(extast.KindTaskCheckBox, func(w util.BufWriter, _ []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
		if entering {
			w.WriteString(checkBox(n) + " ")
		}
		return ast.WalkContinue, nil
	})
}

func checkBox(n ast.Node) string {
	if box, ok := n.(*extast.TaskCheckBox); ok && box.IsChecked {
		return "\u2611"
	}
	return "\u2610"
}

// images writes the words of an image that cannot be shown.
type images struct {
	remoteOnly bool // no cid:, which means a part of a mail
}

func (i images) RegisterFuncs(r renderer.NodeRendererFuncRegisterer) {
	r.Register(ast.KindImage, func(out util.BufWriter, source []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		url := target(n.(*ast.Image).Destination)
		words := html.EscapeString(oneLine((&writer{source: source}).words(n)))
		scheme, _, _ := strings.Cut(strings.ToLower(url), ":")
		if scheme == "http" || scheme == "https" || scheme == "cid" && !i.remoteOnly {
			words = `<img src="` + html.EscapeString(url) + `" alt="` + words + `">`
		}
		out.WriteString(words)
		return ast.WalkSkipChildren, nil
	})
}
