package chat

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"switchboard/channels"
	"switchboard/pipeline/desk"
)

// settings are the keys of a chat source's block.
type settings struct {
	Preset    string    `yaml:"preset"` // a service we know; empty: signature and mapping say all
	Signature signature `yaml:"signature"`
	// URL is how the other side calls us, with scheme and host: some schemes
	// sign it, and behind a proxy we cannot know it.
	URL string `yaml:"url"`
	// VerifyToken answers WhatsApp's subscription request.
	VerifyToken string `yaml:"verifyToken"`

	Mapping mapping `yaml:"mapping"` // what stands here replaces the preset's, field by field
	Space   string  `yaml:"space"`   // whose handles these are; sources of one service may share it
	// TrustEmail lets a mail address identify a customer; the presets for
	// inbound mail do.
	TrustEmail *bool         `yaml:"trustEmail"`
	Window     time.Duration `yaml:"window"` // messages of one person without a thread join within it

	Attachments attachments `yaml:"attachments"`
	BodyBytes   int64       `yaml:"bodyBytes"`
	Depth       int         `yaml:"depth"` // lists and objects inside each other
	Messages    int         `yaml:"messages"`
	Send        send        `yaml:"send"`
	Samples     []sample    `yaml:"samples"`

	preset preset
	carry  carrier
	// giveFiles: the carrier knows what to do with the files of a reply.
	giveFiles bool
}

// attachments bound the files of a message.
type attachments struct {
	Hosts     []string      `yaml:"hosts"`     // where files may be fetched: files.example.com or *.example.com
	FileBytes int64         `yaml:"fileBytes"` // largest
	Files     int           `yaml:"files"`     // of one message
	Timeout   time.Duration `yaml:"timeout"`   // for all of one request
}

// send is how answers leave.
type send struct {
	Via     string        `yaml:"via"` // callback, or a service as the preset is called; empty: the preset's
	URL     string        `yaml:"url"` // of the callback, or another address of the service
	Secret  string        `yaml:"secret"`
	Token   string        `yaml:"token"`
	User    string        `yaml:"user"`    // account SID (Twilio), identifier (Crisp)
	Sender  string        `yaml:"sender"`  // admin ID (Intercom), number (Twilio), account ID (Chatwoot)
	Timeout time.Duration `yaml:"timeout"` // of one request
	Every   time.Duration `yaml:"every"`   // at least this long between two
}

func defaults() settings {
	return settings{
		BodyBytes: 10 << 20, Depth: 40, Messages: 100,
		Signature:   signature{Window: 5 * time.Minute},
		Attachments: attachments{FileBytes: 25 << 20, Files: 20, Timeout: 20 * time.Second},
		Send:        send{Timeout: 15 * time.Second},
	}
}

// load decodes and checks a block and compiles its mapping.
func load(b channels.Block) (settings, error) {
	s := defaults()
	if b == nil {
		return s, desk.Invalidf("signature", "is required")
	}
	if err := b.Decode(&s); err != nil {
		return s, err
	}
	p, ok := presets()[s.Preset]
	if !ok {
		return s, desk.Invalidf("preset", "is not known; known are %s", strings.Join(presetNames(), ", "))
	}
	s.preset = p
	if s.Signature.Scheme == "" {
		s.Signature.Scheme = p.scheme
	}
	if s.Signature.Header == "" {
		s.Signature.Header = p.header
	}
	if s.Space == "" {
		s.Space = p.space
	}
	if s.TrustEmail == nil {
		s.TrustEmail = new(p.mail)
	}
	s.Attachments.Hosts = slices.Concat(s.Attachments.Hosts, p.hosts)
	s.Mapping.over(p.mapping)
	return s, s.check()
}

func (s *settings) check() error {
	switch {
	case s.BodyBytes < 1<<10 || s.BodyBytes > 64<<20:
		return desk.Invalidf("bodyBytes", "must be between 1KB and 64MB")
	case s.Depth < 1 || s.Depth > 1000:
		return desk.Invalidf("depth", "must be between 1 and 1000")
	case s.Messages < 1 || s.Messages > 1000:
		return desk.Invalidf("messages", "must be between 1 and 1000")
	case s.Window < 0 || s.Window > 24*time.Hour:
		return desk.Invalidf("window", "must be between 0s and 24h")
	case s.Attachments.FileBytes < 1<<10 || s.Attachments.FileBytes > 1<<30:
		return desk.Invalidf("attachments.fileBytes", "must be between 1KB and 1GB")
	case s.Attachments.Files < 0 || s.Attachments.Files > 1000:
		return desk.Invalidf("attachments.files", "must be between 0 and 1000")
	case s.Attachments.Timeout < time.Second || s.Attachments.Timeout > 10*time.Minute:
		return desk.Invalidf("attachments.timeout", "must be between 1s and 10m")
	case s.Send.Timeout < time.Second || s.Send.Timeout > 10*time.Minute:
		return desk.Invalidf("send.timeout", "must be between 1s and 10m")
	case s.Send.Every < 0 || s.Send.Every > time.Minute:
		return desk.Invalidf("send.every", "must be between 0s and 1m")
	}
	for i, h := range s.Attachments.Hosts {
		h = strings.TrimPrefix(h, "*.")
		if h == "" || strings.ContainsAny(h, "*/:@ ") {
			return desk.Invalidf(fmt.Sprintf("attachments.hosts[%d]", i), "must be a host such as files.example.com or *.example.com")
		}
	}
	if s.URL != "" {
		if err := checkURL("url", s.URL); err != nil {
			return err
		}
	}
	if err := s.Signature.compile(s.URL); err != nil {
		return err
	}
	if err := s.Mapping.compile(); err != nil {
		return err
	}
	return s.checkSend()
}

func (s *settings) checkSend() error {
	via := s.Send.Via
	if via == "" {
		if s.preset.carry == "" || s.Send.Token == "" {
			if s.Send.URL != "" || s.Send.Token != "" || s.Send.Secret != "" {
				return desk.Invalidf("send", "must say how: via %s, or a token for the preset", strings.Join(carrierNames(), ", "))
			}
			return nil
		}
		via = s.preset.carry
	}
	made, ok := carriers[via]
	if !ok {
		return desk.Invalidf("send.via", "must be one of %s", strings.Join(carrierNames(), ", "))
	}
	if s.Send.URL == "" {
		s.Send.URL = made.url
	}
	s.Send.URL = strings.TrimSuffix(s.Send.URL, "/")
	if s.Send.URL == "" {
		return desk.Invalidf("send.url", "is required: where answers are sent")
	}
	if err := checkURL("send.url", s.Send.URL); err != nil {
		return err
	}
	for key, value := range map[string]string{"secret": s.Send.Secret, "token": s.Send.Token, "user": s.Send.User, "sender": s.Send.Sender} {
		if value == "" && slices.Contains(made.needs, key) {
			return desk.Invalidf("send."+key, "is required: %s", made.doc)
		}
	}
	if via == viaCallback {
		if _, err := webhookKey(s.Send.Secret); err != nil {
			return desk.Invalidf("send.secret", "must be base64 of at least 16 bytes after whsec_")
		}
	}
	s.carry, s.giveFiles = made.make(), made.files
	return nil
}

// checkURL wants https; http only for a service on this machine, because a
// secret goes there.
func checkURL(field, raw string) error {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return desk.Invalidf(field, "is not an address such as https://example.com/path")
	}
	if u.Scheme == "https" || u.Scheme == "http" && loopback(u.Hostname()) {
		return nil
	}
	return desk.Invalidf(field, "must be https (http only on this machine)")
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}
