package webform

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net/http"
	"slices"
	"strconv"
	"time"

	"switchboard/channels"
	"switchboard/channels/limit"
	"switchboard/pipeline/desk"
)

// Routes are the pages and endpoints of every form.
func (a *adapter) Routes() []channels.Route {
	base := "/forms/" + a.Source.Name + "/"
	routes := []channels.Route{
		{Pattern: "GET " + base + "receipts/{token}", Handler: http.HandlerFunc(a.showReceipt)},
		{Pattern: "GET " + base + "-/{file}", Handler: http.HandlerFunc(a.serveAsset)},
	}
	add := func(pattern string, f *form, h func(http.ResponseWriter, *http.Request, *form)) {
		routes = append(routes, channels.Route{Pattern: pattern, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h(w, r, f) })})
	}
	for _, f := range a.site.forms {
		add("GET "+base+f.name, f, a.showForm)
		add("POST "+base+f.name, f, a.takePage)
		add("GET "+base+f.name+".json", f, a.showJSON)
		add("POST "+base+f.name+".json", f, a.takeJSON)
		add("OPTIONS "+base+f.name+".json", f, a.preflight)
		add("GET "+base+f.name+"/embed.js", f, a.showEmbed)
	}
	return routes
}

// refusal is why a submission was not taken. Its words never repeat what was
// sent, and never tell a machine what gave it away.
type refusal struct {
	status int
	key    string // of words: what is said above the form; empty: only wrong counts
	page   string // instead of key, where nothing but the page has what was sent
	wrong  wrongs // by field
	retry  int    // seconds; 0: not said
	stale  bool   // the token is of no use any more
	why    reason // for the counts
}

// uploadTime is how long the body of a form that takes files may need, instead
// of the server's own limit: people have slow lines.
const uploadTime = 10 * time.Minute

// take takes one submission: it is guarded, read, checked and handed to the
// ledger, in this order. sub has what was sent, for a page that shows it again.
func (a *adapter) take(w http.ResponseWriter, r *http.Request, f *form, lang string) (sub *submission, id desk.ReceiptID, no *refusal) {
	defer func() {
		switch {
		case no != nil:
			a.countRefusal(r.Context(), f, no.why)
		case id != "":
			a.counts.add(countTaken)
		}
	}()
	sub = &submission{values: map[string][]string{}, basket: newBasket(f.upload, a.Blobs), typed: wrongs{}}
	if err := a.origins[f.name].Check(r); err != nil {
		return sub, "", &refusal{status: http.StatusForbidden, key: "generic", why: badOrigin}
	}
	from := limit.ClientAddr(r, a.site.proxies)
	if retry, ok := a.rates[f.name].address(from); !ok {
		return sub, "", &refusal{status: http.StatusTooManyRequests, key: "busy", page: "unread", retry: retry, why: fullAddress}
	}
	if f.takesFiles() {
		control := http.NewResponseController(w)
		_ = control.SetReadDeadline(time.Now().Add(uploadTime)) // not every writer can
	}
	err := f.read(r.Context(), w, r, sub, a.Limits.TextBytes, func(s *submission) error { return a.gate(f, s) })
	if err != nil {
		a.show(f, sub)
		return sub, "", a.refused(r.Context(), err)
	}
	if retry, ok := a.rates[f.name].whole(); !ok {
		a.show(f, sub)
		return sub, "", &refusal{status: http.StatusTooManyRequests, key: "busy", retry: retry, why: fullForm}
	}
	for k := range a.kept(f, sub) {
		err = errors.Join(err, sub.basket.again(r.Context(), k))
	}
	if err != nil {
		return sub, "", a.refused(r.Context(), err)
	}
	shown := f.visible(sub.values, sub.basket.held)
	answers, wrong := f.check(sub.values, shown, sub.basket.held)
	for name, p := range sub.basket.wrong {
		if shown[name] {
			wrong[name] = p
		}
	}
	for name, p := range sub.typed {
		wrong[name] = p
	}
	if len(wrong) > 0 || len(sub.unknown) > 0 {
		return sub, "", &refusal{status: http.StatusUnprocessableEntity, wrong: wrong, why: wrongFields}
	}
	if c := f.spam.captcha; c != nil {
		if err := a.verify(r.Context(), c, sub.captcha, from); err != nil {
			return sub, "", a.refused(r.Context(), err)
		}
	}
	s := &sent{source: a.Source, form: f, id: sub.id, lang: lang, page: embedder(f, r), answers: answers, at: a.Now().UTC()}
	for _, x := range f.fields {
		if shown[x.name] {
			s.files = append(s.files, sub.basket.files[x.name]...)
		}
	}
	if id, err = a.submit(r.Context(), s, sub, shown); err != nil {
		return sub, "", a.refused(r.Context(), err)
	}
	return sub, id, nil
}

