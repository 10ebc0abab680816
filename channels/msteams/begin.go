package msteams

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"switchboard/channels"
	"switchboard/pipeline/desk"
)

// Starts is part of [channels.Starter]: people are found by what their messages
// call them, and by a mail address that a team's roster has.
func (a *adapter) Starts() []string {
	return []string{desk.IdentityKind(desk.MSTeams), desk.IdentityKind(desk.Email)}
}

// begin writes to somebody who need not have written before ("Proactive
// messages"): into the chat that is remembered, else into one the Connector is
// asked to open, which for the same person is always the same.
func (a *adapter) begin(ctx context.Context, r *desk.Reply) (desk.Proof, error) {
	if !leaves(r) {
		return desk.Proof{}, errStays
	}
	to, err := a.reach(ctx, r.To[0].Handle)
	if err != nil {
		return desk.Proof{}, err
	}
	if to.Conversation != "" {
		proof, err := a.sendTo(ctx, r, to)
		var g *gone
		if err == nil || !errors.As(err, &g) {
			return a.begun(to, proof), err
		}
	}
	if to.Conversation, err = a.open(ctx, to); err != nil {
		return desk.Proof{}, err
	}
	to.Type = typePersonal
	proof, err := a.sendTo(ctx, r, to)
	if err != nil {
		return desk.Proof{}, err
	}
	if a.Contacts != nil {
		h := heard{kind: desk.Person, handle: to.handle(), to: to}
		if err := a.remember(ctx, h, a.Now(), true); err != nil {
			a.Log.Warn("msteams: keep a contact", "error", err) // the next message opens the same chat again
		}
	}
	return a.begun(to, proof), nil
}

// handle is what messages of the person call them.
func (to address) handle() string {
	if to.User.AAD != "" {
		return to.User.AAD
	}
	return to.User.ID
}

// begun says which conversation a proof began. With a window a chat's messages
// are threads of their own, held together by their group.
func (a *adapter) begun(to address, proof desk.Proof) desk.Proof {
	if proof.At.IsZero() {
		return proof
	}
	b := &desk.Begun{Thread: desk.Thread{Key: to.Conversation, Address: to.json()}, Handle: to.handle()}
	if a.settings.Window > 0 {
		b.Group, b.Thread.Key = to.Conversation, proof.ExternalID
	}
	proof.Begun = b
	return proof
}

// create asks the Connector for a conversation (ConversationParameters).
type create struct {
	Bot         identity          `json:"bot"`
	Members     []identity        `json:"members"`
	IsGroup     bool              `json:"isGroup"`
	TenantID    string            `json:"tenantId"`
	ChannelData createChannelData `json:"channelData"`
}

type createChannelData struct {
	Tenant createTenant `json:"tenant"`
}

type createTenant struct {
	ID string `json:"id"`
}

// open asks for the chat with somebody and returns its ID.
func (a *adapter) open(ctx context.Context, to address) (string, error) {
	path, err := resource(to.ServiceURL, a.settings.serviceHosts)
	if err != nil {
		return "", desk.Permanent(fmt.Errorf("msteams: the address of the Connector is refused: %w", err))
	}
	body, err := json.Marshal(create{Bot: identity{ID: to.Bot.ID, Name: to.Bot.Name}, Members: []identity{{ID: to.User.ID}}, TenantID: to.Tenant,
		ChannelData: createChannelData{createTenant{to.Tenant}}})
	if err != nil { // strings always marshal
		panic(err)
	}
	var answer struct {
		ID loose `json:"id"`
	}
	err = a.request(ctx, http.MethodPost, path, body, &answer)
	var no *forbidden
	switch {
	case errors.As(err, &no):
		return "", desk.Permanent(fmt.Errorf("msteams: Teams lets the bot not write to them first: the app is not installed for them or a team of theirs, or they blocked it: %w", err))
	case errors.Is(err, channels.ErrCutOff): // to open it twice is to open it once
		return "", fmt.Errorf("msteams: open a chat: %s", strings.TrimPrefix(err.Error(), "msteams: "))
	case err != nil:
		return "", err
	case answer.ID == "" || len(answer.ID) > maxID:
		return "", errors.New("msteams: open a chat: the answer names no conversation")
	}
	return string(answer.ID), nil
}

// reach finds how to write to somebody: what is remembered of them, else what
// the rosters of teams with the app say. A bot cannot write to who has the app
// in neither way, and the error says so.
func (a *adapter) reach(ctx context.Context, handle string) (address, error) {
	handle = strings.TrimSpace(handle)
	if handle == "" {
		return address{}, desk.Permanent(errors.New("msteams: there is nobody to write to"))
	}
	if strings.Contains(handle, "@") {
		handle = desk.Handle(desk.IdentityKind(desk.Email), handle)
	}
	c, to, err := a.contact(ctx, handle)
	if err == nil && to.User.ID == "" && to.User.AAD != "" { // an alias
		handle = to.User.AAD
		c, to, err = a.contact(ctx, handle)
	}
	switch {
	case err == nil && c.Gone == "" && to.User.ID != "":
		return to, nil
	case err != nil && !errors.Is(err, desk.ErrNotFound):
		return address{}, fmt.Errorf("msteams: %w", err)
	}
	to, err = a.inRosters(ctx, handle)
	if err == nil && to.User.ID != "" {
		return to, nil
	}
	if err != nil {
		return address{}, err
	}
	switch tenant := a.tenant(); {
	case c.Gone != "":
		return address{}, desk.Permanent(fmt.Errorf("msteams: the bot cannot write to them: %s on %s", c.Gone, c.At.UTC().Format("2 January 2006")))
	case strings.HasPrefix(handle, "29:") && tenant != "": // the bot's own name for a user is enough
		return address{ServiceURL: a.settings.ServiceURL, ChannelID: "msteams", Tenant: tenant, Bot: a.self(), User: identity{ID: handle}}, nil
	}
	return address{}, desk.Permanent(errors.New("msteams: the bot does not know them: the app must be installed for them, or in a team they are in"))
}

