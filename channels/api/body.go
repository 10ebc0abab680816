package api

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"switchboard/pipeline/desk"
)

// bodyTimeout is how long a client may take to send a body.
const bodyTimeout = 15 * time.Second

// readBody reads and checks the body before the library decodes it: its type,
// its size, and that it is JSON we can keep. The library would answer 500 to a
// body cut off, and let doubled names and lost digits through.
func (s *server) readBody(ctx huma.Context, next func(huma.Context)) {
	if ctx.Operation().RequestBody == nil {
		next(ctx)
		return
	}
	r, w := humago.Unwrap(ctx)
	body, p := s.body(r, w)
	if p == nil {
		p = checkJSON(body)
	}
	if p != nil {
		writeProblem(w, p)
		return
	}
	r.Header.Set("Content-Type", "application/json")
	r.Body = io.NopCloser(bytes.NewReader(body))
	next(ctx)
}

func (s *server) body(r *http.Request, w http.ResponseWriter) ([]byte, *Problem) {
	if t := r.Header.Get("Content-Type"); t != "" && !isJSON(t) {
		return nil, newProblem(http.StatusUnsupportedMediaType, "the body must be application/json").
			with("Accept", "application/json")
	}
	limit := s.Limits.BodyBytes
	tooLarge := func() *Problem {
		return newProblem(http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes", limit))
	}
	if r.ContentLength > limit {
		w.Header().Set("Connection", "close")
		return nil, tooLarge()
	}
	_ = huma.SetReadDeadline(w, time.Now().Add(bodyTimeout)) // not every writer can
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if err == nil {
		_ = huma.SetReadDeadline(w, time.Time{})
	} else {
		// The rest of the body may never come: the server must not wait for it
		// before it answers, so the deadline stays and the connection ends.
		w.Header().Set("Connection", "close")
	}
	var big *http.MaxBytesError
	var slow net.Error
	switch {
	case errors.As(err, &big):
		return nil, tooLarge()
	case errors.Is(err, desk.ErrBusy):
		return nil, problemOf(err)
	case errors.As(err, &slow) && slow.Timeout():
		return nil, newProblem(http.StatusRequestTimeout, "the body did not arrive in time")
	case err != nil:
		return nil, newProblem(http.StatusBadRequest, "the body was cut off")
	case len(body) == 0:
		return nil, newProblem(http.StatusBadRequest, "a JSON body is needed")
	}
	return body, nil
}

func isJSON(contentType string) bool {
	t, _, err := mime.ParseMediaType(contentType)
	return err == nil && (t == "application/json" || strings.HasPrefix(t, "application/") && strings.HasSuffix(t, "+json"))
}
