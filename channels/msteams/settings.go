package msteams

import (
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"time"

	"switchboard/channels"
	"switchboard/channels/limit"
	"switchboard/pipeline/desk"
)

// Microsoft's addresses and names, for the public cloud. Other clouds are
// written into the config ("Authentication with the Bot Connector API").
const (
	publicIssuer   = "https://api.botframework.com"
	publicMetadata = "https://login.botframework.com/v1/.well-known/openidconfiguration"
	publicScope    = "https://api.botframework.com/.default"
	publicLogin    = "https://login.microsoftonline.com/"
	publicService  = "https://smba.trafficmanager.net/teams/"
	botTenant      = "botframework.com" // whose tokens multi-tenant bots use
)

// settings are the keys of a Teams source's block.
type settings struct {
	AppID       string `yaml:"appID"`
	AppPassword string `yaml:"appPassword"`
	// TenantID makes the bot a single-tenant one: its own token comes from that
	// tenant, and unless tenants says otherwise only that tenant may write.
	TenantID string `yaml:"tenantID"`

	// What inbound tokens must say. Audiences: empty is the app ID.
	Issuers             []string `yaml:"issuers"`
	Audiences           []string `yaml:"audiences"`
	MetadataURLs        []string `yaml:"metadataURLs"`
	RequireEndorsements bool     `yaml:"requireEndorsements"`

	TokenURL string `yaml:"tokenURL"` // empty: of the tenant, or Microsoft's for multi-tenant bots
	Scope    string `yaml:"scope"`

	// ServiceURL is the Connector for somebody of whom only the ID is known: who
	// wrote or is in a team of ours has one of their own.
	ServiceURL string `yaml:"serviceURL"`
	// Roster is how many of the teams with the app, the latest heard of first, are
	// asked for somebody nobody knows, and how many members of one are looked at.
	RosterTeams   int `yaml:"rosterTeams"`
	RosterMembers int `yaml:"rosterMembers"`

	// The hosts we may send to. "*.example.com" is any host below it; a host
	// without a star may also be at a private address.
	ServiceURLHosts []string `yaml:"serviceURLHosts"` // with the bot's token
	FileHosts       []string `yaml:"fileHosts"`       // without

	Tenants []string `yaml:"tenants"` // empty: every tenant that has the app

	// Profiles looks up who writes; TrustEmail counts the mail address of a
	// member (not a guest) of a tenant listed in tenants as verified.
	Profiles   bool `yaml:"profiles"`
	TrustEmail bool `yaml:"trustEmail"`

	// Window, when set, ends a chat's case after a silence that long: a chat has
	// no threads, so without it the chat is one conversation.
	Window time.Duration `yaml:"window"`

	BodyBytes    int64 `yaml:"bodyBytes"`    // of one request
	FileBytes    int64 `yaml:"fileBytes"`    // of one file
	Files        int   `yaml:"files"`        // fetched for one message
	MessageBytes int   `yaml:"messageBytes"` // of one message we send

	Rate rateSettings `yaml:"rate"` // requests of one address
	// TrustedProxies are addresses and networks (10.0.0.0/8) whose
	// X-Forwarded-For is believed; without any the connection's address counts.
	TrustedProxies []string `yaml:"trustedProxies"`
	Timeouts       timeouts `yaml:"timeouts"`

	serviceHosts, fileHosts hosts
	proxies                 []netip.Prefix
}

type rateSettings struct {
	PerSecond float64 `yaml:"perSecond"` // 0: no limit
	Burst     int     `yaml:"burst"`
}

type timeouts struct {
	Send   time.Duration `yaml:"send"`   // one request to the Connector
	Files  time.Duration `yaml:"files"`  // all files of one message
	Member time.Duration `yaml:"member"` // looking up who writes
}

func defaults() settings {
	return settings{
		Issuers: []string{publicIssuer}, MetadataURLs: []string{publicMetadata}, RequireEndorsements: true,
		Scope: publicScope, ServiceURL: publicService, RosterTeams: 20, RosterMembers: 5000,
		ServiceURLHosts: []string{"*.trafficmanager.net", "*.botframework.com", "*.botframework.us"},
		FileHosts:       []string{"*.sharepoint.com", "*.sharepoint.us"},
		Profiles:        true, TrustEmail: true,
		BodyBytes: 1 << 20, FileBytes: 25 << 20, Files: 20, MessageBytes: 100 << 10,
		Rate:     rateSettings{PerSecond: 200, Burst: 400},
		Timeouts: timeouts{Send: 15 * time.Second, Files: 45 * time.Second, Member: 3 * time.Second},
	}
}

