package api

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/danielgtaylor/huma/v2"

	"switchboard/pipeline/desk"
)

// personView is a customer's whole record.
type personView struct {
	customerView
	Identities []identityView `json:"identities" doc:"Every handle they wrote with."`
	CreatedAt  time.Time      `json:"createdAt"`
	UpdatedAt  time.Time      `json:"updatedAt"`
}

// identityView is one handle of a customer.
type identityView struct {
	Kind     string `json:"kind" doc:"The space of the handle." example:"email"`
	Handle   string `json:"handle" example:"sam@example.com"`
	Verified bool   `json:"verified" doc:"The vendor vouches that it is theirs."`
}

func personOf(r desk.Requester, handles []desk.Identity) personView {
	v := personView{customerView: *customerOf(r), Identities: []identityView{}, CreatedAt: r.Customer.CreatedAt.UTC(), UpdatedAt: r.Customer.UpdatedAt.UTC()}
	for _, h := range handles {
		v.Identities = append(v.Identities, identityView{Kind: h.Kind, Handle: h.Handle, Verified: h.Verified})
	}
	return v
}

// updateCustomer is the body of PATCH /v1/customers/{id}: what is left out stays
// (RFC 7396).
type updateCustomer struct {
	Name         opt[string]         `json:"name,omitempty" doc:"At most 200 bytes; null clears it, here and below." example:"Sam Doe"`
	Phone        opt[string]         `json:"phone,omitempty" example:"+49 30 1234567"`
	ServiceLevel opt[string]         `json:"serviceLevel,omitempty" example:"gold"`
	VIP          opt[bool]           `json:"vip,omitempty"`
	Language     opt[string]         `json:"language,omitempty" doc:"BCP 47." example:"de"`
	TimeZone     opt[string]         `json:"timeZone,omitempty" doc:"IANA." example:"Europe/Berlin"`
	ExternalID   opt[string]         `json:"externalId,omitempty" doc:"The ID your systems know them by; nobody else may have it." example:"cust-123"`
	Preferences  opt[map[string]any] `json:"preferences,omitempty" doc:"Merged into what is there; a null value removes its name, null removes all."`
}

// WhichCustomer names a customer in a path.
type WhichCustomer struct {
	ID string `path:"id" maxLength:"200" doc:"The customer's uid, or the ID your systems know them by." example:"cust-123"`
}

type personOutput struct{ Body personView }

type patchCustomerInput struct {
	WhichCustomer
	Body updateCustomer
}

func (s *server) routeCustomers() {
	route(s, huma.Operation{
		OperationID: "getCustomer", Method: http.MethodGet, Path: "/v1/customers/{id}", Tags: []string{"customers"},
		Summary: "Get a customer", Description: "With every handle and the company. The names of a record that was merged name the one it was merged into.",
	}, desk.ReadCustomers, func(ctx context.Context, in *WhichCustomer) (*personOutput, error) {
		r, handles, err := s.person(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		return &personOutput{personOf(r, handles)}, nil
	})
	route(s, huma.Operation{
		OperationID: "updateCustomer", Method: http.MethodPatch, Path: "/v1/customers/{id}", Tags: []string{"customers"},
		Summary: "Change a customer", Description: "What the body leaves out stays as it is.",
		RequestBody: example(map[string]any{"name": "Sam Doe", "serviceLevel": "gold", "vip": true, "preferences": map[string]any{"channel": "email"}}),
	}, desk.UpdateCustomers, s.patchCustomer)
	s.routeMerge()
}

// person finds the customer of a path.
func (s *server) person(ctx context.Context, id string) (desk.Requester, []desk.Identity, error) {
	r, handles, err := s.Books.CustomerNamed(ctx, strings.TrimSpace(desk.Clean(id)))
	if errors.Is(err, desk.ErrNotFound) {
		err = newProblem(http.StatusNotFound, "there is no such customer", FieldError{Field: "id", In: "path", Message: "names no customer"})
	}
	return r, handles, err
}

func (s *server) patchCustomer(ctx context.Context, in *patchCustomerInput) (*personOutput, error) {
	r, handles, err := s.person(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	set, err := in.Body.change(s.Now())
	if err != nil {
		return nil, err
	}
	r, err = s.Books.ChangeCustomer(ctx, r.Customer.ID, set)
	if errors.Is(err, desk.ErrConflict) {
		return nil, newProblem(http.StatusConflict, "", FieldError{Field: "externalId", In: "body", Message: "names another customer"})
	}
	if err != nil {
		return nil, err
	}
	return &personOutput{personOf(r, handles)}, nil
}

// The limits of a customer's preferences.
const (
	maxPreferences     = 100
	maxPreferenceName  = 100     // bytes
	maxPreferenceBytes = 4 << 10 // of a text
)

// change checks the body and turns it into what happens to the record as it is
// when it is locked.
func (b *updateCustomer) change(now time.Time) (func(*desk.Customer) error, error) {
	var c checks
	name := c.line("name", b.Name.value)
	phone := c.line("phone", b.Phone.value)
	level := c.line("serviceLevel", b.ServiceLevel.value)
	language := c.line("language", b.Language.value)
	zone := c.line("timeZone", b.TimeZone.value)
	if _, err := time.LoadLocation(zone); err != nil || strings.EqualFold(zone, "local") {
		c.wrong("timeZone", "is not an IANA time zone")
	}
	external := c.id("externalId", b.ExternalID.value)
	if b.ExternalID.said && !b.ExternalID.null && external == "" {
		c.wrong("externalId", "is empty; null takes it away")
	}
	if desk.IsID(external) {
		c.wrong("externalId", "looks like one of our own")
	}
	desk.CleanAll(b.Preferences.value)
	for n, v := range b.Preferences.value {
		if text, ok := v.(string); n == "" || len(n) > maxPreferenceName || ok && len(text) > maxPreferenceBytes {
			c.wrong("preferences", "has a name or text that is too long or empty")
		}
	}
	return func(p *desk.Customer) error {
		for _, f := range []struct {
			said  bool
			field *string
			value string
		}{{b.Name.said, &p.Name, name}, {b.Phone.said, &p.Phone, phone}, {b.ServiceLevel.said, &p.ServiceLevel, level},
			{b.Language.said, &p.Language, language}, {b.TimeZone.said, &p.TimeZone, zone}, {b.ExternalID.said, &p.ExternalID, external}} {
			if f.said {
				*f.field = f.value
			}
		}
		if b.VIP.said {
			p.VIP = b.VIP.value
		}
		p.UpdatedAt = now
		return b.prefer(p)
	}, c.err()
}

// prefer merges the preferences of the body into those there are.
func (b *updateCustomer) prefer(p *desk.Customer) error {
	if b.Preferences.null {
		p.Preferences = nil
	}
	for n, v := range b.Preferences.value {
		switch {
		case v == nil:
			delete(p.Preferences, n)
		case p.Preferences == nil:
			p.Preferences = map[string]any{n: v}
		default:
			p.Preferences[n] = v
		}
	}
	if len(p.Preferences) > maxPreferences {
		return desk.Invalidf("preferences", "would be more than %d", maxPreferences)
	}
	return nil
}

// line is a short text of one line.
func (c *checks) line(field, s string) string {
	s = strings.TrimSpace(desk.Clean(s))
	if len(s) > maxID {
		c.wrong(field, "is longer than %d bytes", maxID)
	}
	if strings.ContainsFunc(s, unicode.IsControl) {
		c.wrong(field, "has control characters")
	}
	return s
}

// moment is now, in the precision the books keep.
func (s *server) moment() time.Time { return s.Now().UTC().Truncate(time.Microsecond) }
