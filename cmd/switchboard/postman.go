package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"switchboard/channels"
	"switchboard/channels/webform"
	"switchboard/pipeline/desk"
	"switchboard/workers"
)

// errNoAddress means that the customer left no mail address to answer to.
var errNoAddress = errors.New("the ticket's source cannot send, and the customer has no mail address")

// postman mails the answers of tickets whose own source cannot send: forms, the
// API, a mailbox without SMTP.
type postman struct {
	channels.Sender
	h *house
}

// carrier finds who carries answers of a source out: the source itself, else a
// source that sends mail; nil when there is none.
func (h *house) carrier(a *adapters, source string) workers.Sender {
	if s := a.sender(source); s != nil {
		return s
	}
	if name, ok := a.postman(source); ok {
		return postman{a.sender(name), h}
	}
	return nil
}

// postman names the source that mails for another: the first of the same team,
// else the first.
func (a *adapters) postman(source string) (name string, ok bool) {
	for _, p := range a.postmen {
		if p.Team != "" && p.Team == a.teams[source] {
			return p.Name, true
		}
	}
	if len(a.postmen) == 0 {
		return "", false
	}
	return a.postmen[0].Name, true
}

// sends reports whether an answer on a ticket leaves the house.
func (h *house) sends(ctx context.Context, a *adapters, t *desk.Ticket) bool {
	if a.sender(t.Source) != nil || a.sender(t.ThreadSource) != nil {
		return true
	}
	if _, ok := a.postman(t.Source); !ok {
		return false
	}
	to, err := h.mailAddress(ctx, t)
	return err != nil || to.Handle != "" // in doubt the delivery finds out
}

// starts names the kinds of identity by which a source finds somebody to begin a
// conversation with; none when it cannot.
func (a *adapters) starts(source string) []string {
	if s, ok := a.sender(source).(channels.Starter); ok {
		return s.Starts()
	}
	return nil
}

// Send mails a reply to the address the customer gave with the message, else to
// the one the books have; see [channels.Sender].
func (p postman) Send(ctx context.Context, r *desk.Reply) (desk.Proof, error) {
	t, err := p.h.store.Ticket(ctx, string(r.Message.TicketID))
	if err != nil {
		return desk.Proof{}, fmt.Errorf("answer by mail: %w", err)
	}
	mail := *r
	if p.h.policy().Sources[t.Source].Channel != desk.Email { // else the thread is a mail's already
		var typed webform.Address
		if t.Channel == desk.WebForm && json.Unmarshal(r.Thread.Address, &typed) != nil {
			typed = webform.Address{}
		}
		to := desk.Party{Name: typed.Name, Handle: typed.Email}
		if to.Handle == "" {
			if to, err = p.h.mailAddress(ctx, t); err != nil {
				return desk.Proof{}, fmt.Errorf("answer by mail: %w", err)
			}
		}
		if to.Handle == "" {
			return desk.Proof{}, desk.Permanent(errNoAddress)
		}
		mail.Thread, mail.To = desk.Thread{}, []desk.Party{to}
		// A title is a stranger's words: no automatic answer repeats them.
		if m := &mail.Message; m.Subject == "" && m.Author.Kind != desk.BySystem && m.Auto.Kind == "" {
			m.Subject = t.Title
		}
	}
	return p.Sender.Send(ctx, &mail)
}

// mailAddress is where the customer of a ticket gets mail; empty when nobody
// knows.
func (h *house) mailAddress(ctx context.Context, t *desk.Ticket) (desk.Party, error) {
	if t.CustomerID == "" {
		return desk.Party{}, nil
	}
	r, err := h.store.Customer(ctx, t.CustomerID)
	if err != nil {
		return desk.Party{}, err
	}
	to := desk.Party{Name: r.Customer.Name, Handle: r.Customer.Email}
	if to.Handle != "" {
		return to, nil
	}
	handles, err := h.store.Identities(ctx, t.CustomerID)
	for _, id := range handles {
		if id.Kind == desk.IdentityKind(desk.Email) {
			to.Handle = id.Handle
			break
		}
	}
	return to, err
}
