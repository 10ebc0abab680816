package pipeline

import (
	"context"
	"fmt"

	"switchboard/pipeline/desk"
)

// groupCandidate is the ticket of the latest message of the draft's group, when
// that was said within the draft's window, before or after it: messages may
// arrive in another order than they were said in.
func groupCandidate(ctx context.Context, p *Pass) (candidate, bool, error) {
	d := p.Draft
	if d.Group == "" || d.Window <= 0 {
		return candidate{}, false, nil
	}
	id, at, ok, err := p.Books.Group(ctx, d.Scope, d.Group)
	if err != nil || !ok {
		return candidate{}, false, err
	}
	apart := p.said().Sub(at).Abs()
	if apart > d.Window {
		p.Note("the latest message of its group, on ticket %s, is %s away: more than %s", id, apart, d.Window)
		return candidate{}, false, nil
	}
	return candidate{id: id, signal: fmt.Sprintf("%s from the latest message of its group", apart), kept: true}, true, nil
}

// inGroup makes the message the latest of its group.
func inGroup(ctx context.Context, p *Pass) error {
	if p.Draft.Group == "" {
		return nil
	}
	last, _, _, err := p.Books.Group(ctx, p.Draft.Scope, p.Draft.Group)
	p.Group = &desk.Group{Key: p.Draft.Group, At: p.said(), Last: last}
	return err
}
