package api

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"switchboard/pipeline/desk"
)

// begin lets a message go out by a source of the caller's choice: into the
// ticket's conversation when it is there already, else as the first word of a
// new one, to the customer by the best identity the source can find them by.
func (s *server) begin(ctx context.Context, c *checks, t *desk.Ticket, m *desk.Message, via string) error {
	via = c.id("via", via)
	if via == "" {
		return nil
	}
	p := s.Policy()
	src, known := p.Sources[via]
	kinds := s.starts(via)
	switch {
	case !m.Public:
		c.wrong("via", "needs isPublic: true: an internal note goes nowhere")
		return nil
	case known && via == t.ThreadSource: // the conversation is there
		return nil
	case !known || len(kinds) == 0:
		c.wrong("via", "must be a source that can begin a conversation: %s", s.starters(p))
		return nil
	case t.CustomerID == "":
		c.wrong("via", "the ticket has no customer to write to")
		return nil
	}
	m.Via, m.Scope, m.Send = &desk.Via{Source: via}, src.Scope(), desk.SendQueued
	who, handles, err := s.Books.CustomerNamed(ctx, string(t.CustomerID))
	if err != nil && !errors.Is(err, desk.ErrNotFound) {
		return err
	}
	if m.Via.To = reachable(who.Customer, handles, kinds); m.Via.To.Handle == "" {
		c.wrong("via", "the customer has no identity by which this source finds people: %s", strings.Join(kinds, " or "))
	}
	if src.Channel == desk.Email {
		m.Subject = t.Title
	}
	return nil
}

// reachable is the customer's handle of the first kind they have one of; a
// verified one counts before others.
func reachable(who desk.Customer, handles []desk.Identity, kinds []string) desk.Party {
	for _, kind := range kinds {
		var of []desk.Identity
		for _, h := range handles {
			if h.Kind == kind && h.Handle != "" {
				of = append(of, h)
			}
		}
		slices.SortStableFunc(of, func(a, b desk.Identity) int {
			return cmp.Compare(map[bool]int{true: 0, false: 1}[a.Verified], map[bool]int{true: 0, false: 1}[b.Verified])
		})
		switch email := desk.IdentityKind(desk.Email); {
		case kind == email && who.Email != "":
			return desk.Party{Name: who.Name, Handle: who.Email}
		case len(of) > 0:
			return desk.Party{Name: who.Name, Handle: of[0].Handle}
		}
	}
	return desk.Party{}
}

func (s *server) starts(source string) []string {
	if s.Starts == nil {
		return nil
	}
	return s.Starts(source)
}

// starters lists the sources that can begin a conversation.
func (s *server) starters(p *desk.Policy) string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(p.Sources)) {
		if len(s.starts(name)) > 0 {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "none of the configured sources can"
	}
	return strings.Join(names, ", ")
}
