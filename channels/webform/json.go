package webform

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
)

// The JSON form of a form, for a site's own front end: GET it for the fields
// and a token, POST {"token", "values"} or multipart/form-data to it.

// formJSON is a form as a front end needs it, in one language.
type formJSON struct {
	Source     string      `json:"source"`
	Form       string      `json:"form"`
	Title      string      `json:"title"`
	Intro      string      `json:"intro,omitempty"`
	Language   string      `json:"language"`
	Languages  []string    `json:"languages"`
	Token      string      `json:"token"`
	MinSeconds int         `json:"minSeconds"` // sooner nothing is taken
	TokenLife  int         `json:"tokenSeconds"`
	Fields     []fieldJSON `json:"fields"`
	Upload     *uploadJSON `json:"upload,omitempty"`
	Captcha    *captchaOut `json:"captcha,omitempty"`
}

type fieldJSON struct {
	Name      string          `json:"name"`
	Type      kind            `json:"type"`
	Label     string          `json:"label,omitempty"`
	Help      string          `json:"help,omitempty"`
	Required  bool            `json:"required"`
	Default   []string        `json:"default,omitempty"`
	Options   []optionJSON    `json:"options,omitempty"`
	Min       string          `json:"min,omitempty"`
	Max       string          `json:"max,omitempty"`
	MaxLength int             `json:"maxLength,omitempty"`
	Pattern   string          `json:"pattern,omitempty"`
	When      json.RawMessage `json:"when,omitempty"`
}

type optionJSON struct {
	Value string `json:"value"`
	Label string `json:"label"`
}

type uploadJSON struct {
	Files      int      `json:"files"`
	FileBytes  int64    `json:"fileBytes"`
	TotalBytes int64    `json:"totalBytes"`
	Types      []string `json:"types,omitempty"` // what names end in; none: anything
}

type captchaOut struct {
	SiteKey  string `json:"siteKey"`
	Response string `json:"response"` // the field a multipart body has it in; "captcha" in JSON
}

// acceptedJSON answers a submission that was taken.
type acceptedJSON struct {
	Receipt string `json:"receipt"`
	State   string `json:"state"`
	URL     string `json:"url"` // of the receipt's page
	Message string `json:"message"`
}

// problemJSON is a refusal (RFC 9457). It never repeats what was sent.
type problemJSON struct {
	Type   string       `json:"type"`
	Title  string       `json:"title"`
	Status int          `json:"status"`
	Detail string       `json:"detail"`
	Errors []fieldError `json:"errors,omitempty"`
	// Token is a fresh one, when the one that was sent is of no use any more.
	Token string `json:"token,omitempty"`
}

type fieldError struct {
	Field   string `json:"field"`
	Message string `json:"message"`
}

func (a *adapter) showJSON(w http.ResponseWriter, r *http.Request, f *form) {
	lang := f.languageOf(r)
	out := formJSON{Source: a.Source.Name, Form: f.name, Title: f.title[lang], Intro: f.intro[lang], Language: lang, Languages: f.langs,
		Token: a.signer.token(f.name, a.Now()), MinSeconds: int(f.spam.minTime.Seconds()), TokenLife: int(f.spam.tokenLife.Seconds()), Fields: []fieldJSON{}}
	for _, x := range f.fields {
		if x.fixed {
			continue
		}
		v := fieldJSON{Name: x.name, Type: x.kind, Label: x.label[lang], Help: x.help[lang], Required: x.required, Default: x.initial, Min: x.min, Max: x.max}
		for _, o := range x.options {
			v.Options = append(v.Options, optionJSON{o.value, o.label[lang]})
		}
		if x.kind == kindText || x.kind == kindLongText || x.kind == kindHidden {
			v.MaxLength = x.maxLength
		}
		if x.pattern != nil {
			v.Pattern = x.pattern.String()
		}
		if x.when != nil {
			v.When = json.RawMessage(x.when.script())
		}
		out.Fields = append(out.Fields, v)
	}
	if f.takesFiles() {
		out.Upload = &uploadJSON{f.upload.files, f.upload.fileBytes, f.upload.totalBytes, f.upload.types.exts()}
	}
	if c := f.spam.captcha; c != nil {
		out.Captcha = &captchaOut{c.SiteKey, c.Response}
	}
	f.jsonHeaders(w.Header(), r, "application/json")
	writeJSON(w, http.StatusOK, out)
}

func (a *adapter) takeJSON(w http.ResponseWriter, r *http.Request, f *form) {
	if a.takeCanary(w, r) {
		return
	}
	lang := f.languageOf(r)
	sub, id, no := a.take(w, r, f, lang)
	if no == nil {
		url := a.receiptURL(f, id, view{lang, embedder(f, r)})
		f.jsonHeaders(w.Header(), r, "application/json")
		w.Header().Set("Location", url)
		writeJSON(w, http.StatusAccepted, acceptedJSON{string(id), "accepted", url, a.thanks(f, lang)})
		return
	}
	f.jsonHeaders(w.Header(), r, "application/problem+json")
	if no.retry > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(no.retry))
	}
	writeJSON(w, no.status, a.problem(f, lang, sub, no))
}

func (a *adapter) problem(f *form, lang string, sub *submission, no *refusal) problemJSON {
	words := wordsOf(lang)
	p := problemJSON{Type: "about:blank", Title: http.StatusText(no.status), Status: no.status}
	for _, x := range f.fields {
		if wrong := no.wrong[x.name]; wrong != nil {
			p.Errors = append(p.Errors, fieldError{x.name, wrong.in(words)})
		}
	}
	slices.Sort(sub.unknown)
	for _, name := range sub.unknown {
		if len(p.Errors) < 100 {
			p.Errors = append(p.Errors, fieldError{name, "is not a field of this form"})
		}
	}
	p.Detail = counted(words, len(p.Errors))
	if no.key != "" {
		p.Detail = words.say(cmp.Or(no.key, "generic"))
	}
	if no.stale {
		p.Token = a.signer.token(f.name, a.Now())
	}
	return p
}

// preflight answers a browser that asks whether a site may post (Fetch, "CORS
// preflight").
func (a *adapter) preflight(w http.ResponseWriter, r *http.Request, f *form) {
	f.cors(w.Header(), r)
	if origin := r.Header.Get("Origin"); !f.allows(origin) {
		if origin != "" {
			a.countRefusal(r.Context(), f, badOrigin) // the browser will not post at all
		}
	} else {
		w.Header().Set("Access-Control-Allow-Methods", "GET, POST")
		w.Header().Set("Access-Control-Allow-Headers", "Content-Type")
		w.Header().Set("Access-Control-Max-Age", "600")
	}
	w.WriteHeader(http.StatusNoContent)
}

func (f *form) jsonHeaders(h http.Header, r *http.Request, media string) {
	f.cors(h, r)
	h.Add("Vary", "Accept-Language")
	h.Set("Content-Type", media)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // who hung up needs no answer
}
