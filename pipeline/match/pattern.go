package match

import (
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
)

// pattern is a regular expression with the words one of which must stand in
// whatever it matches: a text without any is refused in one walk, and where the
// words are all there is to it, as in (?i)(invoice|refund), the walk decides.
type pattern struct {
	re    *regexp.Regexp
	words []string // ASCII, at least two letters each; in lower case when fold
	fold  bool
	whole bool      // a text with one of the words matches
	first [256]bool // bytes a word begins with
}

// What is looked for: at most so many words, and of each so many bytes.
const (
	maxWords = 64
	maxWord  = 32
)

func newPattern(src string) (*pattern, error) {
	re, err := regexp.Compile(src)
	if err != nil {
		return nil, err
	}
	p := &pattern{re: re}
	parsed, err := syntax.Parse(src, syntax.Perl)
	if err != nil {
		return nil, err
	}
	s := needed(parsed.Simplify())
	if s.shortest() < 2 {
		return p, nil
	}
	p.words, p.fold, p.whole = s.words, s.fold, s.whole && s.covers
	for i, w := range p.words {
		if len(w) > maxWord {
			w, p.whole = w[:maxWord], false
		}
		if p.words[i] = w; p.fold {
			w = strings.ToLower(w)
			p.words[i] = w
			p.first[strings.ToUpper(w)[0]] = true
		}
		p.first[w[0]] = true
	}
	return p, nil
}

// match says what the regular expression says.
func (p *pattern) match(s string) bool {
	if len(p.words) == 0 {
		return p.re.MatchString(s)
	}
	found, sure := p.find(s)
	if sure && (!found || p.whole) {
		return found
	}
	return p.re.MatchString(s)
}

// find looks for one of the words. It is not sure when the text holds one of the
// two characters beyond ASCII that fold to a letter of it: the long s and the
// sign of Kelvin.
func (p *pattern) find(s string) (found, sure bool) {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if p.fold && (c == 0xC5 && strings.HasPrefix(s[i:], "\u017F") || c == 0xE2 && strings.HasPrefix(s[i:], "\u212A")) {
			return false, false
		}
		if !p.first[c] {
			continue
		}
		for _, w := range p.words {
			if len(s)-i >= len(w) && (s[i:i+len(w)] == w || p.fold && equalFoldASCII(s[i:i+len(w)], w)) {
				return true, true
			}
		}
	}
	return false, true
}

// need is what is known of every match of a part: it contains one of the words.
type need struct {
	words  []string
	fold   bool // some of them in any case
	covers bool // each match is one of the words, and nothing more
	whole  bool // each of the words is a match, wherever it stands
}

func (n need) shortest() int {
	least := 0
	for i, w := range n.words {
		if i == 0 || len(w) < least {
			least = len(w)
		}
	}
	return least
}

// needed finds what a part needs; no words when that is nothing, or too much.
func needed(re *syntax.Regexp) need {
	switch re.Op {
	case syntax.OpLiteral:
		for _, c := range re.Rune {
			if c >= 0x80 {
				return need{}
			}
		}
		return need{words: []string{string(re.Rune)}, fold: re.Flags&syntax.FoldCase != 0, covers: true, whole: true}
	case syntax.OpEmptyMatch:
		return need{words: []string{""}, covers: true, whole: true}
	case syntax.OpWordBoundary, syntax.OpNoWordBoundary, syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText:
		return need{words: []string{""}, covers: true}
	case syntax.OpCharClass:
		return ofClass(re.Rune)
	case syntax.OpCapture:
		return needed(re.Sub[0])
	case syntax.OpPlus:
		n := needed(re.Sub[0])
		n.covers, n.whole = false, false
		return n
	case syntax.OpQuest:
		return either(needed(re.Sub[0]), need{words: []string{""}, covers: true, whole: true})
	case syntax.OpAlternate:
		n := needed(re.Sub[0])
		for _, sub := range re.Sub[1:] {
			n = either(n, needed(sub))
		}
		return n
	case syntax.OpConcat:
		return ofRow(re.Sub)
	}
	return need{}
}

// ofClass is a class of a few characters, given as pairs of first and last.
func ofClass(ranges []rune) need {
	n := need{covers: true, whole: true}
	for i := 0; i+1 < len(ranges); i += 2 {
		if ranges[i+1] >= 0x80 || int(ranges[i+1]-ranges[i])+len(n.words) > 8 {
			return need{}
		}
		for c := ranges[i]; c <= ranges[i+1]; c++ {
			n.words = append(n.words, string(c))
		}
	}
	return n
}

func either(a, b need) need {
	if len(a.words) == 0 || len(b.words) == 0 || len(a.words)+len(b.words) > maxWords {
		return need{}
	}
	return need{words: slices.Concat(a.words, b.words), fold: a.fold || b.fold, covers: a.covers && b.covers, whole: a.whole && b.whole && sameFold(a, b)}
}

// ofRow joins the parts that stand next to each other as far as they are known
// in full, and takes the best of what comes of it.
func ofRow(subs []*syntax.Regexp) need {
	var best need
	better := func(n need) {
		if n.shortest() > best.shortest() {
			best = n
		}
	}
	empty := need{words: []string{""}, covers: true, whole: true}
	run, all := empty, true
	for _, sub := range subs {
		n := needed(sub)
		if joined := joinNeeds(run, n); n.covers && len(joined.words) > 0 {
			run = joined
			continue
		}
		all = false
		better(run)
		better(n)
		run = empty
		if n.covers { // too many words together: it begins a run of its own
			run = n
		}
	}
	if better(run); all {
		return run
	}
	best.covers, best.whole = false, false
	return best
}

// joinNeeds is every word of a followed by every word of b.
func joinNeeds(a, b need) need {
	if len(a.words)*len(b.words) > maxWords {
		return need{}
	}
	n := need{fold: a.fold || b.fold, covers: a.covers && b.covers, whole: a.whole && b.whole && sameFold(a, b)}
	for _, x := range a.words {
		for _, y := range b.words {
			n.words = append(n.words, x+y)
		}
	}
	return n
}

// sameFold reports whether the case of both matters, or that of none; that of
// nothing never does.
func sameFold(a, b need) bool {
	return a.fold == b.fold || !slices.ContainsFunc(a.words, notEmpty) || !slices.ContainsFunc(b.words, notEmpty)
}

func notEmpty(s string) bool { return s != "" }
