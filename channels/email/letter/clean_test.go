package letter

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/net/html"
)

var badStyle = regexp.MustCompile(`(?i)expression\s*\(|url\s*\(\s*["']?\s*javascript|behavior\s*:|-moz-binding`)

// executable finds what must not be in cleaned HTML, "" if there is nothing.
func executable(t *testing.T, s string) string {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(s))
	if err != nil {
		return "does not parse: " + err.Error()
	}
	found := ""
	var walk func(n *html.Node)
	walk = func(n *html.Node) {
		if n.Type == html.ElementNode {
			switch n.Data {
			case "script", "iframe", "object", "embed", "base", "form", "meta", "link", "style", "svg", "math", "frame", "frameset", "applet", "input", "button":
				found = "<" + n.Data + ">"
			}
			for _, a := range n.Attr {
				name := strings.ToLower(a.Key)
				value := strings.Map(func(r rune) rune {
					if unicode.IsSpace(r) || unicode.IsControl(r) {
						return -1
					}
					return unicode.ToLower(r)
				}, a.Val)
				switch {
				case strings.HasPrefix(name, "on"):
					found = name
				case strings.HasPrefix(value, "javascript:") || strings.HasPrefix(value, "vbscript:") || strings.HasPrefix(value, "data:text/html"):
					found = name + "=" + value
				case name == "style" && badStyle.MatchString(a.Val):
					found = name + "=" + a.Val
				}
			}
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c)
		}
	}
	walk(doc)
	return found
}

func textOf(s string) string {
	doc, err := html.Parse(strings.NewReader(s))
	if err != nil {
		return ""
	}
	var out strings.Builder
	var walk func(n *html.Node)
	walk = func(n *html.Node) {
		if n.Type == html.TextNode {
			out.WriteString(n.Data)
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c)
		}
	}
	walk(doc)
	return strings.Join(strings.Fields(out.String()), "")
}

func TestCorpusSanitise(t *testing.T) {
	const floor = 494
	var passed, total int
	var failures []string
	for _, c := range corpusCases(t, "sanitise/cases.jsonl") {
		var want struct {
			NoExecutable bool            `json:"no_executable"`
			Stable       bool            `json:"stable"`
			KeptText     json.RawMessage `json:"kept_text"`
		}
		if err := json.Unmarshal(c.Expect, &want); err != nil {
			t.Fatal(err)
		}
		total++
		out := Clean(c.Input)
		bad := ""
		if want.NoExecutable {
			if bad = executable(t, out); bad != "" {
				t.Errorf("%s: %s survives in %q", c.ID, bad, out)
			}
		}
		if want.Stable && Clean(out) != out {
			bad = "not stable: " + out + " then " + Clean(out)
		}
		if want.KeptText != nil {
			var texts []string
			var one string
			if json.Unmarshal(want.KeptText, &texts) != nil && json.Unmarshal(want.KeptText, &one) == nil {
				texts = []string{one}
			}
			for _, text := range texts {
				if !strings.Contains(textOf(out), strings.Join(strings.Fields(text), "")) {
					bad = "lost " + text + " in " + out
				}
			}
		}
		if bad == "" {
			passed++
		} else {
			failures = append(failures, c.ID+": "+bad)
		}
	}
	tally(t, "sanitise", passed, total, floor, failures)
}

func TestCleanKeepsWhatMailsNeed(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{`<img src="cid:logo@example.org" alt="Logo">`, `src="cid:logo@example.org"`},
		{`<a href="https://example.org/x">x</a>`, `rel="nofollow noreferrer noopener"`},
		{`<a href="javascript:alert(1)">x</a>`, `x`},
		{`<td bgcolor="#ffeecc" width="50%">x</td>`, `x`},
		{`<p style="color: red; position: fixed">x</p>`, `style="color: red"`},
		{`<table><tr><td bgcolor="#ffeecc">x</td></tr></table>`, `bgcolor="#ffeecc"`},
	} {
		got := Clean(tc.in)
		if !strings.Contains(got, tc.want) || strings.Contains(got, "javascript") || strings.Contains(got, "fixed") {
			t.Errorf("Clean(%q) = %q, want %q in it", tc.in, got, tc.want)
		}
	}
}

func FuzzClean(f *testing.F) {
	f.Add(`<p onclick="x">a<script>b</script><img src=cid:a>`)
	f.Add(`<svg><style><img src=x onerror=alert(1)></style></svg>`)
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 64<<10 {
			return
		}
		out := Clean(s)
		if strings.Count(out, "<") > 500 {
			return // the parser below refuses deep trees
		}
		if bad := executable(t, out); bad != "" {
			t.Fatalf("%s survives in %q", bad, out)
		}
	})
}