// self is the bot's account, as Teams names it.
func (a *adapter) self() identity { return identity{ID: "28:" + a.settings.AppID} }

// tenant is the one tenant the bot serves, "" when it serves several.
func (a *adapter) tenant() string {
	if a.settings.TenantID != "" {
		return a.settings.TenantID
	}
	if len(a.settings.Tenants) == 1 {
		return a.settings.Tenants[0]
	}
	return ""
}

// inRosters looks for somebody among the members of the teams that have the app.
// The zero address means that nobody of that name is there.
func (a *adapter) inRosters(ctx context.Context, handle string) (address, error) {
	if a.Contacts == nil || a.settings.RosterTeams == 0 {
		return address{}, nil
	}
	places, err := a.Contacts.Contacts(ctx, a.Source.Name, desk.Place, a.settings.RosterTeams)
	if err != nil {
		return address{}, fmt.Errorf("msteams: %w", err)
	}
	var last error
	for _, p := range places {
		var team address
		if json.Unmarshal(p.Address, &team) != nil || team.Conversation == "" {
			continue
		}
		m, found, err := a.inRoster(ctx, team, handle)
		var no *forbidden
		switch {
		case errors.As(err, &no): // the app is not there any more, and nobody told
			if err := a.remember(ctx, heard{kind: desk.Place, handle: p.Handle, to: team, gone: goneApp}, a.Now(), false); err != nil {
				a.Log.Warn("msteams: keep a contact", "error", err)
			}
		case err != nil:
			last = err
		case found:
			return team.of(m), nil
		}
	}
	return address{}, last
}

// of is the address of a member of a team: without a chat, which is still to be
// opened.
func (to address) of(m member) address {
	to.Conversation, to.Type = "", ""
	to.User = identity{ID: string(m.ID), Name: string(m.Name), AAD: m.aad()}
	if m.Tenant != "" {
		to.Tenant = string(m.Tenant)
	}
	return to
}

func (m *member) aad() string {
	if m.AAD != "" {
		return string(m.AAD)
	}
	return string(m.ObjectID)
}

// inRoster looks for somebody in one team: by their ID in the tenant or their
// user name, which the Connector knows, else by the mail address on each member,
// where the tenant's word for it counts.
func (a *adapter) inRoster(ctx context.Context, team address, handle string) (member, bool, error) {
	mail := strings.Contains(handle, "@")
	if mail && !(a.settings.TrustEmail && len(a.settings.Tenants) > 0) {
		return member{}, false, nil
	}
	path, err := resource(team.ServiceURL, a.settings.serviceHosts, team.Conversation, "members", handle)
	if err != nil {
		return member{}, false, nil // its host is not allowed any more
	}
	var m member
	err = a.request(ctx, http.MethodGet, path, nil, &m)
	var none *gone
	switch {
	case err == nil && m.ID != "" && a.is(m, handle):
		return m, true, nil
	case err != nil && !errors.As(err, &none) && !desk.IsPermanent(err):
		return member{}, false, err
	case err != nil && !errors.As(err, &none) && !mail:
		return member{}, false, err
	case !mail:
		return member{}, false, nil
	}
	return a.pages(ctx, team, handle)
}

// is reports whether a member is who was looked for. A guest's mail address is
// another tenant's word.
func (a *adapter) is(m member, handle string) bool {
	if m.aad() == handle || string(m.ID) == handle {
		return true
	}
	guest := strings.EqualFold(string(m.Role), "guest")
	return !guest && (strings.EqualFold(string(m.Email), handle) || strings.EqualFold(string(m.UPN), handle))
}

// rosterPage is how many members are asked for at once; their answer fits
// answerBytes.
const rosterPage = 200

// pages goes through a team's roster.
func (a *adapter) pages(ctx context.Context, team address, handle string) (member, bool, error) {
	path, err := resource(team.ServiceURL, a.settings.serviceHosts, team.Conversation, "pagedmembers")
	if err != nil {
		return member{}, false, err
	}
	next := ""
	for seen := 0; seen < a.settings.RosterMembers; {
		q := url.Values{"pageSize": {strconv.Itoa(rosterPage)}}
		if next != "" {
			q.Set("continuationToken", next)
		}
		var page struct {
			Members []member `json:"members"`
			Next    loose    `json:"continuationToken"`
		}
		if err := a.request(ctx, http.MethodGet, path+"?"+q.Encode(), nil, &page); err != nil {
			return member{}, false, err
		}
		for _, m := range page.Members {
			if m.ID != "" && a.is(m, handle) {
				return m, true, nil
			}
		}
		if seen += len(page.Members); page.Next == "" || len(page.Members) == 0 || string(page.Next) == next {
			break
		}
		next = string(page.Next)
	}
	return member{}, false, nil
}
