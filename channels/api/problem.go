package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"switchboard/pipeline/desk"
)

// Problem is a refusal in the form of RFC 9457. It never repeats a value the
// client sent.
type Problem struct {
	Type   string       `json:"type" doc:"Always about:blank: status and title say the kind." example:"about:blank"`
	Title  string       `json:"title" doc:"The words of the status." example:"Unprocessable Entity"`
	Status int          `json:"status" doc:"The HTTP status." example:"422"`
	Detail string       `json:"detail,omitempty" doc:"What is wrong with this request." example:"priority: is not a priority; known are [LOW MEDIUM HIGH URGENT]"`
	Errors []FieldError `json:"errors,omitempty" doc:"Every wrong field."`

	header http.Header
}

// FieldError names one wrong field.
type FieldError struct {
	Field   string `json:"field" doc:"The path of the field, or the name of the parameter." example:"customFields.appVersion"`
	In      string `json:"in,omitempty" doc:"Where it stands: body, query, path or header." example:"body"`
	Message string `json:"message" doc:"What is wrong with it." example:"must be a text"`
}

func (p *Problem) Error() string { return p.Detail }

// GetStatus tells the library which status to send.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders tells the library which headers to send along.
func (p *Problem) GetHeaders() http.Header { return p.header }

// ContentType is application/problem+json whatever was negotiated.
func (p *Problem) ContentType(string) string { return problemType }

const problemType = "application/problem+json"

// newProblem makes a problem; errs are the wrong fields. Without a detail the
// first wrong field is the detail.
func newProblem(status int, detail string, errs ...FieldError) *Problem {
	if detail == "" && len(errs) > 0 {
		detail = errs[0].Message
		if errs[0].Field != "" {
			detail = errs[0].Field + ": " + detail
		}
	}
	return &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail, Errors: errs}
}

func (p *Problem) with(name, value string) *Problem {
	if p.header == nil {
		p.header = http.Header{}
	}
	p.header.Set(name, value)
	return p
}

// problem turns the error of a handler into its answer, and logs the ones that
// are ours.
func (s *server) problem(ctx context.Context, op string, err error) *Problem {
	p := problemOf(err)
	switch {
	case p.Status == http.StatusInternalServerError:
		s.Log.ErrorContext(ctx, "api: "+op, "error", err)
	case errors.Is(err, desk.ErrUnavailable):
		s.Log.WarnContext(ctx, "api: "+op, "error", err)
	}
	return p
}

func problemOf(err error) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	var fields []FieldError
	for _, e := range desk.Invalids(err) {
		fields = append(fields, FieldError{Field: e.Field, Message: e.Message})
	}
	switch {
	case errors.Is(err, desk.ErrMove):
		return newProblem(http.StatusConflict, "", fields...)
	case errors.Is(err, desk.ErrInvalid):
		if len(fields) == 0 {
			return newProblem(http.StatusUnprocessableEntity, "the request is invalid")
		}
		return newProblem(http.StatusUnprocessableEntity, "", fields...)
	case errors.Is(err, desk.ErrNotFound):
		return newProblem(http.StatusNotFound, "there is no such thing")
	case errors.Is(err, desk.ErrConflict):
		return newProblem(http.StatusConflict, "it was changed meanwhile; read it again")
	case errors.Is(err, desk.ErrForbidden):
		return newProblem(http.StatusForbidden, "this key may not do that")
	case errors.Is(err, desk.ErrBusy):
		return newProblem(http.StatusServiceUnavailable, "busy: nothing was taken, try again").with("Retry-After", "1")
	case errors.Is(err, desk.ErrUnavailable), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return newProblem(http.StatusServiceUnavailable, "the books did not answer; try again, with an Idempotency-Key if it must not happen twice").with("Retry-After", "1")
	}
	return newProblem(http.StatusInternalServerError, "something broke on our side; it was logged")
}

// fromLibrary turns what the library found wrong with a request into a
// problem: same facts, our names, no echo.
func fromLibrary(e *huma.ErrorModel) *Problem {
	if e.Status >= 500 {
		return newProblem(e.Status, "something broke on our side; it was logged")
	}
	var errs []FieldError
	for _, d := range e.Errors {
		if d != nil {
			errs = append(errs, fromDetail(d))
		}
	}
	if len(errs) == 0 {
		return newProblem(e.Status, e.Detail)
	}
	return newProblem(e.Status, "", errs...)
}

func fromDetail(d *huma.ErrorDetail) FieldError {
	in, field, _ := strings.Cut(d.Location, ".")
	f := FieldError{Field: desk.Cut(field, maxNamed), In: in, Message: d.Message}
	if name, ok := strings.CutPrefix(f.Message, "expected required property "); ok {
		name = strings.TrimSuffix(name, " to be present")
		f.Field = strings.TrimPrefix(f.Field+"."+name, ".")
		f.Message = "is required"
	}
	if strings.HasPrefix(f.Message, "invalid date/time") { // the library names the form by Go's example
		f.Message = "must be an RFC 3339 time, such as 2026-03-02T09:00:00Z"
	}
	switch f.Message {
	case "unexpected property":
		f.Message = "is not a known field"
	case "unknown query parameter":
		f.Message = "is not a known parameter"
	}
	if f.Field == "" && in == "body" { // said by unmarshal
		if name, msg, ok := strings.Cut(f.Message, ": "); ok {
			f.Field, f.Message = name, msg
		}
	}
	return f
}

// maxNamed bounds how much of a stranger's field name an answer repeats.
const maxNamed = 200

// writeProblem answers outside of the library.
func writeProblem(w http.ResponseWriter, p *Problem) {
	for k, v := range p.header {
		w.Header()[k] = v
	}
	w.Header().Set("Content-Type", problemType)
	w.WriteHeader(p.Status)
	json.NewEncoder(w).Encode(p)
}
