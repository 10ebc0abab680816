package webform

import (
	"embed"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/text/language"
)

// words are the fixed texts of the pages in one language, by key. {0} and {1}
// stand for what is filled in.
type words map[string]string

//go:embed words/*.json
var wordFiles embed.FS

var dictionary = readWords()

func readWords() map[string]words {
	out := map[string]words{}
	entries, err := wordFiles.ReadDir("words")
	if err != nil {
		panic(err) // embedded
	}
	for _, e := range entries {
		data, err := wordFiles.ReadFile("words/" + e.Name())
		w := words{}
		if err == nil {
			err = json.Unmarshal(data, &w)
		}
		if err != nil {
			panic(fmt.Sprintf("webform: words/%s: %v", e.Name(), err)) // embedded, and tested
		}
		out[strings.TrimSuffix(e.Name(), ".json")] = w
	}
	return out
}

// languages lists the languages the pages speak.
func languages() []string { return slices.Sorted(maps.Keys(dictionary)) }

// wordsOf are the texts of a language, or nil.
func wordsOf(lang string) words { return dictionary[lang] }

// say fills a text in. An unknown key is shown as it is, which a test finds.
func (w words) say(key string, args ...string) string {
	s, ok := w[key]
	if !ok {
		return key
	}
	for i, a := range args {
		s = strings.ReplaceAll(s, "{"+strconv.Itoa(i)+"}", a)
	}
	return s
}

// maxAcceptLanguage bounds what is read of the header, in bytes.
const maxAcceptLanguage = 200

// languageOf chooses the language of an answer: ?lang= when the form has it,
// else what the browser prefers (RFC 9110 section 12.5.4), else the form's first.
func (f *form) languageOf(r *http.Request) string {
	if l := r.URL.Query().Get("lang"); slices.Contains(f.langs, l) {
		return l
	}
	header := r.Header.Get("Accept-Language")
	if header == "" || len(header) > maxAcceptLanguage {
		return f.langs[0]
	}
	tags := make([]language.Tag, len(f.langs))
	for i, l := range f.langs {
		tags[i] = language.Make(l)
	}
	_, i := language.MatchStrings(language.NewMatcher(tags), header)
	return f.langs[i]
}

// size writes a number of bytes as people read it.
func size(n int64) string {
	switch {
	case n >= 1<<20:
		return strings.TrimSuffix(strconv.FormatFloat(float64(n)/(1<<20), 'f', 1, 64), ".0") + " MB"
	case n >= 1<<10:
		return strconv.FormatInt((n+1<<9)>>10, 10) + " KB"
	}
	return strconv.FormatInt(n, 10) + " B"
}
