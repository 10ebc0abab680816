package fakeslack

import (
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// request to the Web API, as a method sees it.
type args struct {
	url.Values
	body []byte
}

// reply is an answer: an error, or fields beside "ok".
type reply struct {
	err    string
	status int    // an HTTP status instead
	after  string // Retry-After
	fields object
}

func no(err string) reply       { return reply{err: err} }
func yes(fields object) reply   { return reply{fields: fields} }
func limited(secs string) reply { return reply{status: http.StatusTooManyRequests, after: secs} }

// handler is the whole server.
func (f *Fake) handler() http.Handler {
	methods := map[string]func(args) reply{
		"auth.test":                    f.authTest,
		"chat.postMessage":             f.postMessage,
		"chat.update":                  f.updateMessage,
		"chat.delete":                  f.deleteMessage,
		"conversations.replies":        f.replies,
		"conversations.history":        f.history,
		"conversations.info":           f.info,
		"conversations.open":           f.openDirect,
		"users.info":                   f.userInfo,
		"users.lookupByEmail":          f.userByEmail,
		"files.info":                   f.fileInfo,
		"files.delete":                 f.deleteFile,
		"files.getUploadURLExternal":   f.uploadURL,
		"files.completeUploadExternal": f.completeUpload,
		"views.open":                   f.openView,
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/api/{method}", func(w http.ResponseWriter, r *http.Request) {
		name := r.PathValue("method")
		a, token, err := readArgs(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		f.serve(w, name, a, func() reply {
			switch m := methods[name]; {
			case m == nil:
				return no("unknown_method")
			case token == "":
				return no("not_authed")
			case token != f.o.BotToken:
				return no("invalid_auth")
			default:
				f.mu.Lock()
				defer f.mu.Unlock()
				return m(a)
			}
		})
	})
	mux.HandleFunc("GET /files-pri/{place}/{name}", f.download)
	mux.HandleFunc("POST /upload/{id}", f.takeUpload)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, "<!DOCTYPE html><title>Sign in to Slack</title>")
	})
	return mux
}

// readArgs reads a call: a form or JSON, the token in a header or in the form.
func readArgs(r *http.Request) (args, string, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 4<<20))
	if err != nil {
		return args{}, "", err
	}
	a := args{Values: r.URL.Query(), body: body}
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind == "application/json" {
		var fields map[string]any
		if err := json.Unmarshal(body, &fields); err != nil {
			return a, "", err
		}
		for k, v := range fields {
			if s, ok := v.(string); ok {
				a.Set(k, s)
			}
		}
	} else {
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return a, "", err
		}
		for k, v := range form {
			a.Values[k] = v
		}
	}
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if token == "" {
		token = a.Get("token")
	}
	a.Del("token")
	return a, token, nil
}

// serve answers a call, with the fault that was asked for.
func (f *Fake) serve(w http.ResponseWriter, name string, a args, do func() reply) {
	f.mu.Lock()
	var fault Fault
	if q := f.faults[name]; len(q) > 0 {
		fault, f.faults[name] = q[0], q[1:]
	}
	f.mu.Unlock()
	if !fault.wait(f.ctx) {
		return
	}
	var r reply
	switch {
	case fault.Drop, fault.Body != "":
	case fault.Status != 0:
		r = reply{status: fault.Status, after: fault.RetryAfter}
	case fault.Error != "":
		r = no(fault.Error)
	default:
		r = do()
	}
	f.record(name, a, r)
	if fault.Drop || fault.Cut {
		cut(w)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	if fault.Body != "" {
		_, _ = io.WriteString(w, fault.Body)
		return
	}
	if r.after != "" {
		w.Header().Set("Retry-After", r.after)
	}
	if r.status != 0 {
		w.WriteHeader(r.status)
		return
	}
	out := object{"ok": r.err == ""}
	if r.err != "" {
		out["error"] = r.err
	}
	for k, v := range r.fields {
		out[k] = v
	}
	_ = json.NewEncoder(w).Encode(out)
}

func cut(w http.ResponseWriter) {
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		_ = conn.Close()
	}
}

func (f *Fake) record(name string, a args, r reply) {
	answer := "ok"
	switch {
	case r.err != "":
		answer = r.err
	case r.status != 0:
		answer = strconv.Itoa(r.status)
	}
	flat := map[string]string{}
	for k := range a.Values {
		flat[k] = a.Get(k)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, Call{Method: name, Args: flat, Body: a.body, Answer: answer})
	f.touch()
}