// kept are the files of a submission that are here already, by what it says.
func (a *adapter) kept(f *form, sub *submission) iter.Seq[keptFile] {
	return func(yield func(keptFile) bool) {
		for _, token := range sub.kept {
			if k, ok := a.signer.readKept(f.name, token, a.Now()); ok && f.field(k.Field) != nil && !yield(k) {
				return
			}
		}
	}
}

// show has the files that are here already on the page of a refusal before they
// were looked at: the form comes back with everything it had.
func (a *adapter) show(f *form, sub *submission) {
	for k := range a.kept(f, sub) {
		sub.basket.take(k.Field, k.File)
	}
}

// gate vouches for a submission before anything of it is kept.
func (a *adapter) gate(f *form, s *submission) error {
	id, err := a.signer.readToken(f.name, s.token, a.Now(), f.spam)
	s.id = id
	if err != nil {
		return err
	}
	if s.bait != "" {
		return errBait
	}
	return nil
}

// refused is the answer to an error. What a machine did wrong is one answer.
func (a *adapter) refused(ctx context.Context, err error) *refusal {
	why := reasonOf(err)
	switch {
	case errors.Is(err, errToken):
		return &refusal{status: http.StatusUnprocessableEntity, key: "generic", stale: true, why: why}
	case errors.Is(err, errFast), errors.Is(err, errBait), errors.Is(err, errCaptcha):
		return &refusal{status: http.StatusUnprocessableEntity, key: "generic", why: why}
	case errors.Is(err, errTooLarge):
		return &refusal{status: http.StatusRequestEntityTooLarge, key: "too large", why: why}
	case errors.Is(err, errMedia):
		return &refusal{status: http.StatusUnsupportedMediaType, key: "generic", why: why}
	case errors.Is(err, errUnread):
		return &refusal{status: http.StatusServiceUnavailable, key: "unavailable", page: "unread", retry: 5, why: why}
	case errors.Is(err, errClient):
		return &refusal{status: http.StatusBadRequest, key: "generic", why: why}
	case errors.Is(err, errNoJudge): // the log has it
		return &refusal{status: http.StatusServiceUnavailable, key: "unavailable", retry: 5, why: why}
	case errors.Is(err, desk.ErrBusy):
		return &refusal{status: http.StatusServiceUnavailable, key: "unavailable", retry: 1, why: why}
	case errors.Is(err, desk.ErrUnavailable), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		a.Log.WarnContext(ctx, "webform: submit", "error", err)
		return &refusal{status: http.StatusServiceUnavailable, key: "unavailable", retry: 5, why: why}
	}
	a.Log.ErrorContext(ctx, "webform: submit", "error", err)
	return &refusal{status: http.StatusServiceUnavailable, key: "unavailable", retry: 30, why: why}
}

// record is what was sent, as it is kept beside the draft: what was shown, and
// nothing else.
type record struct {
	Source   string              `json:"source"`
	Form     string              `json:"form"`
	Token    string              `json:"token"`
	Language string              `json:"language"`
	Page     string              `json:"page,omitempty"`
	Values   map[string][]string `json:"values"`
	Files    []recordedFile      `json:"files,omitempty"`
}

type recordedFile struct {
	Field string `json:"field"`
	desk.Attachment
}

// submit keeps the whole of what was sent, makes the draft and hands it over.
func (a *adapter) submit(ctx context.Context, s *sent, sub *submission, shown map[string]bool) (desk.ReceiptID, error) {
	rec := record{Source: a.Source.Name, Form: s.form.name, Token: s.id, Language: s.lang, Page: s.page, Values: map[string][]string{}}
	for _, x := range s.form.fields {
		if !shown[x.name] {
			continue
		}
		if v := sub.values[x.name]; len(v) > 0 && !x.fixed {
			rec.Values[x.name] = slices.Collect(cleaned(v))
		}
		for _, f := range sub.basket.files[x.name] {
			rec.Files = append(rec.Files, recordedFile{x.name, f})
		}
	}
	data, err := json.Marshal(rec)
	if err != nil {
		return "", err
	}
	raw, err := a.Keep(ctx, data)
	if err != nil {
		return "", err
	}
	s.raw, s.kept = raw.Ref, raw.List()
	ids, err := a.Sink.Submit(ctx, nil, draftFrom(s))
	if err != nil {
		return "", err
	}
	if len(ids) != 1 {
		return "", errors.New("webform: the sink gave " + strconv.Itoa(len(ids)) + " receipts for one draft")
	}
	return ids[0], nil
}
