package slack

import (
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	slackgo "github.com/slack-go/slack"

	"switchboard/channels"
	"switchboard/pipeline/desk"
)

// settings are the keys of a slack source's block. One source is one app in one
// workspace; several workspaces are several sources, each with its own URLs.
type settings struct {
	SigningSecret string `yaml:"signingSecret"` // of the app, under Basic Information
	BotToken      string `yaml:"botToken"`      // xoxb-..., of the app in the workspace
	APIURL        string `yaml:"apiURL"`        // another address of the Web API, for a fake or a proxy
	AppID         string `yaml:"appID"`         // when set, events of other apps are not ours
	TeamID        string `yaml:"teamID"`        // when set, events of other workspaces are not ours

	// Mode says what opens a ticket in a channel that Channels does not name:
	// see the modes. Window groups messages of one person (mode every).
	Mode     string        `yaml:"mode" words:"every,thread,mention,emoji,none"`
	Window   time.Duration `yaml:"window"`
	Channels []override    `yaml:"channels"`

	Emoji emoji `yaml:"emoji"`
	// Staff are our own people in Slack: user IDs, mail domains as
	// "@example.com", or "workspace" for every full member of the workspace.
	// What they say at the top of a channel opens no ticket. Only they set a
	// status by emoji; when nobody is named, full members of the workspace do.
	Staff []string `yaml:"staff"`
	// Bots are the bot IDs (B...) of other apps whose messages count, such as
	// monitors; messages of all others are left alone.
	Bots []string `yaml:"bots"`

	Command  string `yaml:"command"`  // the slash command that opens the form
	Shortcut string `yaml:"shortcut"` // callback ID of the message and global shortcut

	BodyBytes int64 `yaml:"bodyBytes"` // largest request taken
	FileBytes int64 `yaml:"fileBytes"` // largest file fetched
	// SignatureWindow is how old a signed request may be ("Verifying requests
	// from Slack": five minutes).
	SignatureWindow time.Duration `yaml:"signatureWindow"`
}

// override is what differs in one channel.
type override struct {
	ID     string         `yaml:"id"`   // C..., G... or D...
	Name   string         `yaml:"name"` // without #; asked of Slack, so prefer the ID
	Mode   string         `yaml:"mode" words:"every,thread,mention,emoji,none"`
	Window *time.Duration `yaml:"window"`
	Team   desk.TeamID    `yaml:"team"` // whose desk its tickets come to
}

type emoji struct {
	Create   string                 `yaml:"create"`   // this reaction makes a ticket of a message; empty: none does
	Statuses map[string]desk.Status `yaml:"statuses"` // reactions that set a status
}

// The modes.
const (
	modeEvery   = "every"   // every message, those of one person within the window together
	modeThread  = "thread"  // every message at the top of the channel
	modeMention = "mention" // a message that mentions the bot
	modeEmoji   = "emoji"   // a message somebody reacts to with the emoji
	modeNone    = "none"    // nothing by itself; /ticket and the shortcut remain
)

func defaults() settings {
	return settings{
		APIURL: slackgo.APIURL, Mode: modeEvery, Window: 2 * time.Minute,
		Emoji:   emoji{Create: "ticket", Statuses: map[string]desk.Status{"white_check_mark": desk.StatusResolved, "eyes": desk.StatusInProgress}},
		Command: "/ticket", Shortcut: "create_ticket",
		BodyBytes: 1 << 20, FileBytes: 100 << 20, SignatureWindow: 5 * time.Minute,
	}
}

var emojiName = regexp.MustCompile(`^[a-z0-9_+'-]{1,100}$`)

// load decodes and checks a block.
func load(b channels.Block) (settings, error) {
	s := defaults()
	if b == nil {
		return s, desk.Invalidf("signingSecret", "is required")
	}
	statuses := s.Emoji.Statuses
	s.Emoji.Statuses = nil // a list in the file replaces ours
	if err := b.Decode(&s); err != nil {
		return s, err
	}
	if s.Emoji.Statuses == nil {
		s.Emoji.Statuses = statuses
	}
	if !strings.HasSuffix(s.APIURL, "/") {
		s.APIURL += "/"
	}
	return s, s.check()
}

