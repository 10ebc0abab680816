package email

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-sasl"
)

// errRefused is a login the server turned down. Trying again soon only brings
// the account closer to being locked.
var errRefused = errors.New("the server refused the login")

// login authenticates. After a failure the connection is of no use: a refused
// OAUTHBEARER leaves the library waiting for ever in the next command.
func (s *session) login(ctx context.Context) error {
	if s.client.State() == imap.ConnStateAuthenticated { // PREAUTH, RFC 9051 7.1.4
		return nil
	}
	secret, err := s.a.settings.secret()
	if err != nil {
		return err
	}
	return s.guard(ctx, s.a.settings.Timeouts.Command, "log in", func(func()) error {
		err := s.authenticate(secret)
		if err == nil {
			return nil
		}
		var refusal *imap.Error
		var oauth *sasl.OAuthBearerError
		switch {
		case errors.As(err, &refusal) && refusal.Code == imap.ResponseCodeUnavailable: // RFC 5530
			return err
		case errors.As(err, &refusal), errors.As(err, &oauth), errors.Is(err, errRefused):
			return fmt.Errorf("%w: %w", errRefused, err)
		}
		return err
	})
}

func (s *session) authenticate(secret string) error {
	set := s.a.settings
	caps := s.client.Caps()
	switch auth := set.Auth; {
	case auth == authXOAuth2:
		return s.client.Authenticate(&xoauth2{user: set.User, token: secret})
	case auth == authOAuthBearer:
		return s.client.Authenticate(sasl.NewOAuthBearerClient(&sasl.OAuthBearerOptions{
			Username: set.User, Token: secret, Host: set.Host, Port: set.Port}))
	case auth == authPlain, auth == "" && caps.Has(imap.AuthCap(sasl.Plain)):
		return s.client.Authenticate(sasl.NewPlainClient("", set.User, secret))
	case caps.Has(imap.CapLoginDisabled):
		return fmt.Errorf("%w: it has LOGIN disabled and does not offer AUTH=PLAIN", errRefused)
	default:
		return s.client.Login(set.User, secret).Wait()
	}
}

// secret is the password, or the token as it stands in the file now.
func (s settings) secret() (string, error) { return secret(s.Password, s.TokenFile) }

func secret(password, tokenFile string) (string, error) {
	if tokenFile == "" {
		return password, nil
	}
	b, err := os.ReadFile(tokenFile)
	if err != nil {
		return "", fmt.Errorf("read tokenFile: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// xoauth2 is the mechanism Google and Microsoft had before RFC 7628 (Gmail,
// "OAuth 2.0 Mechanism").
type xoauth2 struct{ user, token string }

// Start sends user and token.
func (x *xoauth2) Start() (mech string, response []byte, err error) {
	return "XOAUTH2", []byte("user=" + x.user + "\x01auth=Bearer " + x.token + "\x01\x01"), nil
}

// Next is only asked when the server refuses; the challenge is its reason.
func (x *xoauth2) Next(challenge []byte) ([]byte, error) {
	const most = 200
	return nil, fmt.Errorf("%w: %s", errRefused, challenge[:min(len(challenge), most)])
}