// load decodes and checks a block. Errors of the decoder carry line and column;
// the others name their key.
func load(b channels.Block) (settings, error) {
	s := defaults()
	if b == nil {
		return s, desk.Invalidf("appID", "is required: the Microsoft app ID of the bot")
	}
	if err := b.Decode(&s); err != nil {
		return s, err
	}
	if len(s.Audiences) == 0 && s.AppID != "" {
		s.Audiences = []string{s.AppID}
	}
	if s.TokenURL == "" {
		tenant := s.TenantID
		if tenant == "" {
			tenant = botTenant
		}
		s.TokenURL = publicLogin + url.PathEscape(tenant) + "/oauth2/v2.0/token"
	}
	if len(s.Tenants) == 0 && s.TenantID != "" {
		s.Tenants = []string{s.TenantID}
	}
	return s, s.check()
}

var tenantForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.-]{0,127}$`)

func (s *settings) check() error {
	switch {
	case strings.TrimSpace(s.AppID) != s.AppID || strings.ContainsAny(s.AppID, " \t\r\n"):
		return desk.Invalidf("appID", "is not an app ID")
	case s.AppID == "":
		return desk.Invalidf("appID", "is required: without the Microsoft app ID of the bot anybody could write")
	case s.AppPassword == "":
		return desk.Invalidf("appPassword", "is required: a client secret of the app")
	case s.TenantID != "" && !tenantForm.MatchString(s.TenantID):
		return desk.Invalidf("tenantID", "is not the ID of a tenant")
	case s.Scope == "":
		return desk.Invalidf("scope", "must not be empty")
	case s.Window < 0 || s.Window > 30*24*time.Hour:
		return desk.Invalidf("window", "must be between 0 and 30d")
	case s.BodyBytes < 4<<10 || s.BodyBytes > 64<<20:
		return desk.Invalidf("bodyBytes", "must be between 4KB and 64MB")
	case s.FileBytes < 1 || s.FileBytes > 1<<30:
		return desk.Invalidf("fileBytes", "must be between 1 and 1GB")
	case s.Files < 0 || s.Files > 500:
		return desk.Invalidf("files", "must be between 0 and 500")
	case s.RosterTeams < 0 || s.RosterTeams > 1000:
		return desk.Invalidf("rosterTeams", "must be between 0 and 1000")
	case s.RosterMembers < 0 || s.RosterMembers > 100000:
		return desk.Invalidf("rosterMembers", "must be between 0 and 100000")
	case s.MessageBytes < 1<<10 || s.MessageBytes > 1<<20:
		return desk.Invalidf("messageBytes", "must be between 1KB and 1MB")
	case s.Rate.PerSecond < 0 || s.Rate.PerSecond > 1e6:
		return desk.Invalidf("rate.perSecond", "must be between 0 and 1000000")
	case s.Rate.PerSecond > 0 && s.Rate.Burst < 1:
		return desk.Invalidf("rate.burst", "must be at least 1")
	}
	for key, d := range map[string]time.Duration{"send": s.Timeouts.Send, "files": s.Timeouts.Files, "member": s.Timeouts.Member} {
		if d <= 0 || d > 10*time.Minute {
			return desk.Invalidf("timeouts."+key, "must be more than 0 and at most 10m")
		}
	}
	for key, list := range map[string][]string{"issuers": s.Issuers, "audiences": s.Audiences, "metadataURLs": s.MetadataURLs, "serviceURLHosts": s.ServiceURLHosts} {
		if len(list) == 0 {
			return desk.Invalidf(key, "must not be empty")
		}
	}
	for key, list := range map[string][]string{"issuers": s.Issuers, "audiences": s.Audiences, "tenants": s.Tenants} {
		for i, v := range list {
			if strings.TrimSpace(v) == "" {
				return desk.Invalidf(fmt.Sprintf("%s[%d]", key, i), "is empty")
			}
		}
	}
	for i, p := range s.TrustedProxies {
		n, ok := limit.Network(p)
		if !ok {
			return desk.Invalidf(fmt.Sprintf("trustedProxies[%d]", i), "is not an address or a network such as 10.0.0.0/8")
		}
		s.proxies = append(s.proxies, n)
	}
	if err := checkURL("tokenURL", s.TokenURL); err != nil {
		return err
	}
	if err := checkURL("serviceURL", s.ServiceURL); err != nil {
		return err
	}
	for i, u := range s.MetadataURLs {
		if err := checkURL(fmt.Sprintf("metadataURLs[%d]", i), u); err != nil {
			return err
		}
	}
	var err error
	if s.serviceHosts, err = parseHosts("serviceURLHosts", s.ServiceURLHosts); err != nil {
		return err
	}
	s.fileHosts, err = parseHosts("fileHosts", s.FileHosts)
	return err
}

// checkURL refuses an address of the config that secrets or keys must not travel
// to: anything but https, or http on this machine.
func checkURL(key, raw string) error {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return desk.Invalidf(key, "must be an address such as https://login.example.com/path")
	}
	if !safeScheme(u) {
		return desk.Invalidf(key, "must begin with https:// (http:// is only for this machine: localhost, 127.0.0.1, ::1)")
	}
	return nil
}
