package pipeline

import (
	"context"

	"switchboard/pipeline/desk"
)

// Canary drops the messages the house sends itself to find out whether others
// come through. Only a message that is a canary as a whole is one: its text, by
// the secret of the house and for its own source, no files, no edit. All else
// goes on down the line, whatever it looks like. It stands first, and only in a
// house that may send canaries.
func Canary(secret []byte) Stage {
	return Stage{
		Name: "canary",
		Doc:  "drop the canaries the house sends itself",
		Run: func(ctx context.Context, p *Pass) error {
			d := p.Draft
			if len(d.Attachments) > 0 || d.Act != "" {
				return nil
			}
			if at, ok := desk.ReadCanary(secret, d.Source, d.Text); ok {
				p.canary = at
				p.Drop(desk.CanaryReason)
			}
			return nil
		},
	}
}
