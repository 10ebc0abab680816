package webform

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"html/template"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"switchboard/pipeline/desk"
)

//go:embed templates/*.html
var templateFiles embed.FS

var pages = template.Must(template.New("").Funcs(template.FuncMap{
	// dict gives a template more than one thing: names and values in turn.
	"dict": func(pairs ...any) map[string]any {
		out := map[string]any{}
		for i := 0; i+1 < len(pairs); i += 2 {
			out[pairs[i].(string)] = pairs[i+1]
		}
		return out
	},
}).ParseFS(templateFiles, "templates/*.html"))

// frame is what every page has.
type frame struct {
	Words     words
	Lang      string
	Title     string
	Langs     []link // other languages; empty when there is one
	CSS, JS   string // addresses
	Theme     string
	Embedded  bool
	Parent    string // origin of the page around us, for messages to it
	FormName  string
	HomeTitle string
}

// link is an address with its words.
type link struct {
	Href, Text, Lang string
	Current          bool
}

// formPage is what templates/form.html shows.
type formPage struct {
	frame
	Intro    []string
	Action   string
	JSON     string // where the script posts
	Token    string
	Bait     string
	Fields   []fieldView
	Files    bool
	Alert    string // above the form; empty: none
	Problems []problemView
	Captcha  *captchaSettings
	Texts    string // words for the script, as JSON
	Limits   string // of uploads, for the script, as JSON
}

type problemView struct{ ID, Label, Text string }

type fieldView struct {
	ID, Name  string
	Kind      string
	Label     string
	Help      string
	Hint      string // when it is shown, for pages without script
	FileHint  string
	Required  bool // asked for, and always shown
	Needed    bool // asked for while it is shown
	Value     string
	Options   []optionView
	Min, Max  string
	MaxLength int
	Pattern   string
	Complete  string // autocomplete, WCAG 2.2 1.3.5
	When      string // condition for the script, as JSON
	Problem   string
	Describes string // aria-describedby
	Accept    string
	Multiple  bool
	Kept      []keptView
}

type optionView struct {
	ID, Value, Label string
	Chosen           bool
}

type keptView struct{ ID, Token, Label string }

func (a *adapter) base() string { return "/forms/" + a.Source.Name + "/" }

// view is how the page around the form wants it: carried along in the address.
type view struct{ lang, parent string }

// embedder is the origin of the site that embeds the page, when it may; else "".
func embedder(f *form, r *http.Request) string {
	if q := r.URL.Query(); q.Get("embed") == "1" && f.allows(q.Get("origin")) {
		return q.Get("origin")
	}
	return ""
}

func (v view) query(extra ...string) string {
	q := url.Values{}
	if v.lang != "" {
		q.Set("lang", v.lang)
	}
	if v.parent != "" {
		q.Set("embed", "1")
		q.Set("origin", v.parent)
	}
	for i := 0; i+1 < len(extra); i += 2 {
		q.Set(extra[i], extra[i+1])
	}
	if len(q) == 0 {
		return ""
	}
	return "?" + q.Encode()
}

func (a *adapter) frame(f *form, r *http.Request, lang, self string) frame {
	v := view{lang, embedder(f, r)}
	fr := frame{Words: wordsOf(lang), Lang: lang, CSS: a.asset("form.css"), JS: a.asset("form.js"),
		Theme:    a.base() + "-/" + f.name + themeFile + "?v=" + short([]byte(f.theme.css())),
		Embedded: v.parent != "", Parent: v.parent, FormName: f.name, HomeTitle: f.title[lang]}
	if len(f.langs) > 1 {
		for _, l := range f.langs {
			fr.Langs = append(fr.Langs, link{self + view{l, v.parent}.query(), wordsOf(l).say("language"), l, l == lang})
		}
	}
	return fr
}

