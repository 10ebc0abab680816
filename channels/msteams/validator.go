package msteams

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/infracloudio/msbotbuilder-go/connector/auth"
	"github.com/infracloudio/msbotbuilder-go/schema"

	"switchboard/pipeline/desk"
)

const (
	leeway     = 5 * time.Minute // of clocks, as Microsoft's own code has it
	tokenBytes = 16 << 10
)

// refusal is why a request is not let in, and what its sender is told.
type refusal struct {
	status int
	why    string
	err    error
}

func (r *refusal) Error() string {
	if r.err != nil {
		return r.why + ": " + r.err.Error()
	}
	return r.why
}
func (r *refusal) Unwrap() error { return r.err }

func refuse(status int, format string, args ...any) error {
	return &refusal{status: status, why: fmt.Sprintf(format, args...)}
}

// validator decides whether a request is Microsoft's and meant for us: the
// library's TokenValidator, written anew ("Authentication with the Bot Connector
// API", connector to bot). It is safe for concurrent use.
type validator struct {
	settings settings
	keys     *keys
	now      func() time.Time
}

var _ auth.TokenValidator = (*validator)(nil)

// claims is what a verified token says.
type claims struct {
	jwt.RegisteredClaims
	ServiceURL string `json:"serviceurl"`

	endorsements []string // of the key that signed it
}

// token verifies a bearer token by itself: form, signature, issuer, audience and
// times. Errors are *refusal.
func (v *validator) token(ctx context.Context, header string) (*claims, error) {
	scheme, raw, _ := strings.Cut(strings.TrimSpace(header), " ")
	raw = strings.TrimSpace(raw)
	switch {
	case header == "":
		return nil, refuse(http.StatusUnauthorized, "there is no token")
	case !strings.EqualFold(scheme, "Bearer") || raw == "" || strings.ContainsAny(raw, " \t,"):
		return nil, refuse(http.StatusUnauthorized, "Authorization is not a bearer token")
	case len(raw) > tokenBytes:
		return nil, refuse(http.StatusUnauthorized, "the token is too long")
	}
	var c claims
	parser := jwt.NewParser(
		jwt.WithValidMethods([]string{"RS256", "RS384", "RS512"}), jwt.WithStrictDecoding(),
		jwt.WithAudience(v.settings.Audiences...), jwt.WithExpirationRequired(), jwt.WithIssuedAt(),
		jwt.WithLeeway(leeway), jwt.WithTimeFunc(v.now))
	_, err := parser.ParseWithClaims(raw, &c, func(t *jwt.Token) (any, error) {
		id, _ := t.Header["kid"].(string)
		if id == "" {
			return nil, errUnknownKey
		}
		k, err := v.keys.find(ctx, id)
		if err != nil {
			return nil, err
		}
		c.endorsements = k.endorsements
		return k.public, nil
	})
	switch {
	case errors.Is(err, errKeysDown):
		return nil, &refusal{http.StatusServiceUnavailable, "the token cannot be checked now", err}
	case err != nil:
		return nil, &refusal{http.StatusUnauthorized, "the token is not valid", err}
	case !slices.Contains(v.settings.Issuers, c.Issuer):
		return nil, refuse(http.StatusUnauthorized, "the token is of another issuer")
	}
	return &c, nil
}

// admits checks that a verified token may bring this activity. Errors are
// *refusal.
func (v *validator) admits(c *claims, act schema.Activity) error {
	if _, err := v.settings.serviceHosts.check(act.ServiceURL); err != nil {
		return &refusal{http.StatusForbidden, "the activity's serviceUrl is refused", err}
	}
	switch {
	case c.ServiceURL == "":
		return refuse(http.StatusForbidden, "the token names no serviceurl")
	case !sameURL(c.ServiceURL, act.ServiceURL):
		return refuse(http.StatusForbidden, "the token is for another serviceUrl")
	case v.settings.RequireEndorsements && !slices.Contains(c.endorsements, act.ChannelID):
		return refuse(http.StatusForbidden, "the signing key is not endorsed for the activity's channelId")
	}
	tenant := act.Conversation.TenantID
	if len(v.settings.Tenants) > 0 && !slices.ContainsFunc(v.settings.Tenants, func(t string) bool { return strings.EqualFold(t, tenant) }) {
		return refuse(http.StatusForbidden, "the activity's tenant is not on the list")
	}
	return nil
}

// sameURL compares addresses as the Connector means them: a slash at the end and
// the case of the host make no difference.
func sameURL(a, b string) bool {
	form := func(s string) string {
		u, err := url.Parse(s)
		if err != nil {
			return ""
		}
		u.Host = strings.ToLower(u.Host)
		return strings.TrimRight(u.String(), "/")
	}
	x := form(a)
	return x != "" && x == form(b)
}

type claimsKey struct{}

// withClaims remembers a token that was verified for this request.
func withClaims(ctx context.Context, c *claims) context.Context {
	return context.WithValue(ctx, claimsKey{}, c)
}

// AuthenticateRequest is what the library's adapter asks after it parsed the
// activity. The token was verified before the body was read; if it was not, it
// is now.
func (v *validator) AuthenticateRequest(ctx context.Context, act schema.Activity, header string, _ auth.CredentialProvider, _ string) (auth.ClaimsIdentity, error) {
	c, ok := ctx.Value(claimsKey{}).(*claims)
	if !ok {
		var err error
		if c, err = v.token(ctx, header); err != nil {
			return nil, err
		}
	}
	if err := v.admits(c, act); err != nil {
		return nil, err
	}
	return auth.NewClaimIdentity(map[string]any{
		auth.IssuerClaim: c.Issuer, auth.AudienceClaim: v.settings.AppID, auth.ServiceURLClaim: c.ServiceURL,
	}, true), nil
}

// statusOf is what a sender is told about an error of token or admits.
func statusOf(err error) int {
	var r *refusal
	if errors.As(err, &r) {
		return r.status
	}
	if errors.Is(err, desk.ErrInvalid) {
		return http.StatusBadRequest
	}
	return http.StatusForbidden
}
