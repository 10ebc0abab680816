package emailtest

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"os"
	"time"
)

// prepareOAuth makes Dovecot accept tokens that the test itself signs: it
// checks a JWT on its own against a key on disk, without asking a server
// (Dovecot manual, "Open Authentication v2.0 database", local validation).
func (d *DovecotServer) prepareOAuth() {
	d.t.Helper()
	for _, sub := range []string{"keys/default", "keys/default/HS256"} {
		d.mkdir(d.in(sub))
	}
	secret := rand.Text()
	d.write("keys/default/HS256/default", []byte(base64.StdEncoding.EncodeToString([]byte(secret))))
	d.write("oauth2.conf", []byte("introspection_mode = local\n"+
		"local_validation_key_dict = fs:posix:prefix="+d.in("keys")+"/\n"+
		"username_attribute = sub\n"))
}

// Token returns an access token for OAUTHBEARER or XOAUTH2: a JWT signed with
// HS256 (RFC 7519, RFC 7515) that lets in as user until it expires. The server
// refuses one that has expired.
func (d *DovecotServer) Token(user string, expires time.Time) string {
	d.t.Helper()
	coded, err := os.ReadFile(d.in("keys/default/HS256/default"))
	if err != nil {
		d.t.Fatalf("emailtest: %v", err)
	}
	secret, err := base64.StdEncoding.DecodeString(string(coded))
	if err != nil {
		d.t.Fatalf("emailtest: %v", err)
	}
	now := time.Now()
	part := func(fields map[string]any) string {
		text, err := json.Marshal(fields)
		if err != nil {
			d.t.Fatalf("emailtest: %v", err)
		}
		return base64.RawURLEncoding.EncodeToString(text)
	}
	body := part(map[string]any{"alg": "HS256", "typ": "JWT"}) + "." + part(map[string]any{
		"sub": user, "iat": now.Add(-time.Hour).Unix(), "nbf": now.Add(-time.Hour).Unix(), "exp": expires.Unix(),
	})
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(body))
	return body + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
