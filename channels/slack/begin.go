package slack

import (
	"context"
	"errors"
	"strings"

	"switchboard/channels"
	"switchboard/pipeline/desk"
)

var _ channels.Starter = (*adapter)(nil)

// Starts is part of [channels.Starter]: people are found by their user ID, and
// by a mail address that the workspace confirmed.
func (a *adapter) Starts() []string {
	return []string{desk.IdentityKind(desk.Slack), desk.IdentityKind(desk.Email)}
}

// direct is the direct channel with somebody ("conversations.open"), which is
// the same however often it is opened.
func (a *adapter) direct(ctx context.Context, handle string) (address, error) {
	to := address{User: strings.TrimSpace(handle), Team: a.people.home(ctx)}
	if to.Team == "" {
		return to, errors.New("slack: Slack does not say in which workspace the app is")
	}
	if strings.Contains(to.User, "@") {
		u, err := a.api.GetUserByEmailContext(ctx, to.User)
		if err != nil {
			return to, classify("users.lookupByEmail", noURL(err), false)
		}
		who := fromUser(u)
		if p := who.profile(to.Team); p == nil || !p.EmailVerified {
			return to, desk.Permanent(errors.New("slack: nobody confirmed in the workspace that the mail address is theirs"))
		}
		to.User = u.ID
	}
	if !slackID(to.User) {
		return to, desk.Permanent(errors.New("slack: there is nobody of that name to write to"))
	}
	return a.openDirect(ctx, to)
}

// proof says that a reply stands in Slack. One that began a conversation is the
// message its thread begins with; what its reader says beside the thread, within
// the window of the channel, joins it too.
func (a *adapter) proof(r *desk.Reply, to address, ts string) desk.Proof {
	p := desk.Proof{ExternalID: key(to.Team, to.Channel, ts), At: when(loose(ts))}
	if r.Begins() {
		p.Begun = &desk.Begun{Handle: to.User, Group: key(to.Team, to.Channel, to.User),
			Thread: desk.Thread{Key: p.ExternalID, Address: address{Team: to.Team, Channel: to.Channel, ThreadTS: ts}.json()}}
	}
	return p
}
