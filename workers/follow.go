package workers

import (
	"context"
	"errors"
	"fmt"

	"switchboard/pipeline/desk"
)

// follow tells the other side that a message it has was edited or deleted. Doing
// so twice does no harm, so there is nothing to probe. Who tells of an older revision
// after another told of a newer has it told once more, see [DeliveryBooks].
func (a *attempt) follow(ctx context.Context) error {
	what, since := "edit", a.m.EditedAt
	if !a.m.DeletedAt.IsZero() {
		what, since = "delete", a.m.DeletedAt
	}
	sender := a.d.senders(a.out.Source)
	editor, can := sender.(Editor)
	if sender != nil && (!can || a.out.ExternalID() == "") {
		return a.followed("this channel cannot change what was sent", "")
	}
	cause := fmt.Errorf("nothing here can send for source %q", a.out.Source)
	if can {
		if cause = a.change(ctx, editor, what); cause == nil {
			a.d.metrics.sent(a.out.Source, what)
			return a.followed("", "")
		}
		if errors.Is(cause, desk.ErrTaken) {
			return nil
		}
	}
	reason := reasonOf(cause)
	until, more := a.again(cause, since)
	if more && !desk.IsPermanent(cause) {
		a.d.log.Warn("what was sent is not changed yet", "ticket", a.m.TicketID, "message", a.m.ID, "source", a.out.Source, "what", what,
			"tries", a.out.Tries, "again", until, "error", cause)
		return a.postpone(desk.SendSent, reason, until)
	}
	a.loud("what was sent could not be changed", reason)
	return a.followed(reason, what)
}

func (a *attempt) change(ctx context.Context, e Editor, what string) error {
	_, err := inTime(ctx, a.d.set.SendTimeout, nil, func() (struct{}, error) {
		a.out.Reply.Still = a.still
		if what == "delete" {
			return struct{}{}, e.Remove(ctx, &a.out.Reply, a.out.ExternalID())
		}
		return struct{}{}, e.Edit(ctx, &a.out.Reply, a.out.ExternalID())
	})
	return err
}

// followed ends the errand; failed, unless "", is what an event says could not
// be done.
func (a *attempt) followed(reason, failed string) error {
	var event func(*desk.Ticket) ([]desk.Event, error)
	if failed != "" {
		event = a.event(failed, reason)
	}
	return a.books(func(ctx context.Context) error {
		return a.d.books.Followed(ctx, a.m.ID, a.out.Revision, reason, event)
	})
}
