// Package markup turns the words of a message from one notation into another.
// Markdown is the inner notation: what a channel takes in becomes Markdown, what
// it sends out is made of it.
//
// What goes in and out: strings. [ToHTML], [ToPlain], [ToMrkdwn] and [ToTeams]
// read Markdown; [FromMrkdwn] and [FromHTML] make it. [Shorten] cuts to a size.
//
// What it promises: every function is pure, total and safe for concurrent use.
// Whatever goes in, the result is valid UTF-8 without NUL, and HTML that comes
// out holds no script, no event handler and no link but to http, https, mailto
// and tel. Nothing a person wrote is dropped for being unknown: raw HTML in
// Markdown is shown as the text it is, a link that is not safe keeps its words.
// What is too large or too deep to be laid out within reason ([MaxBytes],
// [MaxDepth]) is carried as plain text.
//
// What it may not know: anything of ours; channels use it, it uses nobody.
//
// Standards: CommonMark 0.31 with tables, strikethrough, task lists and
// autolinks of GitHub Flavored Markdown. People write messages, not documents,
// so five things differ: a line break is a line break; HTML is text; a line of
// dashes under a text is no heading (signatures begin like that); "[1]: address"
// is no definition, which would make the line vanish; a table has a |.
//
// To add a notation: one file with its way out (a [style] of the text writer, or
// a sanitiser policy over the HTML) and its way in, and rows in the table tests.
package markup

import (
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/renderer/html"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

const (
	// MaxBytes bounds the text that is laid out; a longer one goes through as
	// plain text, whole.
	MaxBytes = 1 << 20
	// MaxDepth bounds quotes and lists inside each other, in the same way.
	MaxDepth = 20 // a paragraph with thousands of markers goes through plainly too: see maxWork
)

// clean makes text of ours: valid UTF-8 without NUL and with line feeds only.
func clean(s string) string {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	if strings.IndexByte(s, 0) >= 0 {
		s = strings.ReplaceAll(s, "\x00", "")
	}
	if strings.IndexByte(s, '\r') >= 0 {
		s = strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
	}
	return s
}

// plainly reports whether a text is to be carried without layout.
func plainly(md string) bool {
	if len(md) > MaxBytes {
		return true
	}
	marks, work := 0, 0
	for line := range strings.Lines(md) {
		if nested(line) > MaxDepth {
			return true
		}
		if strings.TrimSpace(line) == "" {
			marks = 0
			continue
		}
		before := marks
		for i := range len(line) {
			if c := line[i]; c == '[' || (c == '*' || c == '_' || c == '~') && (i == 0 || line[i-1] != c) {
				marks++
			}
		}
		if work += marks*marks - before*before; work > maxWork {
			return true
		}
	}
	return false
}

// maxWork bounds the sum, over the paragraphs, of the square of their markers
// and brackets: the parser looks from each back to all others.
const maxWork = 8000 * 8000

// nested counts the quotes and lists that a line opens or stands in.
func nested(line string) int {
	if isRule(line) {
		return 0
	}
	depth, indent := 0, 0
	for i := 0; i < len(line); {
		switch c := line[i]; {
		case c == ' ':
			indent++
			i++
			continue
		case c == '\t':
			indent += 4
			i++
			continue
		case c == '>':
			i++
		case strings.IndexByte("-+*", c) >= 0 && blankAt(line, i+1):
			i++
		case c >= '0' && c <= '9':
			digits := len(line[i:]) - len(strings.TrimLeft(line[i:], "0123456789"))
			if i += digits; i >= len(line) || line[i] != '.' && line[i] != ')' || !blankAt(line, i+1) {
				return depth + indent/8
			}
			i++
		default:
			return depth + indent/8
		}
		depth++
	}
	return depth + indent/8
}

func blankAt(line string, i int) bool {
	return i >= len(line) || strings.IndexByte(" \t\n", line[i]) >= 0
}

// isRule reports whether a line is a thematic break, as long as it may be.
func isRule(line string) bool {
	line = strings.TrimSpace(line)
	return line != "" && strings.Contains("-_*", line[:1]) && strings.Trim(line, line[:1]+" \t") == ""
}

// engine is the parser and the HTML renderer over it.
func engine(extra ...util.PrioritizedValue) goldmark.Markdown {
	blocks := parser.WithBlockParsers( // no setext headings, no HTML
		util.Prioritized(parser.NewThematicBreakParser(), 200),
		util.Prioritized(parser.NewListParser(), 300),
		util.Prioritized(parser.NewListItemParser(), 400),
		util.Prioritized(parser.NewCodeBlockParser(), 500),
		util.Prioritized(parser.NewATXHeadingParser(), 600),
		util.Prioritized(parser.NewFencedCodeBlockParser(), 700),
		util.Prioritized(parser.NewBlockquoteParser(), 800),
		util.Prioritized(parser.NewParagraphParser(), 1000))
	inlines := parser.WithInlineParsers( // no raw HTML
		util.Prioritized(parser.NewCodeSpanParser(), 100),
		util.Prioritized(parser.NewLinkParser(), 200),
		util.Prioritized(parser.NewAutoLinkParser(), 300),
		util.Prioritized(parser.NewEmphasisParser(), 500))
	return goldmark.New(
		goldmark.WithParser(parser.NewParser(blocks, inlines)),
		goldmark.WithParserOptions(
			parser.WithParagraphTransformers(util.Prioritized(pipedTables{extension.NewTableParagraphTransformer()}, 200)),
			parser.WithASTTransformers(util.Prioritized(extension.NewTableASTTransformer(), 0))),
		goldmark.WithExtensions(
			extension.Strikethrough, extension.TaskList,
			extension.NewLinkify(extension.WithLinkifyAllowedProtocols([][]byte{[]byte("http:"), []byte("https:"), []byte("mailto:")}))),
		goldmark.WithRendererOptions(html.WithHardWraps(),
			renderer.WithNodeRenderers(append(extra, util.Prioritized(checkBoxes{}, 400), util.Prioritized(images{}, 400), util.Prioritized(
				extension.NewTableHTMLRenderer(extension.WithTableCellAlignMethod(extension.TableCellAlignAttribute)), 500))...)))
}

// pipedTables are tables with a | in them: two dashes below a name are a
// signature.
type pipedTables struct{ parser.ParagraphTransformer }

func (t pipedTables) Transform(n *ast.Paragraph, r text.Reader, pc parser.Context) {
	if n.Lines().Len() > 1 && strings.Contains(string(n.Lines().Value(r.Source())), "|") {
		t.ParagraphTransformer.Transform(n, r, pc)
	}
}

var standard = sync.OnceValue(func() goldmark.Markdown { return engine() })

// parse reads Markdown that is not to be carried plainly.
func parse(md string) (ast.Node, []byte) {
	source := []byte(md)
	return standard().Parser().Parse(text.NewReader(source)), source
}

// safeURL reports whether a link may lead there.
func safeURL(url string) bool {
	scheme, rest, ok := strings.Cut(url, ":")
	if !ok || rest == "" || strings.ContainsAny(url, "\x00\n\r\t") {
		return false
	}
	switch strings.ToLower(scheme) {
	case "http", "https", "mailto", "tel":
		return true
	}
	return false
}