func (s settings) check() error {
	switch {
	case s.SigningSecret == "":
		return desk.Invalidf("signingSecret", "is required: without it anybody could write in Slack's name")
	case s.BotToken == "":
		return desk.Invalidf("botToken", "is required: the bot token of the app (xoxb-...)")
	case s.Window < 0 || s.Window > 24*time.Hour:
		return desk.Invalidf("window", "must be between 0s and 24h")
	case !slices.Contains(modes, s.Mode):
		return desk.Invalidf("mode", "must be one of %s", strings.Join(modes, ", "))
	case s.Emoji.Create != "" && !emojiName.MatchString(s.Emoji.Create):
		return desk.Invalidf("emoji.create", "must be the name of an emoji, without colons")
	case s.Command != "" && !strings.HasPrefix(s.Command, "/"):
		return desk.Invalidf("command", "must begin with /")
	case s.BodyBytes < 1<<10 || s.BodyBytes > 16<<20:
		return desk.Invalidf("bodyBytes", "must be between 1KB and 16MB")
	case s.FileBytes < 1<<10:
		return desk.Invalidf("fileBytes", "must be at least 1KB")
	case s.SignatureWindow < time.Second || s.SignatureWindow > time.Hour:
		return desk.Invalidf("signatureWindow", "must be between 1s and 1h")
	}
	if err := checkURL(s.APIURL); err != nil {
		return err
	}
	for name, status := range s.Emoji.Statuses {
		if !emojiName.MatchString(name) {
			return desk.Invalidf("emoji.statuses", "must name emoji without colons")
		}
		if status == "" || name == s.Emoji.Create {
			return desk.Invalidf("emoji.statuses", "%s must have a status and not make tickets too", name)
		}
	}
	for i, who := range s.Staff {
		if who != staffWorkspace && !strings.HasPrefix(who, "@") && !slackID(who) {
			return desk.Invalidf(fmt.Sprintf("staff[%d]", i), "must be a user ID, a mail domain such as @example.com, or workspace")
		}
	}
	return s.checkChannels()
}

var modes = []string{modeEvery, modeThread, modeMention, modeEmoji, modeNone}

// staffWorkspace means every full member of the workspace.
const staffWorkspace = "workspace"

func (s settings) checkChannels() error {
	seen := map[string]bool{}
	for i, o := range s.Channels {
		key := fmt.Sprintf("channels[%d]", i)
		switch name := o.ID + "#" + o.Name; {
		case (o.ID == "") == (o.Name == ""):
			return desk.Invalidf(key, "must have an id or a name")
		case o.ID != "" && !slackID(o.ID):
			return desk.Invalidf(key+".id", "is not a channel ID such as C024BE91L")
		case strings.HasPrefix(o.Name, "#"):
			return desk.Invalidf(key+".name", "is written without #")
		case seen[name]:
			return desk.Invalidf(key, "is listed twice")
		case o.Mode != "" && !slices.Contains(modes, o.Mode):
			return desk.Invalidf(key+".mode", "must be one of %s", strings.Join(modes, ", "))
		case o.Window != nil && (*o.Window < 0 || *o.Window > 24*time.Hour):
			return desk.Invalidf(key+".window", "must be between 0s and 24h")
		default:
			seen[name] = true
		}
	}
	return nil
}

// checkURL wants https; http only for a fake on this machine, because the token
// goes there.
func checkURL(raw string) error {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" {
		return desk.Invalidf("apiURL", "is not an address such as %s", slackgo.APIURL)
	}
	if u.Scheme == "https" || u.Scheme == "http" && loopback(u.Hostname()) {
		return nil
	}
	return desk.Invalidf("apiURL", "must be https (http only on this machine): the token goes there")
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// slackID reports whether s has the form of an ID of Slack's: a capital letter
// and more capitals and digits.
func slackID(s string) bool {
	if len(s) < 2 || len(s) > 40 || s[0] < 'A' || s[0] > 'Z' {
		return false
	}
	for _, c := range s[1:] {
		if (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// rule is what holds in one channel.
type rule struct {
	mode   string
	window time.Duration
	team   desk.TeamID
}

// rule finds what holds in a channel. Direct messages to the bot are always
// wanted unless the channel is named.
func (s settings) rule(id, name string, direct bool) rule {
	r := rule{mode: s.Mode, window: s.Window}
	if direct {
		r.mode = modeEvery
	}
	for _, o := range s.Channels {
		if o.ID != "" && o.ID == id || o.Name != "" && o.Name == name {
			if o.Mode != "" {
				r.mode = o.Mode
			}
			if o.Window != nil {
				r.window = *o.Window
			}
			r.team = o.Team
			break
		}
	}
	return r
}

// named reports whether a channel is configured by its name, so that names must
// be known.
func (s settings) named() bool {
	return slices.ContainsFunc(s.Channels, func(o override) bool { return o.Name != "" })
}