// showForm is the page of a form nobody sent yet. Fields may be filled in by
// the address: ?order=4711.
func (a *adapter) showForm(w http.ResponseWriter, r *http.Request, f *form) {
	lang := f.languageOf(r)
	sub := &submission{values: map[string][]string{}, basket: newBasket(f.upload, a.Blobs)}
	q := r.URL.Query()
	for _, x := range f.fields {
		sub.values[x.name] = x.initial
		if v := q[x.name]; len(v) > 0 && len(v) <= 100 && !x.fixed && x.kind != kindFile && len(v[0]) <= maxPhrase {
			sub.values[x.name] = v
		}
	}
	a.render(w, http.StatusOK, f, a.formPage(r, f, lang, sub, nil))
}

// takePage takes what a page without script sends, and sends on to the receipt,
// so that a reload sends nothing again (RFC 9110 section 15.4.4).
func (a *adapter) takePage(w http.ResponseWriter, r *http.Request, f *form) {
	lang := f.languageOf(r)
	sub, id, no := a.take(w, r, f, lang)
	if no == nil {
		w.Header().Set("Cache-Control", "no-store")
		http.Redirect(w, r, a.receiptURL(f, id, view{lang, embedder(f, r)}), http.StatusSeeOther)
		return
	}
	if no.retry > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(no.retry))
	}
	a.render(w, no.status, f, a.formPage(r, f, lang, sub, no))
}

func (a *adapter) render(w http.ResponseWriter, status int, f *form, p formPage) {
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, "form.html", p); err != nil {
		a.Log.Error("webform: page", "error", err)
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	pageHeaders(w.Header(), f, p.Lang)
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // who hung up needs no answer
}

func (a *adapter) formPage(r *http.Request, f *form, lang string, sub *submission, no *refusal) formPage {
	w := wordsOf(lang)
	self := a.base() + f.name
	v := view{lang, embedder(f, r)}
	p := formPage{frame: a.frame(f, r, lang, self), Intro: paragraphs(f.intro[lang]), Action: self + v.query(), JSON: self + ".json" + v.query(),
		Token: sub.token, Bait: f.honeypot, Files: f.takesFiles(), Captcha: f.spam.captcha, Texts: scriptWords(w), Limits: scriptLimits(f)}
	p.Title = f.title[lang]
	if _, err := a.signer.readToken(f.name, sub.token, a.Now(), f.spam); errIsStale(err) || no != nil && no.stale {
		p.Token = a.signer.token(f.name, a.Now())
	}
	var wrong wrongs
	if no != nil {
		p.Title = w.say("error") + ": " + p.Title
		wrong = no.wrong
		if no.key != "" {
			p.Alert = w.say(cmp.Or(no.page, no.key))
		} else {
			p.Alert = counted(w, len(wrong))
		}
	}
	for i, x := range f.fields {
		fv := a.fieldView(f, x, i, lang, sub, wrong[x.name])
		p.Fields = append(p.Fields, fv)
		if fv.Problem != "" {
			p.Problems = append(p.Problems, problemView{fv.ID, fv.Label, fv.Problem})
		}
	}
	return p
}

func errIsStale(err error) bool { return err != nil && err != errFast }

func counted(w words, n int) string {
	if n == 1 {
		return w.say("summary one")
	}
	return w.say("summary", strconv.Itoa(n))
}

func (a *adapter) fieldView(f *form, x *field, i int, lang string, sub *submission, wrong *problem) fieldView {
	w := wordsOf(lang)
	id := "f" + strconv.Itoa(i)
	v := fieldView{ID: id, Name: x.name, Kind: string(x.kind), Label: x.label[lang], Help: x.help[lang],
		Required: x.required && x.when == nil, Needed: x.required, Min: x.min, Max: x.max, Complete: complete(x)}
	if x.kind == kindText || x.kind == kindLongText {
		v.MaxLength = x.maxLength
	}
	if x.pattern != nil {
		v.Pattern = x.pattern.String()
	}
	if values := sub.values[x.name]; len(values) > 0 {
		v.Value = desk.Clean(values[0])
	}
	if x.kind == kindCheckbox {
		v.Value = ticked(sub.values[x.name])
	}
	for j, o := range x.options {
		v.Options = append(v.Options, optionView{id + "-" + strconv.Itoa(j), o.value, o.label[lang], slices.Contains(sub.values[x.name], o.value)})
	}
	if c := x.when; c != nil {
		v.When = c.script()
		v.Hint = c.inWords(f, w, lang)
	}
	if x.kind == kindFile {
		v.Multiple = f.upload.files > 1
		v.Accept = strings.Join(f.upload.types.exts(), ",")
		v.FileHint = fileHint(f.upload, w)
		for j, file := range sub.basket.files[x.name] {
			token := a.signer.keep(keptFile{x.name, f.name, file, a.Now().Add(f.spam.tokenLife).Unix()})
			v.Kept = append(v.Kept, keptView{id + "-kept" + strconv.Itoa(j), token, w.say("kept", file.Name, size(file.Blob.Size))})
		}
	}
	if wrong != nil {
		v.Problem = wrong.in(w)
	}
	v.Describes = v.describes()
	return v
}

