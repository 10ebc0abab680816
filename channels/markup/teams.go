package markup

import (
	"fmt"
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

// ToTeams makes the text of a Microsoft Teams activity of Markdown. Send it with
// textFormat "xml".
//
// Of the two formats in which Teams shows formatting, this one is chosen because
// it says exactly what it means: Teams' own Markdown joins lines, knows no
// escape for every character and no table, and reads what a stranger wrote as
// markup. The elements used are those of "Format your bot messages" (Teams
// developer documentation) that every client shows: strong, em, strike, h1 to
// h3, ul, ol, li, pre, code, blockquote, a, img, hr, p and br. Deeper headings
// become h3 and tables preformatted text.
func ToTeams(md string) string {
	md = clean(md)
	if plainly(md) {
		return plainHTML(md)
	}
	return teamsPolicy().Sanitize(convert(teamsEngine(), md))
}

var teamsEngine = sync.OnceValue(func() goldmark.Markdown {
	return engine(util.Prioritized(teamsNodes{}, 300), util.Prioritized(images{remoteOnly: true}, 300))
})

var teamsPolicy = sync.OnceValue(func() *bluemonday.Policy {
	p := bluemonday.NewPolicy()
	p.AllowElements("p", "br", "hr", "h1", "h2", "h3", "strong", "em", "strike", "code", "pre", "blockquote", "ul", "ol", "li")
	p.AllowAttrs("start").Matching(bluemonday.Integer).OnElements("ol")
	p.AllowAttrs("href").OnElements("a")
	p.AllowAttrs("src", "alt").OnElements("img")
	p.AllowURLSchemes("http", "https", "mailto", "tel")
	p.RequireParseableURLs(true)
	return p
})

// teamsNodes writes what Teams wants otherwise than HTML has it.
type teamsNodes struct{}

func (teamsNodes) RegisterFuncs(r renderer.NodeRendererFuncRegisterer) {
	r.Register(extast.KindTable, func(w util.BufWriter, source []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
		if entering {
			t := &writer{style: &plainStyle, source: source}
			w.WriteString("<pre>" + html.EscapeString(strings.Join(t.table(n), "\n")) + "</pre>\n")
		}
		return ast.WalkSkipChildren, nil
	})
	r.Register(ast.KindHeading, func(w util.BufWriter, _ []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
		level := min(n.(*ast.Heading).Level, 3)
		if entering {
			fmt.Fprintf(w, "<h%d>", level)
		} else {
			fmt.Fprintf(w, "</h%d>\n", level)
		}
		return ast.WalkContinue, nil
	})
	r.Register(extast.KindStrikethrough, func(w util.BufWriter, _ []byte, _ ast.Node, entering bool) (ast.WalkStatus, error) {
		if entering {
			w.WriteString("<strike>")
		} else {
			w.WriteString("</strike>")
		}
		return ast.WalkContinue, nil
	})
}
