package webform

import (
	"bytes"
	"embed"
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

//go:embed assets/*
var assetFiles embed.FS

// asset is the address of a file of ours; it changes with the file, so that it
// may be kept for ever.
func (a *adapter) asset(name string) string {
	return a.base() + "-/" + name + "?v=" + assetVersions[name]
}

// themeFile is what the name of a form's colours ends in, behind the form's.
const themeFile = ".theme.css"

var assetVersions = map[string]string{"form.css": version("form.css"), "form.js": version("form.js")}

func version(name string) string { return short(assetBytes(name)) }

func assetBytes(name string) []byte {
	data, err := assetFiles.ReadFile("assets/" + name)
	if err != nil {
		panic(err) // embedded
	}
	return data
}

// serveAsset serves form.css, form.js and the colours of each form.
func (a *adapter) serveAsset(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("file")
	var data []byte
	if assetVersions[name] != "" {
		data = assetBytes(name)
	} else if f := a.site.form(strings.TrimSuffix(name, themeFile)); f != nil && strings.HasSuffix(name, themeFile) {
		data = []byte(f.theme.css())
	} else {
		http.NotFound(w, r)
		return
	}
	cache := "public, max-age=300"
	if r.URL.Query().Get("v") == short(data) {
		cache = "public, max-age=31536000, immutable"
	}
	serveFile(w, r, name, data, cache)
}

func serveFile(w http.ResponseWriter, r *http.Request, name string, data []byte, cache string) {
	h := w.Header()
	h.Set("Cache-Control", cache)
	h.Set("Etag", `"`+short(data)+`"`)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Type", "text/css; charset=utf-8")
	if strings.HasSuffix(name, ".js") {
		h.Set("Content-Type", "text/javascript; charset=utf-8")
	}
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(data))
}

// showEmbed is the script another site includes to show the form:
//
//	<script async src="https://desk.example.com/forms/site/contact/embed.js"></script>
//
// The form appears where the script stands, or in the element data-target names.
// data-lang chooses the language; other data attributes fill in fields. On a site
// the form does not name, browsers refuse the frame (frame-ancestors), so the
// script shows a link instead.
func (a *adapter) showEmbed(w http.ResponseWriter, r *http.Request, f *form) {
	open := phrase{}
	for _, l := range f.langs {
		open[l] = wordsOf(l).say("open")
	}
	settings, err := json.Marshal(map[string]any{"origins": append([]string{}, f.origins...), "languages": f.langs, "title": f.title, "open": open})
	if err != nil {
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Cross-Origin-Resource-Policy", "cross-origin")
	script := bytes.Replace(assetBytes("embed.js"), []byte("/*settings*/ {}"), settings, 1)
	serveFile(w, r, "embed.js", script, "public, max-age=300")
}
