package api

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"switchboard/pipeline/desk"
)

// sourceName is the source of every draft made here.
const sourceName = "api"

type createInput struct {
	Idempotency
	Prefer []string `header:"Prefer" doc:"respond-async: answer 202 as soon as the ticket is sure to be made (RFC 7240)."`
	Body   createTicket
}

// Idempotency is the header that makes a request safe to repeat.
type Idempotency struct {
	Key string `header:"Idempotency-Key" maxLength:"255" pattern:"^[ -~]+$" patternDescription:"printable ASCII" doc:"Makes the request safe to repeat: the same key with the same body takes effect once, with another body it is refused (422). Keys of different API keys do not meet." example:"8e03978e-40d5-43dd-bc93-6894a57f9324"`
}

type createOutput struct {
	Status   int
	Location string `header:"Location" doc:"The ticket, or for 202 the receipt to ask."`
	Replayed string `header:"Idempotency-Replayed" doc:"true when an earlier request with this key made it."`
	Applied  string `header:"Preference-Applied"`
	Body     any
}

func (s *server) routeTickets() {
	schema := func(t reflect.Type) map[string]*huma.MediaType {
		return map[string]*huma.MediaType{"application/json": {Schema: s.api.OpenAPI().Components.Schemas.Schema(t, true, "")}}
	}
	text := func(doc string) *huma.Param {
		return &huma.Param{Description: doc, Schema: &huma.Schema{Type: "string"}}
	}
	route(s, huma.Operation{
		OperationID: "createTicket", Method: http.MethodPost, Path: "/v1/tickets", Tags: []string{"tickets"}, DefaultStatus: http.StatusCreated,
		Summary: "Create a ticket",
		Description: "The ticket goes through the same line as any message: rules, routing, assignment and SLA fill what the body leaves out. " +
			"The answer is 201 with the ticket, or 202 with a receipt when making it takes longer than a few seconds, it cannot be shown yet, a rule held it back, or `Prefer: respond-async` asked for it. Either way it is kept.",
		RequestBody: example(sampleCreate),
		Responses: map[string]*huma.Response{
			"201": {Description: "The ticket.", Content: schema(typeOf[ticketView]())},
			"202": {Description: "Accepted and kept; ask the receipt what became of it.", Content: schema(typeOf[receiptView]()),
				Headers: map[string]*huma.Param{"Location": text("The receipt."), "Idempotency-Replayed": text("true when an earlier request with this key was accepted."),
					"Preference-Applied": text("respond-async, when it was asked for.")}},
		},
	}, desk.CreateTickets, s.create)
	s.routeRead()
}

func (s *server) create(ctx context.Context, in *createInput) (*createOutput, error) {
	key, policy := caller(ctx), s.Policy()
	ask, from, err := in.Body.ask(policy, s.Limits.TextBytes)
	if err != nil {
		return nil, err
	}
	d := s.draft(policy, key, ask, from, in.Key)
	hash, known := d.Ask.RequestHash, false
	if in.Key != "" {
		earlier, ok, err := s.Books.ReceiptOf(ctx, d.Source, d.ExternalID)
		if err != nil {
			return nil, err
		}
		if ok && otherwise(earlier, hash) {
			return nil, keyReused()
		}
		if ok && earlier.State != desk.Accepted {
			return s.created(ctx, earlier, true)
		}
		known = ok
	}
	if !known { // what was accepted is not refused when it comes again
		if err := s.names(ctx, policy, key.Role, ask); err != nil {
			return nil, err
		}
	}
	if slices.ContainsFunc(in.Prefer, wantsAsync) {
		return s.submit(ctx, d)
	}
	wait, cancel := context.WithTimeout(ctx, s.Limits.FileTimeout)
	defer cancel()
	r, err := s.Intake.FileNow(wait, d)
	if err != nil {
		return nil, err
	}
	// Two requests with one key at once: the ledger kept the first.
	if in.Key != "" && otherwise(r, hash) {
		return nil, keyReused()
	}
	out, err := s.created(ctx, r, false)
	var refusal *Problem
	if err != nil && !errors.As(err, &refusal) { // taken, whatever the books say now: who hears of an error sends again
		s.problem(ctx, "createTicket", err)
		return s.acceptedOnly(ctx, r), nil
	}
	return out, err
}

// draft makes the message of a create. With an Idempotency-Key the external ID
// is the key and there is no fingerprint: whatever comes later under the key is
// the same message, and its content is compared by hash.
func (s *server) draft(p *desk.Policy, key desk.Key, ask desk.Ask, from desk.Party, idem string) *desk.Draft {
	now := s.Now()
	ask.Actor = desk.Actor{Kind: desk.ByKey, ID: string(key.ID), Name: key.Name}
	ask.RequestHash = hashOf(ask, from)
	d := &desk.Draft{Source: sourceName, Channel: desk.API, Scope: apiScope(p), From: from,
		Subject: ask.Title, Text: ask.Description, SentAt: now, ReceivedAt: now, Ask: &ask}
	if idem != "" {
		d.ExternalID = "idem:" + string(key.ID) + ":" + idem
	} else {
		id := desk.NewID[string](now)
		d.ExternalID = "api:" + id
		d.Fingerprint = desk.Fingerprint(id, ask.RequestHash)
	}
	d.Thread.Key = d.ExternalID
	return d
}

