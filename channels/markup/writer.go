package markup

import (
	"bufio"
	"fmt"
	"html"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/yuin/goldmark/ast"
	extast "github.com/yuin/goldmark/extension/ast"
	render "github.com/yuin/goldmark/renderer/html"
	"github.com/yuin/goldmark/util"
)

// style is how a notation without HTML writes things. An empty marker leaves
// the words alone.
type style struct {
	text               func(string) string // what literal text looks like
	strong, em, strike string
	code               func(string) string
	fence              func(lines []string) []string
	link               func(words, url string) string
	bullet             func(depth int) string
	indent             int // columns of a list inside a list; 0: as wide as its marker
	rule               string
	quote              string
}

// writer lays the tree of a message out in lines.
type writer struct {
	*style
	source []byte
	lists  int // lists around the present block
	strong int // how often the present text is strong, and so on: a notation
	em     int // that nests nothing inside itself shows it once
	strike int
}

// lines writes a whole document.
func (w *writer) document(doc ast.Node) string {
	return strings.TrimRight(strings.Join(w.children(doc), "\n"), "\n")
}

// children writes the blocks inside a block, with a blank line where the author
// had one.
func (w *writer) children(n ast.Node) []string {
	var out []string
	at := 0
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		lines := w.block(c, at)
		at++
		if prev := c.PreviousSibling(); prev != nil && len(out) > 0 && apart(prev, c) {
			out = append(out, "")
		}
		out = append(out, lines...)
	}
	return out
}

// apart tells whether a blank line stands between two blocks.
func apart(a, b ast.Node) bool {
	if a.Kind() == ast.KindListItem {
		list, ok := a.Parent().(*ast.List)
		return ok && !list.IsTight
	}
	return b.HasBlankPreviousLines() || a.Kind() == extast.KindTable || b.Kind() == extast.KindTable ||
		a.Kind() == ast.KindParagraph && b.Kind() == ast.KindParagraph
}

// block writes a block, the at-th inside its parent from 0 on.
func (w *writer) block(n ast.Node, at int) []string {
	switch n := n.(type) {
	case *ast.Heading:
		w.strong++
		words := w.inlines(n, 0)
		w.strong--
		return strings.Split(wrap(w.style.strong, words, ' ', ' '), "\n")
	case *ast.Paragraph, *ast.TextBlock:
		return strings.Split(w.inlines(n, 0), "\n")
	case *ast.CodeBlock, *ast.FencedCodeBlock:
		return w.fence(strings.Split(strings.TrimRight(w.raw(n), "\n"), "\n"))
	case *ast.ThematicBreak:
		return []string{w.rule}
	case *ast.Blockquote:
		lines := w.children(n)
		for i := range lines {
			lines[i] = strings.TrimRight(w.quote+lines[i], " ")
		}
		return lines
	case *ast.List:
		w.lists++
		defer func() { w.lists-- }()
		return w.children(n)
	case *ast.ListItem:
		return w.item(n, at)
	case *extast.Table:
		return w.fence(w.table(n))
	}
	if n.Type() == ast.TypeBlock && n.FirstChild() != nil && n.FirstChild().Type() == ast.TypeBlock {
		return w.children(n)
	}
	return strings.Split(w.inlines(n, 0), "\n")
}

func (w *writer) item(n *ast.ListItem, at int) []string {
	list, _ := n.Parent().(*ast.List)
	marker := w.bullet(w.lists - 1)
	if list != nil && list.IsOrdered() {
		marker = fmt.Sprintf("%d%c ", list.Start+at, list.Marker)
	}
	indent := w.indent
	if indent == 0 {
		indent = utf8.RuneCountInString(marker)
	}
	lines := w.children(n)
	if len(lines) == 0 {
		return []string{strings.TrimRight(marker, " ")}
	}
	for i := range lines {
		switch {
		case i == 0:
			lines[i] = marker + lines[i]
		case lines[i] != "":
			lines[i] = strings.Repeat(" ", indent) + lines[i]
		}
	}
	return lines
}

// raw is the text of a code block.
func (w *writer) raw(n ast.Node) string {
	var out strings.Builder
	for i := range n.Lines().Len() {
		line := n.Lines().At(i)
		out.Write(line.Value(w.source))
	}
	return out.String()
}

