package configs

import (
	"log/slog"
	"regexp"
	"strings"
)

// Secret is a password, token or key. In a config file it is written ${NAME}
// or file:PATH, never as it is. It prints as dots wherever it is printed,
// logged or encoded; [Secret.Reveal] is the secret itself.
type Secret string

const dots = "••••••"

// Reveal returns the secret itself.
func (s Secret) Reveal() string { return string(s) }

// String hides the secret; an empty one shows as empty.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return dots
}

// GoString hides the secret from %#v.
func (s Secret) GoString() string { return `"` + s.String() + `"` }

// LogValue hides the secret from logs.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText hides the secret from JSON.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalYAML hides the secret from YAML.
func (s Secret) MarshalYAML() (any, error) { return s.String(), nil }

// URL is an address that may carry a password. In a config file the password
// part is written ${NAME}, or the whole as ${NAME} or file:PATH. It prints
// without the password; [URL.Reveal] is the whole.
type URL string

// Reveal returns the address with its password.
func (u URL) Reveal() string { return string(u) }

var (
	userinfo   = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9+.-]*://[^/?#:]*):([^/?#]*)@`)
	inSettings = regexp.MustCompile(`(?i)((?:^|[?&\s])(?:[a-z_]*password|passwd|pwd|sslkey)\s*=\s*)('[^']*'|[^&\s]+)`)
)

// String hides the password.
func (u URL) String() string {
	s := string(u)
	if userinfo.MatchString(s) {
		s = userinfo.ReplaceAllString(s, "$1:"+dots+"@")
	} else if scheme, rest, ok := strings.Cut(s, "://"); ok {
		// A password with a / or ? that was not escaped still stands before the
		// last @: better to hide too much.
		if i := strings.LastIndexByte(rest, '@'); i >= 0 && strings.Contains(rest[:i], ":") {
			s = scheme + "://" + dots + rest[i:]
		}
	}
	return inSettings.ReplaceAllString(s, "${1}"+dots)
}

// GoString hides the password from %#v.
func (u URL) GoString() string { return `"` + u.String() + `"` }

// LogValue hides the password from logs.
func (u URL) LogValue() slog.Value { return slog.StringValue(u.String()) }

// MarshalText hides the password from JSON.
func (u URL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// MarshalYAML hides the password from YAML.
func (u URL) MarshalYAML() (any, error) { return u.String(), nil }

// literalPassword reports whether a URL as written in the file has a password
// that is not a ${NAME}.
func literalPassword(written string) bool {
	bare := variable.ReplaceAllString(written, "")
	if m := userinfo.FindStringSubmatch(bare); m != nil && m[2] != "" {
		return true
	}
	for _, m := range inSettings.FindAllStringSubmatch(bare, -1) {
		if strings.Trim(m[2], "'") != "" {
			return true
		}
	}
	return false
}

// secretKey reports whether the name of a channel's setting says that its value
// is a secret, for settings that are plain strings.
func secretKey(key string) bool {
	k := strings.TrimSuffix(strings.ToLower(key), "s")
	for _, end := range []string{"password", "passphrase", "secret", "token", "apikey", "privatekey"} {
		if strings.HasSuffix(k, end) {
			return true
		}
	}
	return false
}
