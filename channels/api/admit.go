package api

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"switchboard/channels/limit"
	"switchboard/pipeline/desk"
)

// mayKey is where an operation keeps the permission it needs.
const mayKey = "may"

type callerKey struct{}

// caller is the key of the request; it is there in every handler of an
// operation that needs a permission.
func caller(ctx context.Context) desk.Key {
	k, _ := ctx.Value(callerKey{}).(desk.Key)
	return k
}

// actor is who the key acts as: staff, or a program.
func actor(k desk.Key) desk.Actor {
	kind := desk.ByKey
	if k.Role == desk.RoleAdmin || k.Role == desk.RoleAgent {
		kind = desk.ByAgent
	}
	return desk.Actor{Kind: kind, ID: string(k.ID), Name: k.Name}
}

// admit lets a request through when its key exists, may do what the operation
// needs and has requests left.
func (s *server) admit(ctx huma.Context, next func(huma.Context)) {
	r, w := humago.Unwrap(ctx)
	if p := checkQuery(r.URL.RawQuery); p != nil {
		writeProblem(w, p)
		return
	}
	may, guarded := ctx.Operation().Metadata[mayKey].(desk.Permission)
	if !guarded {
		next(ctx)
		return
	}
	key, p := s.authenticate(r)
	if p == nil && !key.Role.May(may) {
		p = newProblem(http.StatusForbidden, "a key of role "+string(key.Role)+" lacks the permission "+string(may))
	}
	if p == nil {
		p = s.spend(w, key.ID)
	}
	if p != nil {
		writeProblem(w, p)
		return
	}
	next(huma.WithValue(ctx, callerKey{}, key))
}

// spend takes a request from what the key may send and says in the header what
// is left of it.
func (s *server) spend(w http.ResponseWriter, id desk.KeyID) *Problem {
	if s.Limits.Rate < 0 { // no limit
		return nil
	}
	left, wait, ok := s.rates.Take(id, s.Now())
	w.Header().Set("X-RateLimit-Limit", strconv.Itoa(s.Limits.Burst))
	w.Header().Set("X-RateLimit-Remaining", strconv.Itoa(left))
	if !ok {
		return newProblem(http.StatusTooManyRequests, "this key sends too many requests").with("Retry-After", strconv.Itoa(limit.RetryAfter(wait)))
	}
	return nil
}

// checkQuery refuses what the library would pass over in silence: escapes that
// cannot be read, and the second of two values.
func checkQuery(raw string) *Problem {
	q, err := url.ParseQuery(raw)
	if err != nil {
		return newProblem(http.StatusBadRequest, "the query string cannot be read")
	}
	for name, values := range q {
		if len(values) > 1 {
			return newProblem(http.StatusUnprocessableEntity, "", FieldError{Field: desk.Cut(desk.Clean(name), maxNamed), In: "query",
				Message: "is there twice; several values are separated by commas"})
		}
	}
	return nil
}

// authenticate finds the key of a request: "Authorization: Bearer" (RFC 6750
// section 2.1), else x-api-key.
func (s *server) authenticate(r *http.Request) (desk.Key, *Problem) {
	secret := strings.TrimSpace(r.Header.Get("X-Api-Key"))
	if h := r.Header.Get("Authorization"); h != "" {
		scheme, token, _ := strings.Cut(h, " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return desk.Key{}, unauthorized("Authorization must be a Bearer key", "invalid_request")
		}
		secret = strings.TrimSpace(token)
	}
	if secret == "" {
		return desk.Key{}, unauthorized("an API key is needed, as Authorization: Bearer or x-api-key", "")
	}
	key, err := s.keys.find(r.Context(), secret)
	switch {
	case err == nil:
		return key, nil
	case errors.Is(err, desk.ErrNotFound):
		return desk.Key{}, unauthorized("the API key is unknown or revoked", "invalid_token")
	}
	return desk.Key{}, s.problem(r.Context(), "look up key", err)
}

// unauthorized carries the challenge of RFC 6750 section 3; without a
// credential there is no error code in it.
func unauthorized(detail, code string) *Problem {
	challenge := `Bearer realm="switchboard"`
	if code != "" {
		challenge += `, error="` + code + `"`
	}
	return newProblem(http.StatusUnauthorized, detail).with("WWW-Authenticate", challenge)
}
