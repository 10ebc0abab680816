package api

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"switchboard/pipeline/desk"
)

// stream answers with a file, a piece at a time, and closes it. It asks the books
// nothing. What strangers sent must not act in a browser that opens it: it is
// saved, not shown (RFC 6266), its type is not guessed, and where it is shown
// nevertheless it may run and load nothing (CSP Level 3, sandbox). Copies belong to
// who asked and are asked about each time: the key may have been revoked, or the
// comment deleted.
func (s *server) stream(w http.ResponseWriter, r *http.Request, a desk.Attachment, file io.ReadSeekCloser) {
	defer file.Close()
	h := w.Header()
	h.Set("Content-Type", mediaType(a.ContentType))
	h.Set("Content-Disposition", disposition(a.Name))
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "private, no-cache")
	h.Set("ETag", `"`+a.Blob.Digest+`"`)
	out := &patient{ResponseWriter: w, control: http.NewResponseController(w), stall: s.Limits.Stall, size: a.Blob.Size}
	in := &heedful{ReadSeekCloser: file}
	http.ServeContent(out, r, "", time.Time{}, in)
	if in.err != nil { // the connection ends before the Content-Length, which tells the client
		s.Log.ErrorContext(r.Context(), "api: read a file", "file", a, "error", in.err)
	}
	out.end()
}

// heedful remembers why a file could not be read on.
type heedful struct {
	io.ReadSeekCloser
	err error
}

func (h *heedful) Read(p []byte) (int, error) {
	n, err := h.ReadSeekCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		h.err = err
	}
	return n, err
}

// patient writes to a client however slow it is, and gives up one that takes
// nothing for as long as stall. The library's refusals become problems.
type patient struct {
	http.ResponseWriter
	control *http.ResponseController
	stall   time.Duration
	size    int64 // of the file
	refused bool
}

func (p *patient) WriteHeader(status int) {
	if status < 400 {
		p.ResponseWriter.WriteHeader(status)
		return
	}
	p.refused = true
	h := p.Header()
	for _, name := range []string{"Content-Disposition", "Content-Length", "ETag"} {
		h.Del(name)
	}
	h.Set("Cache-Control", "no-store")
	detail := "something broke on our side; it was logged"
	switch status {
	case http.StatusPreconditionFailed:
		detail = "the file is not what If-Match says"
	case http.StatusRequestedRangeNotSatisfiable:
		detail = fmt.Sprintf("Range asks for no part of this file, which has %d bytes", p.size)
	}
	writeProblem(p.ResponseWriter, newProblem(status, detail))
}

func (p *patient) Write(b []byte) (int, error) {
	if p.refused {
		return len(b), nil
	}
	_ = p.control.SetWriteDeadline(time.Now().Add(p.stall)) // not every writer can
	return p.ResponseWriter.Write(b)
}

// end sends what is left within the time of the last write, and leaves the
// connection to the next request.
func (p *patient) end() {
	_ = p.control.Flush()
	_ = p.control.SetWriteDeadline(time.Time{})
}