func apiScope(p *desk.Policy) string {
	if src, ok := p.Sources[sourceName]; ok {
		return src.Scope()
	}
	return string(desk.API)
}

// otherwise reports whether a receipt's request had another body. Once its draft
// is gone nobody can say; it then counts as the same.
func otherwise(r desk.Receipt, hash string) bool {
	return r.Draft != nil && (r.Draft.Ask == nil || r.Draft.Ask.RequestHash != hash)
}

func keyReused() *Problem {
	return newProblem(http.StatusUnprocessableEntity, "", FieldError{Field: "Idempotency-Key", In: "header",
		Message: "was used before with another body"})
}

func wantsAsync(prefer string) bool {
	for p := range strings.SplitSeq(prefer, ",") {
		name, _, _ := strings.Cut(p, ";")
		if strings.EqualFold(strings.TrimSpace(name), "respond-async") {
			return true
		}
	}
	return false
}

// submit only accepts.
func (s *server) submit(ctx context.Context, d *desk.Draft) (*createOutput, error) {
	ids, err := s.Intake.Submit(ctx, nil, d)
	if err != nil {
		return nil, err
	}
	r, err := s.Books.Receipt(ctx, ids[0])
	if err != nil {
		r = desk.NewReceipt(d, s.Now()) // taken, whatever the books say now
		r.ID = ids[0]
	}
	if otherwise(r, d.Ask.RequestHash) {
		return nil, keyReused()
	}
	out := s.acceptedOnly(ctx, r)
	out.Applied = "respond-async"
	return out, nil
}

// created answers with the ticket of a receipt, or with the receipt when it has
// none.
func (s *server) created(ctx context.Context, r desk.Receipt, again bool) (*createOutput, error) {
	if r.TicketID == "" || r.State != desk.Filed && r.State != desk.Duplicate {
		out := s.acceptedOnly(ctx, r)
		out.Replayed = replayed(again)
		return out, nil
	}
	t, err := s.Books.Ticket(ctx, string(r.TicketID))
	if errors.Is(err, desk.ErrNotFound) {
		return nil, newProblem(http.StatusNotFound, "the ticket this request made was deleted")
	}
	if err != nil {
		return nil, err
	}
	view, err := s.full(ctx, t)
	if err != nil {
		return nil, err
	}
	return &createOutput{Status: http.StatusCreated, Location: "/v1/tickets/" + string(t.ID), Replayed: replayed(again || r.State == desk.Duplicate), Body: view}, nil
}

func (s *server) acceptedOnly(ctx context.Context, r desk.Receipt) *createOutput {
	return &createOutput{Status: http.StatusAccepted, Location: "/v1/intake/" + string(r.ID), Body: s.receiptOf(ctx, r)}
}

// names checks the IDs a request names: an unknown customer, team or agent may
// only be named by a key that may create names.
func (s *server) names(ctx context.Context, p *desk.Policy, role desk.Role, a desk.Ask) error {
	if role.May(desk.CreateNames) {
		return nil
	}
	var c checks
	known, err := s.hasCustomer(ctx, a.CustomerID)
	if err != nil {
		return err
	}
	if !known {
		c.wrong("customerId", "is unknown, and this key may not create customers")
	}
	if known, err = s.hasTeam(ctx, p, a.TeamID); err != nil {
		return err
	}
	if !known {
		c.wrong("teamId", "is unknown, and this key may not create teams")
	}
	if !hasAgent(p, a.AgentID) {
		c.wrong("agentId", "is not a configured agent")
	}
	return c.err()
}

// hasCustomer, hasTeam and hasAgent report whether something has the name; no
// name counts as known.
func (s *server) hasCustomer(ctx context.Context, id string) (bool, error) {
	if id == "" {
		return true, nil
	}
	r, err := s.customer(ctx, id)
	return r.Found, err
}

func (s *server) customer(ctx context.Context, id string) (desk.Requester, error) {
	names, err := s.Names(ctx)
	if err != nil {
		return desk.Requester{}, err
	}
	return names.CustomerByID(ctx, id)
}

// hasTeam looks in the config first, then among the teams made on first use.
func (s *server) hasTeam(ctx context.Context, p *desk.Policy, id desk.TeamID) (bool, error) {
	if _, ok := p.Team(id); ok || id == "" {
		return true, nil
	}
	names, err := s.Names(ctx)
	if err != nil {
		return false, err
	}
	return names.HasTeam(ctx, id)
}

func hasAgent(p *desk.Policy, id desk.AgentID) bool {
	_, ok := p.Agent(id)
	return ok || id == ""
}