// describes lists what describes the field; the problem's element is always
// there, so that the script can fill it.
func (v fieldView) describes() string {
	ids := []string{v.ID + "-problem"}
	for part, text := range map[string]string{"-help": v.Help, "-hint": v.Hint, "-files": v.FileHint} {
		if text != "" {
			ids = append(ids, v.ID+part)
		}
	}
	slices.Sort(ids)
	return strings.Join(ids, " ")
}

// complete tells the browser what a field is, so that it can fill it in.
func complete(x *field) string {
	switch {
	case x.kind == kindEmail:
		return "email"
	case x.kind == kindPhone:
		return "tel"
	case x.to == toName:
		return "name"
	}
	return ""
}

// script is the condition as assets/form.js reads it.
func (c *condition) script() string {
	out, _ := json.Marshal(struct { // texts
		Field    string   `json:"field"`
		In       []string `json:"in,omitempty"`
		NotEmpty bool     `json:"notEmpty,omitempty"`
	}{c.field, c.in, c.notEmpty})
	return string(out)
}

// inWords says when the field counts, for a page that cannot hide it.
func (c *condition) inWords(f *form, w words, lang string) string {
	on := f.field(c.field)
	if on.kind == kindHidden {
		return ""
	}
	if c.notEmpty {
		return w.say("only filled", w.say("quoted", on.label[lang]))
	}
	var values []string
	for _, v := range c.in {
		switch {
		case on.kind == kindCheckbox && v == "true":
			values = append(values, w.say("yes"))
		case on.kind == kindCheckbox:
			values = append(values, w.say("no"))
		default:
			values = append(values, on.optionLabel(v, lang))
		}
	}
	for i, v := range values {
		values[i] = w.say("quoted", v)
	}
	return w.say("only when", w.say("quoted", on.label[lang]), strings.Join(values, " "+w.say("or")+" "))
}

func fileHint(u upload, w words) string {
	types := w.say("any type")
	if exts := u.types.exts(); exts != nil {
		types = strings.ReplaceAll(strings.Join(exts, ", "), ".", "")
	}
	if u.files == 1 {
		return w.say("file hint one", size(u.fileBytes), types)
	}
	return w.say("file hint", strconv.Itoa(u.files), size(u.fileBytes), size(u.totalBytes), types)
}

// scriptWords are the texts assets/form.js needs.
func scriptWords(w words) string {
	out := map[string]string{}
	for _, k := range []string{"sending", "progress", "summary one", "summary", "not sent", "required", "required choice", "required choices",
		"required checkbox", "required file", "email", "phone", "number", "min", "max", "date", "date min", "date max", "long", "pattern",
		"too many files", "file too large", "files too large", "file type", "file empty", "generic", "network", "error"} {
		out[k] = w.say(k)
	}
	data, _ := json.Marshal(out) // texts
	return string(data)
}

func scriptLimits(f *form) string {
	data, _ := json.Marshal(map[string]any{"files": f.upload.files, "fileBytes": f.upload.fileBytes, "totalBytes": f.upload.totalBytes, // plain
		"fileSize": size(f.upload.fileBytes), "totalSize": size(f.upload.totalBytes)})
	return string(data)
}

func short(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:6])
}

func cleaned(values []string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, v := range values {
			if !yield(desk.Clean(v)) {
				return
			}
		}
	}
}
