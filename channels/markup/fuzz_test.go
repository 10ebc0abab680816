package markup

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/net/html"
)

// ways are all functions that read what a stranger wrote.
var ways = []struct {
	name string
	html bool
	do   func(string) string
}{
	{"ToHTML", true, ToHTML}, {"ToTeams", true, ToTeams},
	{"ToPlain", false, ToPlain}, {"ToMrkdwn", false, ToMrkdwn}, {"FromHTML", false, FromHTML},
	{"FromMrkdwn", false, func(s string) string { return FromMrkdwn(s, func(id string) string { return id }) }},
}

// sound checks what every result promises.
func sound(t *testing.T, name, s string, isHTML bool) {
	t.Helper()
	if !utf8.ValidString(s) || strings.IndexByte(s, 0) >= 0 {
		t.Fatalf("%s: not clean: %.200q", name, s)
	}
	if isHTML {
		harmless(t, name, s)
	}
}

// harmless reads HTML as a browser would and looks for what could run or lead
// astray.
func harmless(t *testing.T, name, s string) {
	t.Helper()
	z := html.NewTokenizer(strings.NewReader(s))
	for {
		switch z.Next() {
		case html.ErrorToken:
			return
		case html.StartTagToken, html.SelfClosingTagToken:
			token := z.Token()
			switch token.Data {
			case "script", "style", "iframe", "object", "embed", "form", "input", "svg", "math", "meta", "link", "base":
				t.Fatalf("%s: <%s> came through: %.300q", name, token.Data, s)
			}
			for _, a := range token.Attr {
				switch a.Key {
				case "href", "src":
					scheme, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(a.Val)), ":")
					if scheme != "http" && scheme != "https" && scheme != "mailto" && scheme != "tel" && scheme != "cid" {
						t.Fatalf("%s: an address %q came through", name, a.Val)
					}
				case "alt", "title", "align", "start":
				default:
					t.Fatalf("%s: attribute %s=%q came through", name, a.Key, a.Val)
				}
			}
		}
	}
}

// unmentioned checks that mrkdwn holds no reference but addresses.
func unmentioned(t *testing.T, s string) {
	t.Helper()
	for i := 0; ; {
		at := strings.IndexByte(s[i:], '<')
		if at < 0 {
			return
		}
		i += at + 1
		if !safeURL(strings.ReplaceAll(s[i:min(len(s), i+20)], "\n", " ")) {
			t.Fatalf("a reference that is no address: %.100q", s[i-1:])
		}
	}
}

func FuzzMarkup(f *testing.F) {
	for _, seed := range []string{
		"", "# a *b* **c** ~~d~~ `e`\n> f\n- g\n1. h\n\n|a|b|\n|-|-|\n|c|d|\n```\ni\n```",
		"[a](javascript:alert(1)) <javascript:x> ![b](data:x) [c](<http://x.example/ y>)",
		"<script>alert(1)</script><a href=\"jav&#x09;ascript:x\" onclick=x>y</a><img src=x onerror=y>",
		"*a _b ~c `d <@U1|x> <#C|y> <!here> <https://x|z> &amp;lt; ```e``` &gt; f",
		"[a]: javascript:x\n\n[a]", "\\<b> &#60;c> &colon; &Tab;", "a\xff\x00\r\n\u2028", "<http://a|b> <mailto:x@y>",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, w := range ways {
			out := w.do(s)
			sound(t, w.name, out, w.html)
			switch w.name {
			case "FromHTML", "FromMrkdwn":
				sound(t, w.name+" shown", ToHTML(out), true)
			case "ToMrkdwn":
				unmentioned(t, out)
			}
		}
	})
}

// TestHostile gives every way what is meant to stop it.
func TestHostile(t *testing.T) {
	many := func(s string, n int) string { return strings.Repeat(s, n/len(s)) }
	const size = 200 << 10 / slow
	for name, s := range map[string]string{
		"quotes": many(">", size), "quoted": many("> ", size), "lists": many("- ", size), "numbers": many("1. ", size), "a long list": many("1. a\n", MaxBytes/2/slow),
		"brackets": many("[", size), "closed": many("[a](", size), "images": many("![", size) + many("](x)", size),
		"stars": many("*a ", size), "pairs": many("*a_b", size), "nested": many("*a **a ", size), "ticks": many("`a``", size),
		"tildes": many("~~a ", size), "angles": many("<", size), "references": many("<a", size), "entities": many("&amp", size),
		"urls": many("http://x.example/", size), "mails": many("a@", size), "mails2": many("a.", size) + "@", "tables": many("|a", size) + "\n" + many("|-", size) + "\n" + many("|b", size),
		"rows": "|a|b|\n|-|-|\n" + many("|c\n", size), "div": many("<div>", size), "b": many("<b>", size), "bq": many("<blockquote>", size),
		"ul": many("<ul><li>", size), "table": many("<table><tr><td>", size), "fences": many("```\n", size), "open fences": many("``` a\n", size),
		"headings": many("# a\n", size), "hard": many("\\", size), "blank": many("\n", size), "spaces": many(" ", size), "tabs": many("\t- a\n", size),
		"deepening": deepening(400 / slow), "greater": many("&gt;", size), "marks": many("_*~", size), "long line": many("word ", 2*MaxBytes/slow),
	} {
		t.Run(name, func(t *testing.T) {
			for _, w := range ways {
				start := time.Now()
				out := w.do(s)
				if took := time.Since(start); took > 30*time.Second {
					t.Errorf("%s took %s for %d bytes", w.name, took, len(s))
				} else if testing.Verbose() && took > 200*time.Millisecond {
					t.Logf("%s took %s", w.name, took)
				}
				sound(t, w.name, out, w.html)
				if len(out) > 40*len(s)+1000 {
					t.Errorf("%s made %d bytes of %d", w.name, len(out), len(s))
				}
			}
		})
	}
}

// deepening is a list in which each item is inside the one before.
func deepening(n int) string {
	var out strings.Builder
	for i := range n {
		out.WriteString(strings.Repeat("  ", i) + "- a\n")
	}
	return out.String()
}
