package chat

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"switchboard/pipeline/desk"
)

// signature is how a request proves where it comes from.
type signature struct {
	Scheme   string `yaml:"scheme"`
	Secret   string `yaml:"secret"`                 // shared with the other side, by itself or as it writes it
	Previous string `yaml:"previous" secret:"true"` // the one before, still good while it is changed
	// For the scheme hmac and token.
	Header    string `yaml:"header"`
	Algorithm string `yaml:"algorithm"` // sha256, sha1, sha512
	Encoding  string `yaml:"encoding"`  // hex, base64
	Prefix    string `yaml:"prefix"`    // before the signature in the header, as "sha256="
	User      string `yaml:"user"`      // of the scheme basic
	PublicKey string `yaml:"publicKey"` // of discord (hex) and sendgrid (base64 of the DER)
	// Window is how old, or early, a request with a timestamp may be.
	Window time.Duration `yaml:"window"`

	url   string
	check scheme
	ed    ed25519.PublicKey
	ec    *ecdsa.PublicKey
}

// request is what is signed: the raw bytes and what came along.
type request struct {
	header http.Header
	query  url.Values
	rawURL string // as the other side called it, with its query
	body   []byte
	form   func() (url.Values, error) // the body as a form, read when a scheme signs fields
}

// scheme decides about one request with one secret.
type scheme func(s *signature, secret string, now time.Time, r *request) error

var (
	errUnsigned = errors.New("the signature is missing")
	errSigned   = errors.New("the signature is wrong")
	errTime     = errors.New("the timestamp is missing or no number")
	errOld      = errors.New("the timestamp is outside the window")
)

// schemes are the ways to sign that are known, by name.
var schemes = map[string]scheme{
	"standard-webhooks": standardWebhooks,
	"hmac":              simpleHMAC,
	"github":            hub,
	"meta":              hub,
	"intercom":          intercomHub,
	"slack":             slackV0,
	"crisp":             crispSign,
	"twilio":            twilioSign,
	"mandrill":          mandrillSign,
	"mailgun":           mailgunSign,
	"discord":           discordSign,
	"sendgrid":          sendgridSign,
	"telegram":          telegramToken,
	"token":             headerToken,
	"bearer":            bearer,
	"basic":             basic,
	"query":             queryToken,
}

// compile checks the settings and finds the scheme. There is none that lets
// everybody in.
func (s *signature) compile(publicURL string) error {
	s.url = publicURL
	if s.Scheme == "" {
		return desk.Invalidf("signature.scheme", "is required: without it anybody could write here; known are %s", strings.Join(schemeNames(), ", "))
	}
	var ok bool
	if s.check, ok = schemes[s.Scheme]; !ok {
		return desk.Invalidf("signature.scheme", "is not known; known are %s", strings.Join(schemeNames(), ", "))
	}
	if s.Window < time.Second || s.Window > time.Hour {
		return desk.Invalidf("signature.window", "must be between 1s and 1h")
	}
	switch s.Scheme {
	case "discord":
		key, err := hex.DecodeString(s.PublicKey)
		if err != nil || len(key) != ed25519.PublicKeySize {
			return desk.Invalidf("signature.publicKey", "must be the application's public key, 64 hex digits")
		}
		s.ed = key
		return nil
	case "sendgrid":
		der, err := base64.StdEncoding.DecodeString(s.PublicKey)
		if err == nil {
			var key any
			if key, err = x509.ParsePKIXPublicKey(der); err == nil {
				s.ec, ok = key.(*ecdsa.PublicKey)
			}
		}
		if err != nil || !ok {
			return desk.Invalidf("signature.publicKey", "must be the verification key, base64 of an ECDSA key")
		}
		return nil
	case "twilio", "mandrill":
		if s.url == "" {
			return desk.Invalidf("url", "is required: %s signs the address it calls", s.Scheme)
		}
	case "hmac", "token":
		if s.Header == "" {
			return desk.Invalidf("signature.header", "is required: where the signature stands")
		}
	case "basic":
		if s.User == "" {
			return desk.Invalidf("signature.user", "is required")
		}
	}
	if s.Secret == "" {
		return desk.Invalidf("signature.secret", "is required")
	}
	for i, secret := range s.secrets() {
		if _, err := webhookKey(secret); s.Scheme == "standard-webhooks" && err != nil {
			return desk.Invalidf([]string{"signature.secret", "signature.previous"}[i], "must be base64 of at least 16 bytes after whsec_")
		}
	}
	if !slices.Contains([]string{"", "sha256", "sha1", "sha512"}, s.Algorithm) {
		return desk.Invalidf("signature.algorithm", "must be sha256, sha1 or sha512")
	}
	if !slices.Contains([]string{"", "hex", "base64"}, s.Encoding) {
		return desk.Invalidf("signature.encoding", "must be hex or base64")
	}
	return nil
}

