package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"switchboard/pipeline/desk"
)

// mergeCustomer is the body of POST /v1/customers/{id}/merge.
type mergeCustomer struct {
	CustomerID string `json:"customerId" maxLength:"200" doc:"The other record of the same person, by uid or your ID. Everything of it moves to this one, and its names go on to name this one." example:"cust-456"`
}

// splitCustomer is the body of POST /v1/customers/{id}/split.
type splitCustomer struct {
	Identities []splitIdentity `json:"identities" minItems:"1" maxItems:"100" doc:"The handles that are somebody else's."`
}

type splitIdentity struct {
	Kind   string `json:"kind" maxLength:"40" example:"email"`
	Handle string `json:"handle" maxLength:"500" example:"sam@example.com"`
}

type mergeInput struct {
	WhichCustomer
	Body mergeCustomer
}

type splitInput struct {
	WhichCustomer
	Body splitCustomer
}

func (s *server) routeMerge() {
	route(s, huma.Operation{
		OperationID: "mergeCustomers", Method: http.MethodPost, Path: "/v1/customers/{id}/merge", Tags: []string{"customers"}, DefaultStatus: http.StatusOK,
		Summary: "Merge two records of one person", Description: "Tickets and handles move, and every ticket says so in its history. Merging again changes nothing.",
		RequestBody: example(map[string]any{"customerId": "cust-456"}),
	}, desk.UpdateCustomers, s.merge)
	route(s, huma.Operation{
		OperationID: "splitCustomer", Method: http.MethodPost, Path: "/v1/customers/{id}/split", Tags: []string{"customers"}, DefaultStatus: http.StatusCreated,
		Summary: "Split a record of two people", Description: "A new customer gets the handles and the tickets that were opened by them; the answer is the new customer.",
		RequestBody: example(map[string]any{"identities": []map[string]any{{"kind": "email", "handle": "sam@example.com"}}}),
	}, desk.UpdateCustomers, s.split)
}

func (s *server) merge(ctx context.Context, in *mergeInput) (*personOutput, error) {
	into, _, err := s.person(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	from, _, err := s.Books.CustomerNamed(ctx, strings.TrimSpace(desk.Clean(in.Body.CustomerID)))
	if errors.Is(err, desk.ErrNotFound) {
		return nil, desk.Invalidf("customerId", "names no customer")
	}
	if err != nil {
		return nil, err
	}
	// A record that was merged into this one before is this one by now.
	if from.Customer.ID != into.Customer.ID {
		if _, err := s.Books.MergeCustomers(ctx, into.Customer.ID, from.Customer.ID, actor(caller(ctx)), s.moment()); err != nil {
			return nil, err
		}
	} else if given := strings.TrimSpace(in.Body.CustomerID); given == strings.TrimSpace(in.ID) || strings.EqualFold(given, string(into.Customer.ID)) {
		return nil, desk.Invalidf("customerId", "is this very customer")
	}
	return s.personAgain(ctx, into.Customer.ID)
}

func (s *server) split(ctx context.Context, in *splitInput) (*personOutput, error) {
	r, handles, err := s.person(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	var c checks
	var moves []desk.Identity
	for i, id := range in.Body.Identities {
		h := desk.Identity{Kind: strings.ToLower(strings.TrimSpace(id.Kind)), Handle: desk.Handle(strings.ToLower(strings.TrimSpace(id.Kind)), id.Handle)}
		if !slices.ContainsFunc(handles, func(o desk.Identity) bool { return o.Kind == h.Kind && o.Handle == h.Handle }) {
			c.wrong(fmt.Sprintf("identities[%d]", i), "is no handle of this customer")
		}
		moves = append(moves, h)
	}
	if err := c.err(); err != nil {
		return nil, err
	}
	fresh, err := s.Books.SplitCustomer(ctx, r.Customer.ID, moves, actor(caller(ctx)), s.moment())
	if err != nil {
		return nil, err
	}
	return s.personAgain(ctx, fresh.Customer.ID)
}

func (s *server) personAgain(ctx context.Context, id desk.CustomerID) (*personOutput, error) {
	r, handles, err := s.person(ctx, string(id))
	if err != nil {
		return nil, err
	}
	return &personOutput{personOf(r, handles)}, nil
}
