package pipeline

import (
	"context"
	"fmt"
	"time"

	"switchboard/pipeline/desk"
)

// How long an edit waits for its message. One that is in the ledger and not filed
// yet has its [Patience].
const (
	// overtaken is for a message of which nothing is known: events of a channel
	// overtake each other, by as long as a channel fetches the files of a message,
	// and a little for the other side to send again what was not taken.
	overtaken = 90 * time.Second
	// justFiled is for a message that was filed since the books were opened.
	justFiled = 2 * time.Second
)

// Revise ends a message that is none but does something to an earlier one: it
// edits, deletes or restores it, and no later stage sees it. Only the author of
// a message may do that. The words it had before stay in the books: a delete
// hides, it does not erase.
func Revise() Stage {
	return Stage{
		Name: "revise",
		Doc:  "edit, delete or restore the message it names",
		Run: func(ctx context.Context, p *Pass) error {
			switch p.Draft.Act {
			case "":
				p.Note("a message of its own")
				return nil
			case desk.ActEdit, desk.ActDelete, desk.ActRestore:
			default:
				return desk.Permanent(fmt.Errorf("unknown act %q", p.Draft.Act))
			}
			m, ok, err := p.Books.Entry(ctx, p.Draft.Scope, p.Draft.Target, "")
			if err != nil {
				return err
			}
			if !ok || p.Draft.Target == "" {
				return missing(ctx, p)
			}
			return revise(ctx, p, m)
		},
	}
}

// missing decides about an act whose message is on no ticket: it waits for one
// that is in the ledger, and ends with what became of it else.
func missing(ctx context.Context, p *Pass) error {
	act, waited := p.Draft.Act, p.waited()
	if p.Draft.Target == "" {
		p.Drop(string(act) + " that names no message")
		return nil
	}
	seen, err := p.Books.Seen(ctx, p.Draft.Scope, p.Draft.Target)
	if err != nil {
		return err
	}
	for _, s := range seen {
		switch {
		case s.Receipt == p.Receipt:
		case s.State == desk.Accepted && waited <= p.Patience.Turn:
			p.Wait(fmt.Sprintf("the message it means to %s is receipt %s, not yet filed", act, s.Receipt))
			return nil
		case s.State == desk.Filed && waited < justFiled: // filed since the books were opened
			p.Wait(fmt.Sprintf("the message it means to %s was just filed as receipt %s", act, s.Receipt))
			return nil
		case s.State == desk.Accepted:
			p.Hold(fmt.Sprintf("%s of the message of receipt %s, which is not filed for %s", act, s.Receipt, p.Patience.Turn))
			return nil
		case s.State == desk.Dropped || s.State == desk.Duplicate || s.State == desk.Filed:
		default: // a person has to see to that one first
			p.Hold(fmt.Sprintf("%s of the message of receipt %s, which is %s", act, s.Receipt, s.State))
			return nil
		}
	}
	if len(seen) == 0 && waited < overtaken {
		p.Wait("the message it means to " + string(act) + " is not known yet")
		return nil
	}
	p.Drop(string(act) + " of a message that is on no ticket")
	return nil
}

// revise decides about an act on a message that is on a ticket.
func revise(ctx context.Context, p *Pass, m *desk.Message) error {
	d := p.Draft
	if m.Direction != desk.Inbound {
		p.Drop(fmt.Sprintf("refused: message %s is none of a customer", m.ID))
		return nil
	}
	author, err := wrote(ctx, p, m)
	if err != nil {
		return err
	}
	if !author {
		p.Drop(fmt.Sprintf("refused: only the author of message %s may %s it", m.ID, d.Act))
		return nil
	}
	files := m.Lacks(d.Attachments)
	// One that was said later than what the message knows may undo an edit that it overtook.
	known := !p.said().After(m.EditedAt)
	if d.Act == desk.ActEdit && d.Text == m.Text && len(files) == 0 && m.DeletedAt.IsZero() && known {
		p.Drop("edit that changes no word")
		return nil
	}
	r := desk.Revision{Message: m.ID, Act: d.Act, At: p.said()}
	if d.Act == desk.ActEdit {
		r.Text, r.Files, r.Damage = d.Text, files, d.Damage
	}
	p.Revise(m, r)
	return nil
}

// wrote reports whether the sender is the author of a message: the same handle,
// or another handle of the same customer.
func wrote(ctx context.Context, p *Pass, m *desk.Message) (bool, error) {
	kind, handle := p.handle()
	if handle == "" {
		return false, nil
	}
	if desk.IdentityKind(m.Channel) == kind && desk.Handle(kind, m.From.Handle) == handle {
		return true, nil
	}
	if m.Author.Kind != desk.ByCustomer || m.Author.ID == "" {
		return false, nil
	}
	r, err := p.Books.Requester(ctx, kind, handle)
	return err == nil && r.Found && string(r.Customer.ID) == m.Author.ID, err
}