func schemeNames() []string { return slices.Sorted(maps.Keys(schemes)) }

func (s *signature) secrets() []string {
	if s.Previous != "" {
		return []string{s.Secret, s.Previous}
	}
	return []string{s.Secret}
}

// verify returns nil only when one of the secrets made the signature.
func (s *signature) verify(now time.Time, r *request) error {
	if s.check == nil {
		return errSigned
	}
	var first error
	for _, secret := range s.secrets() {
		err := s.check(s, secret, now, r)
		if err == nil {
			return nil
		}
		if first == nil {
			first = err
		}
	}
	return first
}

// fresh checks a timestamp in seconds (or milliseconds) since 1970.
func (s *signature) fresh(now time.Time, stamp string) error {
	n, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || n <= 0 {
		return errTime
	}
	if n > 1e11 {
		n /= 1000
	}
	if d := now.Unix() - n; d > int64(s.Window/time.Second) || -d > int64(s.Window/time.Second) {
		return errOld
	}
	return nil
}

func sum(algorithm, secret string, parts ...string) []byte {
	mac := keyed(algorithm, secret)
	for _, p := range parts {
		mac.Write([]byte(p))
	}
	return mac.Sum(nil)
}

// sumOf is the sum over a body and the short parts before it.
func sumOf(algorithm, secret string, body []byte, before ...string) []byte {
	key := [2]string{algorithm, secret}
	pool, ok := macs.Load(key)
	if !ok {
		pool, _ = macs.LoadOrStore(key, &sync.Pool{New: func() any { return keyed(algorithm, secret) }})
	}
	mac := pool.(*sync.Pool).Get().(hash.Hash)
	defer pool.(*sync.Pool).Put(mac)
	mac.Reset()
	for _, p := range before {
		mac.Write([]byte(p))
	}
	mac.Write(body)
	return mac.Sum(nil)
}

// macs are pools of hashes that know their key, by algorithm and secret: to make
// one costs as much as to use it. There are as many as the config has had secrets.
var macs sync.Map

func keyed(algorithm, secret string) hash.Hash {
	switch algorithm {
	case "sha1":
		return hmac.New(sha1.New, []byte(secret))
	case "sha512":
		return hmac.New(sha512.New, []byte(secret))
	}
	return hmac.New(sha256.New, []byte(secret))
}

// same compares in constant time.
func same(got, want string) error {
	if got == "" {
		return errUnsigned
	}
	a, b := sha256.Sum256([]byte(got)), sha256.Sum256([]byte(want))
	if subtle.ConstantTimeCompare(a[:], b[:]) != 1 {
		return errSigned
	}
	return nil
}

// sameHex compares a signature in hex, of either case.
func sameHex(got string, want []byte) error {
	return same(strings.ToLower(got), hex.EncodeToString(want))
}

func sameBase64(got string, want []byte) error {
	return same(got, base64.StdEncoding.EncodeToString(want))
}
