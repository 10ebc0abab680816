package pipeline

import (
	"context"

	"switchboard/pipeline/desk"
)

// Loop drops what machines send to machines, so that two robots never write to
// each other through us: automatic replies, delivery reports and our own
// messages coming home. RFC 3834 section 2, RFC 3464. Mail that merely went
// through a mailing list, and notifications, are kept: people and monitors
// write to support through both. It settles what is no message: what its channel
// could not read waits for a person, a vendor's notice is dropped.
func Loop() Stage {
	return Stage{
		Name: "loop",
		Doc:  "drop automatic replies, delivery reports, notices and our own messages; hold what cannot be read",
		Run: func(ctx context.Context, p *Pass) error {
			a := p.Draft.Auto
			why := func(what string) string {
				if a.Reason == "" {
					return what
				}
				return what + " (" + a.Reason + ")"
			}
			switch a.Kind {
			case "":
				p.Note("written by a person, as far as its headers say")
			case desk.AutoReply:
				p.Drop(why("automatic reply"))
			case desk.AutoBounce:
				p.Drop(why("delivery failure report"))
			case desk.AutoDelay:
				p.Drop(why("delivery delay report"))
			case desk.AutoFeedback:
				p.Drop(why("abuse feedback report"))
			case desk.AutoOwn:
				p.Drop(why("sent by ourselves"))
			case desk.AutoNotice:
				p.Drop(why("it brings no message"))
			case desk.AutoUnread:
				p.Hold(why("no message could be made of it"))
			default:
				p.Note("%s, kept", why(string(a.Kind)))
			}
			return nil
		},
	}
}
