package markup

import (
	"strings"

	"github.com/yuin/goldmark/ast"
	extast "github.com/yuin/goldmark/extension/ast"
	"golang.org/x/text/width"
)

// maxColumn bounds the padding of a table: a wider cell stands out of its
// column, so that one long cell does not widen a thousand rows.
const maxColumn = 40

// table lays a table out in columns, for notations that have none. Cells are
// the words of theirs, not escaped.
func (w *writer) table(n ast.Node) []string {
	var rows [][]string
	var widths []int
	header := -1
	for row := n.FirstChild(); row != nil; row = row.NextSibling() {
		if row.Kind() == extast.KindTableHeader {
			header = len(rows)
		}
		var cells []string
		for c := row.FirstChild(); c != nil; c = c.NextSibling() {
			cell := oneLine(w.words(c))
			if len(widths) <= len(cells) {
				widths = append(widths, 0)
			}
			widths[len(cells)] = max(widths[len(cells)], min(columns(cell), maxColumn))
			cells = append(cells, cell)
		}
		rows = append(rows, cells)
	}
	var out []string
	for i, cells := range rows {
		var line strings.Builder
		for j, cell := range cells {
			if j > 0 {
				line.WriteString(" | ")
			}
			line.WriteString(cell)
			line.WriteString(strings.Repeat(" ", max(widths[j]-columns(cell), 0)))
		}
		out = append(out, strings.TrimRight(line.String(), " "))
		if i == header {
			var rule []string
			for _, n := range widths {
				rule = append(rule, strings.Repeat("-", n))
			}
			out = append(out, strings.Join(rule, "-+-"))
		}
	}
	return out
}

// columns is how wide a text is in a fixed-width font (Unicode Annex 11).
func columns(s string) int {
	n := 0
	for _, r := range s {
		switch width.LookupRune(r).Kind() {
		case width.EastAsianWide, width.EastAsianFullwidth:
			n += 2
		default:
			n++
		}
	}
	return n
}
