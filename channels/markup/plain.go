package markup

// ToPlain makes plain text of Markdown, as a person would type it: no markers
// around words, "words <address>" for a link, "> " before a quote, tables in
// columns.
func ToPlain(md string) string {
	md = clean(md)
	if plainly(md) {
		return md
	}
	doc, source := parse(md)
	w := &writer{style: &plainStyle, source: source}
	return clean(w.document(doc))
}

var plainStyle = style{
	text:  same,
	code:  same,
	fence: func(lines []string) []string { return lines },
	link: func(words, url string) string {
		switch {
		case words == "" && safeURL(url):
			return url
		case !safeURL(url), words == url, "mailto:"+words == url, "tel:"+words == url, "http://"+words == url:
			return words
		}
		return words + " <" + url + ">"
	},
	bullet: func(int) string { return "- " },
	quote:  "> ",
	rule:   "---",
}

func same(s string) string { return s }
