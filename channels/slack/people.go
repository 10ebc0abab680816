package slack

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	slackgo "github.com/slack-go/slack"
	"golang.org/x/time/rate"

	"switchboard/pipeline/desk"
)

// person is what Slack says about a user.
type person struct {
	desk.Profile
	Home string // the workspace they belong to
	Full bool   // a member who is no guest and no bot
}

// people asks Slack who somebody is and remembers it. Asking never holds a
// message back: when Slack is slow, refuses or limits us, the message goes on
// without a name. Safe for concurrent use.
type people struct {
	api *slackgo.Client
	now func() time.Time
	log *slog.Logger

	mu    sync.Mutex
	known map[string]person
	until map[string]time.Time
	quiet time.Time // no question before this
	limit *rate.Limiter
	self  string // our bot user, once known
	team  string // the workspace the app is in, once known
}

// How long an answer is believed, a failure too, and how many are kept.
const (
	personFor  = time.Hour
	nobodyFor  = time.Minute
	peopleMost = 20000
	askWithin  = 1200 * time.Millisecond
	restFor    = 5 * time.Second // after Slack did not answer
)

// newPeople asks at most about a hundred times a minute, Slack's limit for
// users.info ("Rate limits", tier 4).
func newPeople(api *slackgo.Client, now func() time.Time, log *slog.Logger) *people {
	return &people{api: api, now: now, log: log, known: map[string]person{}, until: map[string]time.Time{},
		limit: rate.NewLimiter(rate.Every(600*time.Millisecond), 50)}
}

// ask says who a user is; false when it is not known now.
func (p *people) ask(ctx context.Context, id string) (person, bool) {
	who, _ := p.look(ctx, id)
	return who, who != person{}
}

// look says who a user is, as far as it is known, and whether that is an answer:
// without one Slack could not be asked now, and asking later may tell.
func (p *people) look(ctx context.Context, id string) (who person, answered bool) {
	if !slackID(id) {
		return person{}, true
	}
	now := p.now()
	p.mu.Lock()
	who, asked := p.known[id]
	fresh := asked && now.Before(p.until[id])
	resting := now.Before(p.quiet)
	p.mu.Unlock()
	if fresh {
		return who, true
	}
	if resting || !p.limit.AllowN(now, 1) {
		return who, who != person{} // an old answer is better than none
	}
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	u, err := p.api.GetUserInfoContext(ctx, id)
	if err != nil {
		return who, p.failed(id, who, err) || who != person{}
	}
	who = fromUser(u)
	p.keep(id, who, personFor)
	return who, true
}

// failed keeps what was known and does not ask again at once. It reports whether
// the failure is Slack's answer, and not its trouble.
func (p *people) failed(id string, who person, err error) bool {
	var limited *slackgo.RateLimitedError
	var refused slackgo.SlackErrorResponse
	p.log.Debug("slack: who is it", "err", noURL(err))
	switch {
	case errors.As(err, &limited):
		p.rest(max(limited.RetryAfter, time.Second))
	case errors.As(err, &refused) && !troubled(refused.Err):
		p.keep(id, who, nobodyFor)
		return true
	default:
		p.rest(restFor)
	}
	return false
}

func (p *people) rest(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.quiet = p.now().Add(d)
}

func (p *people) keep(id string, who person, d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.known) >= peopleMost {
		p.known, p.until = map[string]person{}, map[string]time.Time{}
	}
	p.known[id], p.until[id] = who, p.now().Add(d)
}

// me is our own bot user, asked once.
func (p *people) me(ctx context.Context) string {
	p.mu.Lock()
	self, resting := p.self, p.now().Before(p.quiet)
	p.mu.Unlock()
	if self != "" || resting {
		return self
	}
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	r, err := p.api.AuthTestContext(ctx)
	if err != nil {
		p.log.Warn("slack: auth.test", "err", noURL(err))
		p.rest(restFor)
		return ""
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.self, p.team = r.UserID, r.TeamID
	return p.self
}

// home is the workspace the app is in, "" while Slack does not say.
func (p *people) home(ctx context.Context) string {
	p.me(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.team
}

func fromUser(u *slackgo.User) person {
	name := cmp.Or(u.Profile.DisplayName, u.Profile.RealName, u.RealName, u.Name)
	return person{Home: u.TeamID, Full: !u.IsBot && !u.IsRestricted && !u.IsUltraRestricted && !u.Deleted,
		Profile: desk.Profile{Name: desk.Clean(name), Email: strings.ToLower(desk.Clean(u.Profile.Email)), EmailVerified: u.IsEmailConfirmed,
			Phone: desk.Clean(u.Profile.Phone), TimeZone: desk.Clean(u.TZ), Language: desk.Clean(u.Locale)}}
}

// profile is what a draft says about its sender. A mail address counts as
// verified only when our own workspace vouches for it: another workspace's
// administrators (Slack Connect) may confirm what they like.
func (w person) profile(team string) *desk.Profile {
	if w == (person{}) {
		return nil
	}
	p := w.Profile
	p.EmailVerified = p.EmailVerified && p.Email != "" && w.Home != "" && w.Home == team
	return &p
}

// staff reports whether a user is one of our own people. When nobody is named,
// none is, but for setting a status full members of the workspace count.
func (a *adapter) staff(ctx context.Context, user, team string, forStatus bool) bool {
	yes, _ := a.surelyStaff(ctx, user, team, forStatus)
	return yes
}

// surelyStaff is staff, and whether that is certain: it is not when the answer
// depends on what Slack could not be asked.
func (a *adapter) surelyStaff(ctx context.Context, user, team string, forStatus bool) (yes, certain bool) {
	list := a.settings.Staff
	if len(list) == 0 && forStatus {
		list = []string{staffWorkspace}
	}
	var who person
	asked := false
	certain = true
	for _, s := range list {
		if s == user {
			return true, true
		}
		if !asked && !slackID(s) {
			who, certain = a.people.look(ctx, user)
			asked = true
		}
		ours := who.Home != "" && who.Home == team
		if s == staffWorkspace && ours && who.Full {
			return true, true
		}
		if strings.HasPrefix(s, "@") && ours && who.EmailVerified && strings.HasSuffix(who.Email, strings.ToLower(s)) {
			return true, true
		}
	}
	return false, certain
}
