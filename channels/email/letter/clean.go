package letter

import (
	"sync"

	"github.com/microcosm-cc/bluemonday"
)

// cleanForText is the sanitising of a stranger's HTML before it is converted to
// text. Nothing shows the HTML itself.
func cleanForText(html string) string { return textPolicy().Sanitize(html) }

var textPolicy = sync.OnceValue(func() *bluemonday.Policy {
	p := bluemonday.UGCPolicy()
	p.RequireNoFollowOnLinks(false)
	p.AllowURLSchemes("http", "https", "mailto", "tel")
	return p
})
