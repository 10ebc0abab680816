package api_test

import (
	"context"
	"fmt"
	"testing"

	"switchboard/channels/api"
	"switchboard/pipeline/desk"
	"switchboard/store"
)

// severed are books that go away between a request's writing and its answer.
type severed struct {
	*store.Store
	away error
}

func (s *severed) Links(ctx context.Context, id desk.TicketID) ([]desk.Link, error) {
	if s.away != nil {
		return nil, s.away
	}
	return s.Store.Links(ctx, id)
}

// A ticket that is made is never answered with an error because it cannot be shown:
// a client without an Idempotency-Key would make another.
func TestAMadeTicketThatCannotBeShownIsAccepted(t *testing.T) {
	var books *severed
	h := newHouse(t, func(o *api.Options) {
		books = &severed{Store: o.Books.(*store.Store)}
		o.Books = books
	})
	for _, away := range []error{fmt.Errorf("links: %w", desk.ErrUnavailable), fmt.Errorf("links: a damaged row")} {
		books.away = away
		a := h.do(desk.RoleIntegration, "POST", "/v1/tickets", sample).want(t, 202)
		books.away = nil
		if a.str("state") != "filed" || a.Header.Get("Location") != "/v1/intake/"+a.str("receipt") {
			t.Errorf("%v: %v %s", away, a.Header, a.raw)
		}
		h.get("/v1/tickets/" + a.str("ticket", "uid"))
	}
}

// Nor is a change: its comment would be said twice, its time be logged twice.
func TestAChangeThatCannotBeShownIsAnswered(t *testing.T) {
	var books *severed
	h := newHouse(t, func(o *api.Options) {
		books = &severed{Store: o.Books.(*store.Store)}
		o.Books = books
	})
	id := h.ticket(sample)
	for _, c := range [][3]string{
		{"PATCH", "", `{"addHandlingTime":60}`}, {"PATCH", "/status", `{"status":"PENDING","comment":"wait","isPublic":true}`}, {"POST", "/assign", `{"agentId":"ann"}`},
	} {
		books.away = fmt.Errorf("links: %w", desk.ErrUnavailable)
		a := h.do(desk.RoleAgent, c[0], "/v1/tickets/"+id+c[1], c[2]).want(t, 200)
		books.away = nil
		now := h.get("/v1/tickets/" + id)
		if a.str("uid") != id || a.json["version"] != now.json["version"] || a.Header.Get("ETag") != now.Header.Get("ETag") || a.json["links"] != nil || a.json["customer"] != nil {
			t.Errorf("%v: %v %s", c, a.Header, a.raw)
		}
	}
	now := h.get("/v1/tickets/" + id)
	if now.json["handlingTime"] != 60.0 || now.str("status") != "PENDING" || now.str("agentId") != "ann" || len(items(h.get("/v1/tickets/"+id+"/comments"))) != 2 {
		t.Errorf("%s", now.raw)
	}
}
