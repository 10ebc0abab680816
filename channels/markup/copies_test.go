package markup

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// elements counts those of a tree.
func elements(n *html.Node) (sum int) {
	if n.Type == html.ElementNode {
		sum++
	}
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		sum += elements(c)
	}
	return sum
}

func times(n int, each func(i int) string) string {
	var out strings.Builder
	for i := range n {
		out.WriteString(each(i))
	}
	return out.String()
}

// multiplying makes HTML that the parser would make much of, some of it by
// pretending to close what it opened.
func multiplying(paragraphs int) map[string]string {
	open := times(250, func(i int) string { return fmt.Sprintf("<b id=x%d>", i) })
	shut := strings.Repeat("</b>", 250)
	end := strings.Repeat("<p>x", paragraphs)
	var plain string
	for _, tag := range []string{"b", "i", "em", "code", "small", "strong", "tt", "u", "big", "s"} {
		plain += strings.Repeat("<"+tag+">", 3)
	}
	return map[string]string{
		"open":          "<p>" + open + end,
		"plain":         "<p>" + plain + end,
		"shut in cell":  "<p>" + open + "<table><tr><td>" + shut + "</td></tr></table>" + end,
		"shut in table": "<p>" + open + "<table>" + shut + "</table>" + end,
		"shut below":    "<p>" + open + strings.Repeat("<div>", 9) + shut + strings.Repeat("</div>", 9) + end,
		"end tags":      open + strings.Repeat("<div>", 100) + times(100, func(int) string { return "x</div>" }) + end,
		"crossed":       "<p><i id=a>" + open + shut + "</i>" + end,
		"links":         "<p>" + strings.Repeat("<a href=x>", 250) + end,
		"lists":         "<ul><li>" + open + strings.Repeat("<li>x", paragraphs) + "</ul>",
	}
}

// TestCopiesIsABound: never fewer than the parser makes, whatever the tags say.
func TestCopiesIsABound(t *testing.T) {
	for name, s := range multiplying(60) {
		s = textPolicy().Sanitize(s)
		doc, err := html.Parse(strings.NewReader(s))
		if err != nil {
			t.Fatal(name, err)
		}
		written := strings.Count(s, "<") + 3 // html, head, body
		if made := elements(doc) - written; copies(s) < made {
			t.Errorf("%s: %d elements more than written, copies says %d", name, made, copies(s))
		}
	}
}

func FuzzCopies(f *testing.F) {
	for _, s := range multiplying(8) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		s = textPolicy().Sanitize(s)
		doc, err := html.Parse(strings.NewReader(s))
		if err != nil || len(s) > 10_000 {
			return
		}
		if made := elements(doc) - strings.Count(s, "<") - 20 - 4*strings.Count(s, "<t"); copies(s) < made {
			t.Errorf("%d elements more than written, copies says %d, of %q", made, copies(s), s)
		}
	})
}

// TestMultiplyingHTML: a small message must not become gigabytes in the parser;
// its words stay.
func TestMultiplyingHTML(t *testing.T) {
	const paragraphs = 3000
	for name, s := range multiplying(paragraphs) {
		if name == "open" || name == "lists" {
			if !Multiplies(textPolicy().Sanitize(s)) {
				t.Errorf("%s: nothing is found in it", name)
			}
		}
		if n := strings.Count(FromHTML(s), "x"); n < paragraphs {
			t.Errorf("%s: %d of %d words", name, n, paragraphs)
		}
	}
}

func TestOrdinaryHTMLDoesNotMultiply(t *testing.T) {
	s := "<p>" + times(8000, func(i int) string {
		return fmt.Sprintf(`<div><b>On %d</b> <i><u>she</u></i> <a href="https://example.org/%d">wrote</a>:</div><table><tr><td><strong>a<br>b</strong></td></tr></table>`, i, i)
	})
	if Multiplies(textPolicy().Sanitize(s)) {
		t.Errorf("%d bytes of ordinary HTML: %d copies", len(s), copies(s))
	}
}
