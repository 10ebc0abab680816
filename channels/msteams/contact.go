package msteams

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"time"

	"switchboard/pipeline/desk"
)

// heard is what an activity tells about whom the bot can write to.
type heard struct {
	kind   desk.ContactKind
	handle string
	to     address // without ReplyTo
	gone   string
}

// Why a contact is gone.
const (
	goneApp  = "the app was removed"
	goneTeam = "the team was deleted"
)

// tells reads what an activity tells about whom and where the bot can write to
// ("Conversation events in your Teams bot", "Installation update event"). It is
// pure.
//
// A message: its author, and in a team the team. An installation, or the bot
// among the members added: the person of a personal chat, or the team. Other
// members added: each of them, who then has an address but no chat yet. A
// removal of the app: the same, gone. An upgrade removes nothing: what is added
// again follows.
func (a *activity) tells() []heard {
	switch a.Type {
	case "message":
		return a.here("", a.From)
	case "installationUpdate": // also for a team, where channelData names it
		switch a.Action {
		case "add", "add-upgrade":
			return a.here("", a.From)
		case "remove":
			return a.here(goneApp, a.From)
		}
	case "conversationUpdate":
		switch {
		case a.ChannelData.EventType == "teamDeleted", a.ChannelData.EventType == "teamHardDeleted":
			return a.place(goneTeam)
		case a.named(a.MembersRemoved):
			return a.here(goneApp, a.From)
		}
		out := a.place("")
		if a.Conversation.Type == typePersonal {
			out = a.here("", a.From)
		}
		for _, m := range a.MembersAdded {
			if !a.bot(m) {
				out = append(out, a.person("", m)...)
			}
		}
		return out
	}
	return nil
}

func (a *activity) bot(m account) bool {
	return m.ID == "" || m.ID == a.Recipient.ID || strings.HasPrefix(string(m.ID), "28:")
}

func (a *activity) named(list []account) bool {
	for _, m := range list {
		if m.ID != "" && m.ID == a.Recipient.ID {
			return true
		}
	}
	return false
}

// here is the other side of a personal chat, or a team and who spoke in it. A
// person is not gone because a team is.
func (a *activity) here(gone string, who account) []heard {
	if a.Conversation.Type == typePersonal {
		return a.person(gone, who)
	}
	out := a.place(gone)
	if gone == "" {
		out = append(out, a.person("", who)...)
	}
	return out
}

// maxHeard bounds how many members one event may name.
const maxHeard = 500

func (a *activity) person(gone string, who account) []heard {
	handle := string(who.AADObjectID)
	if handle == "" {
		handle = string(who.ID)
	}
	if handle == "" || a.bot(who) || len(a.MembersAdded) > maxHeard {
		return nil
	}
	to := a.reference()
	to.User = identity{ID: string(who.ID), Name: string(who.Name), AAD: string(who.AADObjectID)}
	if to.Type != typePersonal { // known here, and not yet spoken with
		to.Conversation, to.Type = "", ""
	}
	return []heard{{desk.Person, strings.TrimSpace(handle), to, gone}}
}

// place is the team of a channel; of a group chat nothing begins a message.
func (a *activity) place(gone string) []heard {
	team := string(a.ChannelData.Team.ID)
	if team == "" || len(team) > maxID {
		return nil
	}
	to := a.reference()
	to.Conversation, to.Type = team, typeChannel
	return []heard{{desk.Place, team, to, gone}}
}

// reference is the conversation reference of an activity.
func (a *activity) reference() address {
	return address{ServiceURL: string(a.ServiceURL), ChannelID: string(a.ChannelID), Conversation: baseConversation(string(a.Conversation.ID)),
		Type: string(a.Conversation.Type), Tenant: a.tenant(), Bot: identity{ID: string(a.Recipient.ID), Name: string(a.Recipient.Name)}}
}

// contactFresh is how long a contact that was kept is not written again when
// the same is told.
const contactFresh = time.Hour

// kept remembers what was written last, so that not every message writes. It is
// safe for concurrent use and bounded.
type kept struct {
	mu sync.Mutex
	by map[string]keptSaying
}

type keptSaying struct {
	said string
	at   time.Time
}

// news reports whether something else was said of it, or the same long ago.
func (k *kept) news(of, said string, now time.Time) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	last, ok := k.by[of]
	return !ok || last.said != said || now.Sub(last.at) >= contactFresh || now.Before(last.at)
}

func (k *kept) note(of, said string, now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.by == nil || len(k.by) >= membersKept {
		k.by = map[string]keptSaying{}
	}
	k.by[of] = keptSaying{said, now}
}

// learn keeps what an activity tells about whom the bot can write to.
func (a *adapter) learn(ctx context.Context, act *activity) error {
	if a.Contacts == nil {
		return nil
	}
	at := act.at()
	if at.IsZero() || at.After(a.Now()) {
		at = a.Now()
	}
	for _, h := range act.tells() {
		// A message comes often and tells the same; what is told once counts.
		if err := a.remember(ctx, h, at, act.Type == "message"); err != nil {
			return err
		}
	}
	return a.alias(ctx, act, at)
}

// alias lets somebody who installed the app for themselves be found by the mail
// address their tenant vouches for: a contact of its own that only names them.
// Who is in a team is found by its roster, and who wrote is known already.
func (a *adapter) alias(ctx context.Context, act *activity, at time.Time) error {
	if act.Type == "message" || act.Conversation.Type != typePersonal || act.From.AADObjectID == "" || act.bot(act.From) {
		return nil
	}
	if tells := act.tells(); len(tells) == 0 || tells[0].gone != "" {
		return nil
	}
	p := a.profile(ctx, act)
	if p == nil || !p.EmailVerified {
		return nil
	}
	to := address{User: identity{AAD: string(act.From.AADObjectID)}}
	return a.Contacts.KeepContact(ctx, desk.Contact{Source: a.Source.Name, Kind: desk.Person,
		Handle: desk.Handle(desk.IdentityKind(desk.Email), p.Email), Address: to.json(), At: at})
}

func (a *adapter) remember(ctx context.Context, h heard, at time.Time, often bool) error {
	of, said := string(h.kind)+" "+h.handle, h.gone+" "+string(h.to.json())
	if often && !a.kept.news(of, said, a.Now()) {
		return nil
	}
	if h.kind == desk.Person && h.to.Conversation == "" { // heard of elsewhere: what we know of the chat stays
		switch old, to, err := a.contact(ctx, h.handle); {
		case err == nil:
			h.to.Conversation, h.to.Type, h.gone = to.Conversation, to.Type, old.Gone
		case !errors.Is(err, desk.ErrNotFound):
			return err
		}
	}
	err := a.Contacts.KeepContact(ctx, desk.Contact{Source: a.Source.Name, Kind: h.kind, Handle: h.handle, Address: h.to.json(), Gone: h.gone, At: at})
	if err != nil {
		return err
	}
	a.kept.note(of, said, a.Now())
	if h.gone != "" {
		a.counts.add("contact gone")
	} else {
		a.counts.add("contact kept")
	}
	return nil
}

// contact finds what is remembered of a person.
func (a *adapter) contact(ctx context.Context, handle string) (desk.Contact, address, error) {
	var to address
	if a.Contacts == nil {
		return desk.Contact{}, to, desk.ErrNotFound
	}
	c, err := a.Contacts.Contact(ctx, a.Source.Name, desk.Person, handle)
	if err == nil && json.Unmarshal(c.Address, &to) != nil {
		return desk.Contact{}, to, desk.ErrNotFound
	}
	return c, to, err
}
