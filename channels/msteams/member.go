package msteams

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"switchboard/pipeline/desk"
)

// How long a looked-up member is remembered, and a failure to look one up.
const (
	memberFresh = time.Hour
	memberRetry = 5 * time.Minute
	membersKept = 10000
)

// member is what the Connector knows about somebody in a conversation (a
// TeamsChannelAccount).
type member struct {
	ID        loose `json:"id"`
	ObjectID  loose `json:"objectId"`
	AAD       loose `json:"aadObjectId"`
	UPN       loose `json:"userPrincipalName"`
	Tenant    loose `json:"tenantId"`
	Name      loose `json:"name"`
	GivenName loose `json:"givenName"`
	Surname   loose `json:"surname"`
	Email     loose `json:"email"`
	Role      loose `json:"userRole"` // "guest" for somebody from elsewhere

	ok bool
	at time.Time
}

// members remembers who was looked up. It is safe for concurrent use and
// bounded.
type members struct {
	mu    sync.Mutex
	known map[string]member
}

func (m *members) get(key string, now time.Time) (member, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	got, ok := m.known[key]
	fresh := memberFresh
	if !got.ok {
		fresh = memberRetry
	}
	age := now.Sub(got.at)
	return got, ok && age >= 0 && age < fresh
}

func (m *members) put(key string, got member) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.known) >= membersKept {
		clear(m.known)
	}
	m.known[key] = got
}

// profile looks up who wrote. A failure costs the profile, not the message.
//
// The mail address is what the sender's tenant says it is. It counts as verified
// only when we chose to believe that tenant (it is on the list of tenants) and
// the sender is no guest there: the administrator of just any tenant can write
// any address on an account.
func (a *adapter) profile(ctx context.Context, act *activity) *desk.Profile {
	if !a.settings.Profiles || act.From.ID == "" || act.Conversation.ID == "" {
		return nil
	}
	key := act.tenant() + " " + string(act.From.ID)
	got, ok := a.members.get(key, a.Now())
	if !ok {
		got = member{}
		ctx, cancel := context.WithTimeout(ctx, a.settings.Timeouts.Member)
		defer cancel()
		err := a.lookUp(ctx, act, &got)
		if err != nil {
			a.Log.Debug("msteams: look up a member", "error", err)
		}
		got.ok, got.at = err == nil, a.Now()
		a.members.put(key, got)
	}
	if !got.ok {
		return nil
	}
	p := &desk.Profile{Name: string(got.Name), Email: strings.TrimSpace(string(got.Email)), Language: language(string(act.Locale))}
	if p.Name == "" {
		p.Name = strings.TrimSpace(string(got.GivenName + " " + got.Surname))
	}
	if p.Email != "" && strings.Count(p.Email, "@") != 1 {
		p.Email = ""
	}
	p.EmailVerified = p.Email != "" && a.settings.TrustEmail && len(a.settings.Tenants) > 0 && !strings.EqualFold(string(got.Role), "guest")
	if *p == (desk.Profile{}) {
		return nil
	}
	return p
}

// lookUp asks for one member. In a team the members belong to the team, not to
// the channel.
func (a *adapter) lookUp(ctx context.Context, act *activity, into *member) error {
	place := string(act.ChannelData.Team.ID)
	if place == "" {
		place = baseConversation(string(act.Conversation.ID))
	}
	path, err := resource(string(act.ServiceURL), a.settings.serviceHosts, place, "members", string(act.From.ID))
	if err != nil {
		return err
	}
	return a.request(ctx, http.MethodGet, path, nil, into)
}

// language keeps what looks like a BCP 47 tag.
func language(s string) string {
	if len(s) < 2 || len(s) > 35 || strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") != "" {
		return ""
	}
	return s
}

// resource is the address of something of a conversation, below
// /v3/conversations. Every part is escaped; none can climb.
func resource(service string, allowed hosts, parts ...string) (string, error) {
	u, err := allowed.check(service)
	if err != nil {
		return "", err
	}
	out := strings.TrimRight(u.Scheme+"://"+u.Host+u.EscapedPath(), "/") + "/v3/conversations"
	for _, p := range parts {
		if p == "" || p == "." || p == ".." {
			return "", errPart
		}
		out += "/" + url.PathEscape(p)
	}
	return out, nil
}
