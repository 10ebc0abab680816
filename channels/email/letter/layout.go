package letter

import (
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// layout prepares the tree of a mail for conversion to Markdown, which knows
// paragraphs but not what mail programs write: a div for every line, tables for
// looks, images for counting readers, links whose text is their address.
func layout(doc *html.Node) {
	l := layouter{fresh: true}
	l.visit(doc)
}

type layouter struct {
	fresh   bool // nothing stands on the present line yet
	pending bool // a line break is due before the next thing on a line
}

func (l *layouter) visit(n *html.Node) {
	switch n.Type {
	case html.TextNode:
		if strings.TrimSpace(n.Data) != "" {
			l.inline(n)
		}
		return
	case html.ElementNode:
	default:
		l.children(n)
		return
	}
	switch n.DataAtom {
	case atom.Br:
		l.inline(n)
		l.fresh = true
	case atom.Img:
		alt := ""
		for _, a := range n.Attr {
			if a.Key == "alt" {
				alt = strings.TrimSpace(a.Val)
			}
		}
		n.Type, n.Data, n.DataAtom, n.Attr = html.TextNode, alt, 0, nil
		l.visit(n)
	case atom.Div, atom.Tr, atom.Table, atom.Tbody, atom.Thead, atom.Tfoot, atom.Caption, atom.Center, atom.Section, atom.Article, atom.Header, atom.Footer:
		n.Data, n.DataAtom = "span", atom.Span
		l.breakLine()
		l.children(n)
		l.breakLine()
	case atom.Td, atom.Th:
		n.Data, n.DataAtom = "span", atom.Span
		l.children(n)
		if !l.fresh {
			n.AppendChild(&html.Node{Type: html.TextNode, Data: " "})
		}
	case atom.P, atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6, atom.Ul, atom.Ol, atom.Li, atom.Dl, atom.Dt, atom.Dd, atom.Blockquote, atom.Pre, atom.Hr:
		l.fresh, l.pending = true, false // the converter parts these itself
		l.children(n)
		l.fresh, l.pending = true, false
	case atom.A:
		l.children(n)
		if isBareLink(n) {
			n.Data, n.DataAtom, n.Attr = "span", atom.Span, nil
		}
	default:
		l.children(n)
	}
}

func (l *layouter) children(n *html.Node) {
	for c := n.FirstChild; c != nil; {
		next := c.NextSibling
		l.visit(c)
		c = next
	}
}

// breakLine ends the present line if anything stands on it.
func (l *layouter) breakLine() {
	if !l.fresh {
		l.pending, l.fresh = true, true
	}
}

// inline notes that n stands on the present line, which begins here if a break
// is due.
func (l *layouter) inline(n *html.Node) {
	if l.pending && n.Parent != nil {
		n.Parent.InsertBefore(&html.Node{Type: html.ElementNode, Data: "br", DataAtom: atom.Br}, n)
	}
	l.pending, l.fresh = false, false
}

// isBareLink tells whether the text of a link says where it leads.
func isBareLink(n *html.Node) bool {
	text, href := "", ""
	if c := n.FirstChild; c != nil && c == n.LastChild && c.Type == html.TextNode {
		text = strings.TrimSpace(c.Data)
	}
	for _, a := range n.Attr {
		if a.Key == "href" {
			href = strings.TrimSpace(a.Val)
		}
	}
	for _, scheme := range []string{"mailto:", "tel:", "https://", "http://"} {
		if text != "" && (href == text || strings.TrimSuffix(strings.TrimPrefix(href, scheme), "/") == strings.TrimSuffix(text, "/")) {
			return true
		}
	}
	return false
}
