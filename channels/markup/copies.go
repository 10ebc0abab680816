package markup

import (
	"strings"

	"golang.org/x/net/html"
)

// maxCopies is how many elements the parser may make that nobody wrote; each is a
// few hundred bytes of memory. Mails of people need some thousands.
const maxCopies = 250_000

// Multiplies tells of cleaned HTML that html.Parse would make many more elements
// of it than it has: who asks first does without its layout.
func Multiplies(s string) bool { return copies(s) > maxCopies }

// copies bounds from above how many elements html.Parse makes of cleaned HTML
// beyond those that stand in it. Formatting that is still open where a block ends
// is opened anew inside the next (HTML Living Standard, 13.2.4.3 "The list of
// active formatting elements"): with a few hundred of them, one letter in each of
// many paragraphs becomes gigabytes. It stops counting above maxCopies.
//
// Any tag but that of an element within a line may end a block, and costs what is
// open then. An end tag is believed to close its element only where no block began
// in between. Equal elements are open three times at most (the "Noah's Ark
// clause"), links once.
func copies(s string) int {
	z := html.NewTokenizer(strings.NewReader(s))
	seen := map[string]*formatting{}
	var open, total int // elements
	for total <= maxCopies {
		kind := z.Next()
		switch kind {
		case html.ErrorToken:
			return total
		case html.StartTagToken, html.EndTagToken, html.SelfClosingTagToken:
		default:
			continue
		}
		tag, attributes := z.TagName()
		name := string(tag)
		f := seen[name]
		switch {
		case f == nil && isFormatting(name):
			f = &formatting{}
			seen[name] = f
		case f == nil && kind != html.EndTagToken && isInline(name):
			continue
		}
		if f == nil || kind == html.EndTagToken || name == "a" {
			total += open
		}
		switch {
		case f == nil && kind == html.EndTagToken: // whatever it closes was counted
		case f == nil:
			for _, f := range seen {
				f.block()
			}
		case kind == html.EndTagToken:
			open -= f.open()
			f.close()
			open += f.open()
		default:
			open -= f.open()
			f.begin(attributes && name != "a", name == "a")
			open += f.open()
		}
	}
	return total
}

// formatting counts the elements of one name that may be open: those without
// attributes, of which few can be, and the others; each before and since the last
// block began.
type formatting struct {
	link                      bool
	plain, special            int
	stuckPlain, stuckSpecials int
}

func (f *formatting) open() int {
	most := 3
	if f.link {
		most = 1
	}
	return min(most, f.plain+f.stuckPlain) + f.special + f.stuckSpecials
}

func (f *formatting) begin(special, link bool) {
	f.link = link
	if special {
		f.special++
	} else {
		f.plain = min(f.plain+1, 3)
	}
}

func (f *formatting) close() {
	switch {
	case f.plain > 0:
		f.plain--
	case f.special > 0:
		f.special--
	}
}

func (f *formatting) block() {
	f.stuckPlain, f.plain = min(f.stuckPlain+f.plain, 3), 0
	f.stuckSpecials, f.special = f.stuckSpecials+f.special, 0
}

// isFormatting: 13.2.4.2 "The stack of open elements".
func isFormatting(name string) bool {
	switch name {
	case "a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u":
		return true
	}
	return false
}

// isInline knows the elements within a line whose beginning ends nothing.
func isInline(name string) bool {
	switch name {
	case "span", "br", "img", "wbr", "sub", "sup", "abbr", "acronym", "cite", "q", "ins", "del", "mark", "samp", "var", "kbd", "dfn", "time", "bdi", "bdo":
		return true
	}
	return false
}
