package webform

import (
	"errors"
	"fmt"
	"net/mail"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"switchboard/channels/limit"
	"switchboard/pipeline/desk"
)

const (
	maxForms  = 100
	maxFields = 100
	maxFiles  = 100
)

var (
	formName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`)
	// taken are names that are addresses of ours beside the forms'.
	taken = []string{"receipts"}
)

// compiler turns settings into a site and collects what is wrong with them.
type compiler struct{ errs []error }

func (c *compiler) wrong(key, format string, args ...any) {
	c.errs = append(c.errs, desk.Invalidf(key, format, args...))
}

// phrase reads a text people read; a wrong one is empty.
func (c *compiler) phrase(key string, v any, langs []string) phrase {
	p, err := phraseOf(v, langs)
	if err != nil {
		c.wrong(key, "%v", err)
		return phrase{}
	}
	return p
}

func compile(s settings) (*site, error) {
	c := &compiler{}
	out := &site{continueAddress: s.ContinueAddress}
	if len(s.Forms) == 0 {
		c.wrong("forms", "are required: at least one")
	}
	if len(s.Forms) > maxForms {
		c.wrong("forms", "are more than %d", maxForms)
		s.Forms = nil
	}
	if a, err := mail.ParseAddress(s.ContinueAddress); s.ContinueAddress != "" && (err != nil || a.Address != s.ContinueAddress) {
		c.wrong("continueAddress", "is not a mail address")
	}
	for i, p := range s.TrustedProxies {
		prefix, ok := limit.Network(p)
		if !ok {
			c.wrong(fmt.Sprintf("trustedProxies[%d]", i), "is not an address or a network such as 10.0.0.0/8")
			continue
		}
		out.proxies = append(out.proxies, prefix)
	}
	for i, f := range s.Forms {
		at := fmt.Sprintf("forms[%d]", i)
		compiled := c.form(at, f)
		if compiled.name != "" && out.form(compiled.name) != nil {
			c.wrong(at+".name", "is another form's too")
		}
		out.forms = append(out.forms, compiled)
	}
	return out, errors.Join(c.errs...)
}

func (c *compiler) form(at string, s formSettings) *form {
	f := &form{name: s.Name}
	switch {
	case s.Name == "":
		c.wrong(at+".name", "is required: it is part of the form's address")
	case !formName.MatchString(s.Name):
		c.wrong(at+".name", "must be lower-case letters, digits, _ and -, at most 64: it is part of the form's address")
	case slices.Contains(taken, s.Name):
		c.wrong(at+".name", "is an address of ours; choose another")
	}
	f.langs = c.languages(at, s.Languages)
	f.title = c.phrase(at+".title", s.Title, f.langs)
	if s.Title == nil || f.title[f.langs[0]] == "" && len(f.title) > 0 {
		c.wrong(at+".title", "is required")
	}
	f.intro = c.phrase(at+".intro", s.Intro, f.langs)
	f.success = c.phrase(at+".success", s.Success, f.langs)
	c.fields(at, s.Fields, f)
	f.origins = c.origins(at, s.Origins)
	f.upload = c.upload(at+".upload", s.Upload)
	f.spam = c.spam(at+".spam", s.Spam)
	if s.Spam.Honeypot == nil || *s.Spam.Honeypot {
		f.honeypot = bait(f)
	}
	if s.Accent == "" {
		s.Accent = defaultAccent
	}
	theme, err := themeOf(s.Accent)
	if err != nil {
		c.wrong(at+".accent", "%v", err)
	}
	f.theme = theme
	return f
}

func (c *compiler) languages(at string, langs []string) []string {
	if len(langs) == 0 {
		return []string{"en"}
	}
	for i, l := range langs {
		key := fmt.Sprintf("%s.languages[%d]", at, i)
		if wordsOf(l) == nil {
			c.wrong(key, "cannot be %q; known are %s", desk.Cut(l, 20), strings.Join(languages(), ", "))
		}
		if slices.Index(langs, l) < i {
			c.wrong(key, "is there twice")
		}
	}
	return langs
}

// origins are scheme, host and port of sites, as browsers send them.
func (c *compiler) origins(at string, list []string) []string {
	var out []string
	for i, o := range list {
		u, err := url.Parse(o)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || strings.ContainsAny(u.Host, "*'\";, ") ||
			o != u.Scheme+"://"+u.Host || u.Host != strings.ToLower(u.Host) {
			c.wrong(fmt.Sprintf("%s.origins[%d]", at, i), "is not the origin of a site such as https://www.example.com: scheme and host in lower case, nothing behind it")
			continue
		}
		out = append(out, o)
	}
	return out
}

func (c *compiler) upload(at string, s uploadSettings) upload {
	if s.Files == 0 {
		s.Files = defaultFiles
	}
	if s.FileBytes == 0 {
		s.FileBytes = defaultFileBytes
	}
	if s.TotalBytes == 0 {
		s.TotalBytes = max(defaultTotalBytes, s.FileBytes)
	}
	if len(s.Types) == 0 {
		s.Types = defaultTypes
	}
	if s.Files < 1 || s.Files > maxFiles {
		c.wrong(at+".files", "must be between 1 and %d", maxFiles)
	}
	if s.FileBytes < 1<<10 || s.FileBytes > 1<<30 {
		c.wrong(at+".fileBytes", "must be between 1KB and 1GB")
	}
	if s.TotalBytes < s.FileBytes || s.TotalBytes > 4<<30 {
		c.wrong(at+".totalBytes", "must be between fileBytes and 4GB")
	}
	types := make(fileTypes, 0, len(s.Types))
	for i, t := range s.Types {
		found := typesNamed(t)
		if len(found) == 0 {
			c.wrong(fmt.Sprintf("%s.types[%d]", at, i), "is not a file type known here; known are %s", strings.Join(extensions(), " "))
		}
		types = append(types, found...)
	}
	return upload{s.Files, s.FileBytes, s.TotalBytes, types.unique()}
}

func (c *compiler) spam(at string, s spamSettings) spam {
	out := spam{minTime: defaultMinSeconds * time.Second, tokenLife: defaultTokenLife, perIP: defaultPerIP, perForm: defaultPerForm}
	if s.MinSeconds != nil {
		out.minTime = time.Duration(*s.MinSeconds) * time.Second
		if *s.MinSeconds < 0 || *s.MinSeconds > 300 {
			c.wrong(at+".minSeconds", "must be between 0 and 300")
		}
	}
	if s.TokenLife != nil {
		out.tokenLife = *s.TokenLife
	}
	if out.tokenLife < time.Minute || out.tokenLife > 30*24*time.Hour || out.tokenLife <= out.minTime {
		c.wrong(at+".tokenLife", "must be between 1m and 30d, and more than minSeconds")
	}
	out.perIP = c.bucket(at+".perIP", s.PerIP, out.perIP)
	out.perForm = c.bucket(at+".perForm", s.PerForm, out.perForm)
	if s.Captcha != nil {
		out.captcha = c.captcha(at+".captcha", *s.Captcha)
	}
	return out
}

func (c *compiler) bucket(at string, s *bucketSettings, or bucketSettings) bucketSettings {
	if s == nil {
		return or
	}
	if s.Rate <= 0 || s.Rate > 1e6 {
		c.wrong(at+".rate", "must be more than 0: submissions a second")
	}
	if s.Burst < 1 || s.Burst > 1e6 {
		c.wrong(at+".burst", "must be at least 1: submissions at once")
	}
	return *s
}

func (c *compiler) captcha(at string, s captchaSettings) *captchaSettings {
	for key, v := range map[string]string{"verifyURL": s.VerifyURL, "siteKey": s.SiteKey, "secret": s.Secret, "scriptURL": s.ScriptURL, "class": s.Class, "response": s.Response} {
		if v == "" {
			c.wrong(at+"."+key, "is required")
		}
	}
	for key, v := range map[string]string{"verifyURL": s.VerifyURL, "scriptURL": s.ScriptURL} {
		u, err := url.Parse(v)
		if v != "" && (err != nil || u.User != nil || u.Host == "" || strings.ContainsAny(u.Host, "*'\";, ") || u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname()))) {
			c.wrong(at+"."+key, "must be an https address (http only on this machine)")
		}
	}
	if s.Response != "" && !fieldName.MatchString(s.Response) {
		c.wrong(at+".response", "is not the name of a field")
	}
	if s.Class != "" && !fieldName.MatchString(s.Class) {
		c.wrong(at+".class", "is not the name of a class")
	}
	return &s
}

func loopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

// bait is a name that machines like to fill in and no field has.
func bait(f *form) string {
	for _, name := range []string{"website", "homepage", "company_url", "fax_number"} {
		if f.field(name) == nil {
			return name
		}
	}
	return "website_address_2"
}
