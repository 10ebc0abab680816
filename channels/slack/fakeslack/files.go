package fakeslack

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// maxUpload bounds an upload.
const maxUpload = 256 << 20

func (f *Fake) fileInfo(a args) reply {
	x, ok := f.files[a.Get("file")]
	if !ok {
		return no("file_not_found")
	}
	return yes(object{"file": f.fileShape(x, false)})
}

// deleteFile deletes a file; where it was shared it is seen no more. The lock is held.
func (f *Fake) deleteFile(a args) reply {
	x, ok := f.files[a.Get("file")]
	if !ok {
		return no("file_not_found")
	}
	delete(f.files, x.ID)
	for _, m := range f.messages {
		m.Files = slices.DeleteFunc(slices.Clone(m.Files), func(y *File) bool { return x == y })
	}
	f.touch()
	return yes(object{})
}

// download gives a file to who has the token; others land on the sign-in page,
// with 200 in the end, as at Slack.
func (f *Fake) download(w http.ResponseWriter, r *http.Request) {
	_, id, _ := strings.Cut(r.PathValue("place"), "-")
	f.mu.Lock()
	x := f.files[id]
	var fault Fault
	if q := f.faults["download"]; len(q) > 0 {
		fault, f.faults["download"] = q[0], q[1:]
	}
	f.calls = append(f.calls, Call{Method: "download", Args: map[string]string{"id": id}, Answer: "ok"})
	f.touch()
	f.mu.Unlock()
	if !fault.wait(f.ctx) {
		return
	}
	switch {
	case fault.Drop:
		cut(w)
	case fault.Status != 0:
		w.WriteHeader(fault.Status)
	case r.Header.Get("Authorization") != "Bearer "+f.o.BotToken:
		http.Redirect(w, r, "/?redir="+url.QueryEscape(r.URL.Path), http.StatusFound)
	case x == nil:
		http.NotFound(w, r)
	case fault.Body != "": // an address to be sent on to
		http.Redirect(w, r, fault.Body, http.StatusFound)
	default:
		w.Header().Set("Content-Type", x.Mimetype)
		w.Header().Set("Content-Length", strconv.Itoa(len(x.Bytes)))
		if fault.Cut {
			_, _ = w.Write(x.Bytes[:len(x.Bytes)/2])
			cut(w)
			return
		}
		_, _ = w.Write(x.Bytes)
	}
}

// uploadURL reserves a file. The lock is held.
func (f *Fake) uploadURL(a args) reply {
	n, err := strconv.Atoi(a.Get("length"))
	if err != nil || n <= 0 || a.Get("filename") == "" {
		return no("invalid_arguments")
	}
	x := f.addFile(File{Name: a.Get("filename"), Mimetype: "application/octet-stream"})
	return yes(object{"upload_url": f.base + "/upload/" + x.ID + "?length=" + strconv.Itoa(n), "file_id": x.ID})
}

// takeUpload takes the bytes of a reserved file: a form with one file.
func (f *Fake) takeUpload(w http.ResponseWriter, r *http.Request) {
	part, err := r.MultipartReader()
	if err != nil {
		http.Error(w, "no form", http.StatusBadRequest)
		return
	}
	p, err := part.NextPart()
	if err != nil {
		http.Error(w, "no file", http.StatusBadRequest)
		return
	}
	body, err := io.ReadAll(io.LimitReader(p, maxUpload))
	f.mu.Lock()
	defer f.mu.Unlock()
	x := f.files[r.PathValue("id")]
	if err != nil || x == nil || strconv.Itoa(len(body)) != r.URL.Query().Get("length") {
		http.Error(w, "not what was announced", http.StatusBadRequest)
		return
	}
	x.Bytes = body
	f.calls = append(f.calls, Call{Method: "upload", Args: map[string]string{"id": x.ID, "name": p.FileName()}, Answer: "ok"})
	f.touch()
	_, _ = io.WriteString(w, "OK - "+strconv.Itoa(len(body)))
}

// completeUpload shares uploaded files as one message of the app. The lock is
// held.
func (f *Fake) completeUpload(a args) reply {
	var list []struct{ ID, Title string }
	if json.Unmarshal([]byte(a.Get("files")), &list) != nil || len(list) == 0 {
		return no("invalid_arguments")
	}
	if channel := a.Get("channel_id"); channel != "" {
		if why := f.mayWrite(channel); why != "" {
			return no(why)
		}
	}
	m := Message{Channel: a.Get("channel_id"), ThreadTS: a.Get("thread_ts"), User: BotUser, BotID: BotID, Text: a.Get("initial_comment")}
	out := []any{}
	for _, l := range list {
		x := f.files[l.ID]
		if x == nil || x.Bytes == nil {
			return no("file_not_found")
		}
		x.Title = l.Title
		m.Files = append(m.Files, x)
		out = append(out, object{"id": x.ID, "title": x.Title})
	}
	if m.Channel != "" {
		f.echo(f.add(m))
	}
	return yes(object{"files": out})
}
