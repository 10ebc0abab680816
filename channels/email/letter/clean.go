package letter

import (
	"regexp"
	"sync"

	"github.com/microcosm-cc/bluemonday"
)

// Clean makes the HTML of a stranger safe to show inside a page: nothing that
// runs, submits, embeds or reloads survives; links open apart and tell no
// referrer. Images by http(s) and, unlike in the library's own policy, by cid:
// are kept; whoever shows the page rewrites cid: to a kept attachment and
// decides about remote images. A second pass changes nothing.
func Clean(html string) string { return pagePolicy().Sanitize(html) }

// cleanForText is the sanitising before conversion to text.
func cleanForText(html string) string { return textPolicy().Sanitize(html) }

var textPolicy = sync.OnceValue(func() *bluemonday.Policy {
	p := bluemonday.UGCPolicy()
	p.RequireNoFollowOnLinks(false)
	p.AllowURLSchemes("http", "https", "mailto", "tel")
	return p
})

var pagePolicy = sync.OnceValue(func() *bluemonday.Policy {
	p := bluemonday.UGCPolicy()
	p.AllowURLSchemes("http", "https", "mailto", "tel", "cid")
	p.RequireNoFollowOnLinks(true)
	p.RequireNoReferrerOnLinks(true)
	p.AddTargetBlankToFullyQualifiedLinks(true)

	// The layout of mails is made of tables and attributes.
	size := regexp.MustCompile(`^[0-9]{1,4}(%|px)?$`)
	color := regexp.MustCompile(`^(#[0-9a-fA-F]{3,8}|[a-zA-Z]{3,20})$`)
	word := regexp.MustCompile(`^[a-zA-Z0-9 ,\-]{1,60}$`)
	p.AllowElements("center", "font", "u", "s", "big", "small", "tt")
	p.AllowAttrs("width", "height", "border", "cellpadding", "cellspacing").Matching(size).OnElements("table", "td", "th", "tr", "img", "hr")
	p.AllowAttrs("align", "valign").Matching(word).OnElements("table", "td", "th", "tr", "p", "div", "h1", "h2", "h3", "img", "hr")
	p.AllowAttrs("bgcolor").Matching(color).OnElements("table", "td", "th", "tr")
	p.AllowAttrs("color").Matching(color).OnElements("font")
	p.AllowAttrs("face", "size").Matching(word).OnElements("font")
	p.AllowStyles("color", "background-color").Matching(color).Globally()
	p.AllowStyles("text-align", "vertical-align", "font-weight", "font-style", "text-decoration", "font-family").Matching(word).Globally()
	p.AllowStyles("font-size", "line-height", "width", "height", "padding", "margin").
		Matching(regexp.MustCompile(`^([0-9.]{1,6}(px|pt|em|rem|%)? ?){1,4}$`)).Globally()
	return p
})
