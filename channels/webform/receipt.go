package webform

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/oklog/ulid/v2"

	"switchboard/pipeline/desk"
)

// receiptPage is what templates/receipt.html shows.
type receiptPage struct {
	frame
	Found    bool
	Thanks   []string
	Receipt  string
	Time     string // RFC 3339, for the element
	When     string // for people
	State    string
	Continue string // mailto:
	Again    string
}

func (a *adapter) receiptURL(f *form, id desk.ReceiptID, v view) string {
	return a.base() + "receipts/" + a.signer.receiptToken(f.name, id) + v.query()
}

func (a *adapter) thanks(f *form, lang string) string {
	if s := f.success[lang]; s != "" {
		return s
	}
	return wordsOf(lang).say("success")
}

// showReceipt is the page of one submission: only whoever sent it has its
// address, and it says nothing but that it is here and how far it is.
func (a *adapter) showReceipt(w http.ResponseWriter, r *http.Request) {
	name, id, ok := a.signer.readReceipt(r.PathValue("token"))
	f := a.site.form(name)
	if !ok || f == nil {
		a.notFound(w, r)
		return
	}
	lang := f.languageOf(r)
	words := wordsOf(lang)
	v := view{lang, embedder(f, r)}
	p := receiptPage{frame: a.frame(f, r, lang, r.URL.Path), Found: true, Thanks: paragraphs(a.thanks(f, lang)), Receipt: string(id),
		State: words.say("state " + a.state(r.Context(), id)), Again: a.base() + f.name + v.query()}
	p.Title = words.say("thanks")
	if u, err := ulid.ParseStrict(string(id)); err == nil {
		at := ulid.Time(u.Time()).UTC()
		p.Time, p.When = at.Format(time.RFC3339), at.Format("2006-01-02 15:04 UTC")
	}
	if to := a.site.continueAddress; to != "" {
		p.Continue = "mailto:" + url.PathEscape(to) + "?subject=" + url.PathEscape(f.title[lang]+" "+desk.ReceiptToken(a.Secret, id)) // RFC 6068
	}
	a.renderReceipt(w, http.StatusOK, f, p)
}

// state is where a receipt stands; "unknown" when the books do not say.
func (a *adapter) state(ctx context.Context, id desk.ReceiptID) string {
	if a.Mailboxes == nil {
		return "unknown"
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	states, err := a.Mailboxes.States(ctx, []desk.ReceiptID{id})
	if err != nil {
		a.Log.WarnContext(ctx, "webform: state of a receipt", "receipt", id, "error", err)
		return "unknown"
	}
	switch s := states[id]; s {
	case desk.Accepted, desk.Filed, desk.Duplicate, desk.Held, desk.Failed, desk.Dropped:
		return string(s)
	}
	return "unknown"
}

func (a *adapter) notFound(w http.ResponseWriter, r *http.Request) {
	f := a.site.forms[0] // for its language; the page is nobody's
	lang := f.languageOf(r)
	p := receiptPage{frame: a.frame(f, r, lang, r.URL.Path)}
	p.Title = p.Words.say("not found")
	a.renderReceipt(w, http.StatusNotFound, nil, p)
}

func (a *adapter) renderReceipt(w http.ResponseWriter, status int, f *form, p receiptPage) {
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, "receipt.html", p); err != nil {
		a.Log.Error("webform: receipt", "error", err)
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	pageHeaders(w.Header(), f, p.Lang)
	w.Header().Set("X-Robots-Tag", "noindex, nofollow")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // who hung up needs no answer
}
