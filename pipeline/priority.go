package pipeline

import (
	"context"

	"switchboard/pipeline/desk"
)

// Priority settles how urgent a new ticket is: what an authenticated sender
// asked, else a rule's, else by the service level of the customer or their
// account, else medium. A mail's own Importance header decides nothing by
// itself: every sender thinks their mail important.
func Priority() Stage {
	return Stage{
		Name: "priority",
		Doc:  "settle the priority",
		Run: func(ctx context.Context, p *Pass) error {
			t := p.Ticket
			if p.Joined {
				p.Note("stays %s", t.Priority)
				return nil
			}
			if a := p.Draft.Ask; a != nil && a.Priority != "" {
				t.Priority = a.Priority
				p.Note("%s: asked by the sender", t.Priority)
				return nil
			}
			if t.Priority != "" {
				p.Note("%s: set by a rule", t.Priority)
				return nil
			}
			for _, level := range []string{p.Requester.Customer.ServiceLevel, p.Requester.Account.ServiceLevel} {
				if pr, ok := p.Policy.ServiceLevels[level]; ok && level != "" {
					t.Priority = pr
					p.Note("%s: service level %s", pr, level)
					return nil
				}
			}
			t.Priority = desk.Medium
			p.Note("%s: nothing says otherwise", t.Priority)
			return nil
		},
	}
}
