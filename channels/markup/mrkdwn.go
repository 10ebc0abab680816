package markup

import "strings"

// ToMrkdwn makes the text of a Slack message of Markdown: *bold*, _italic_,
// ~strike~, `code`, ``` blocks, <address|words>, bullets, quotes; headings are
// bold, tables preformatted (Slack, "Formatting message text").
//
// &, < and > are escaped, so that nothing somebody wrote can mention a channel
// or a person; a link leads to http, https, mailto or tel or is words only.
// Slack knows markers only around whole words within a line: others are left
// out. It has no escape for its markers, so *stars* that were meant as such may
// be shown bold.
func ToMrkdwn(md string) string {
	md = clean(md)
	if plainly(md) {
		return slackEscape(md)
	}
	doc, source := parse(md)
	w := &writer{style: &slackStyle, source: source}
	return clean(w.document(doc))
}

var slackStyle = style{
	text: slackEscape, strong: "*", em: "_", strike: "~",
	code: func(s string) string {
		if s = slackEscape(s); strings.ContainsAny(s, "`\n") || strings.TrimSpace(s) == "" {
			return s
		}
		return "`" + s + "`"
	},
	fence: func(lines []string) []string {
		out := []string{"```"}
		for _, line := range lines { // a zero-width space keeps the block open
			out = append(out, strings.ReplaceAll(slackEscape(line), "```", "``\u200b`"))
		}
		return append(out, "```")
	},
	link: func(words, url string) string {
		if !safeURL(url) {
			return slackEscape(words)
		}
		url = slackURL.Replace(url)
		if words == "" || slackEscape(words) == url {
			return "<" + url + ">"
		}
		return "<" + url + "|" + strings.ReplaceAll(slackEscape(words), "|", "\u00a6") + ">"
	},
	bullet: func(depth int) string {
		if depth%2 == 1 {
			return "◦ "
		}
		return "• "
	},
	indent: 4,
	quote:  "> ",
	rule:   "---",
}

var (
	slackEscaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
	slackURL     = strings.NewReplacer("&", "&amp;", "<", "%3C", ">", "%3E", "|", "%7C", " ", "%20")
)

func slackEscape(s string) string { return slackEscaper.Replace(s) }