// inlines writes what is inside a block of words.
func (w *writer) inlines(n ast.Node, depth int) string {
	if depth > MaxDepth {
		return w.style.text(w.words(n))
	}
	var out strings.Builder
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		switch c := c.(type) {
		case *ast.Text:
			s := unescaped(c.Value(w.source), c.IsRaw())
			if c.SoftLineBreak() || c.HardLineBreak() {
				out.WriteString(w.style.text(strings.TrimRight(s, " ")) + "\n")
			} else {
				out.WriteString(w.style.text(s))
			}
		case *ast.String:
			out.WriteString(w.style.text(string(c.Value)))
		case *ast.CodeSpan:
			out.WriteString(w.code(w.words(c)))
		case *ast.Emphasis:
			marker, level := w.style.em, &w.em
			if c.Level > 1 {
				marker, level = w.style.strong, &w.strong
			}
			out.WriteString(w.marked(c, marker, level, depth))
		case *extast.Strikethrough:
			out.WriteString(w.marked(c, w.style.strike, &w.strike, depth))
		case *ast.Link:
			out.WriteString(w.link(oneLine(w.words(c)), target(c.Destination)))
		case *ast.Image:
			out.WriteString(w.link(oneLine(w.words(c)), target(c.Destination)))
		case *ast.AutoLink:
			url := string(c.URL(w.source))
			if c.AutoLinkType == ast.AutoLinkEmail && !strings.HasPrefix(strings.ToLower(url), "mailto:") {
				url = "mailto:" + url
			}
			out.WriteString(w.link(string(c.Label(w.source)), url))
		case *extast.TaskCheckBox:
			out.WriteString(checkBox(c) + " ")
		default:
			out.WriteString(w.inlines(c, depth+1))
		}
	}
	return out.String()
}

// marked writes words between markers, which some notations know only around
// whole words and within a line.
func (w *writer) marked(n ast.Node, marker string, level *int, depth int) string {
	*level++
	words := w.inlines(n, depth+1)
	*level--
	if marker == "" || *level > 0 {
		return words
	}
	return wrap(marker, words, w.beside(n.PreviousSibling(), false), w.beside(n.NextSibling(), true))
}

// wrap puts markers around the words of each line; before and after are what
// stands beside them.
func wrap(marker, words string, before, after rune) string {
	if marker == "" || isWord(before) || isWord(after) {
		return words
	}
	lines := strings.Split(words, "\n")
	for i, line := range lines {
		core := strings.TrimSpace(line)
		if core == "" {
			continue
		}
		at := strings.Index(line, core)
		lines[i] = line[:at] + marker + core + marker + line[at+len(core):]
	}
	return strings.Join(lines, "\n")
}

func isWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

// beside is the character of a neighbour that is nearest, a space if there is
// none.
func (w *writer) beside(n ast.Node, first bool) rune {
	t, ok := n.(*ast.Text)
	if !ok {
		return ' '
	}
	s := t.Value(w.source)
	if len(s) == 0 {
		return ' '
	}
	if first {
		r, _ := utf8.DecodeRune(s)
		return r
	}
	if t.SoftLineBreak() || t.HardLineBreak() {
		return ' '
	}
	r, _ := utf8.DecodeLastRune(s)
	return r
}

// words is the text inside a node without any layout.
func (w *writer) words(n ast.Node) string {
	var out strings.Builder
	_ = ast.Walk(n, func(c ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch c := c.(type) {
		case *ast.Text:
			code := c.Parent() != nil && c.Parent().Kind() == ast.KindCodeSpan
			out.WriteString(unescaped(c.Value(w.source), c.IsRaw() || code))
			if c.SoftLineBreak() || c.HardLineBreak() {
				out.WriteByte('\n')
			}
		case *ast.String:
			out.Write(c.Value)
		case *ast.AutoLink:
			out.Write(c.Label(w.source))
		}
		return ast.WalkContinue, nil
	})
	return out.String()
}

// unescaped resolves backslashes and entities as the HTML renderer does.
func unescaped(source []byte, raw bool) string {
	if raw || !strings.ContainsAny(string(source), `\&`) {
		return string(source)
	}
	var out strings.Builder
	w := bufio.NewWriter(&out)
	render.DefaultWriter.Write(w, source)
	_ = w.Flush() // into memory
	return clean(html.UnescapeString(out.String()))
}

// target is the address of a link as a browser would be given it.
func target(destination []byte) string { return string(util.URLEscape(destination, true)) }

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
