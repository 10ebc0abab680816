package faketeams

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Issuer is who signs the tokens of the Bot Connector.
const Issuer = "https://api.botframework.com"

type signingKey struct {
	id           string
	private      *rsa.PrivateKey
	endorsements []string
}

// pool keeps private keys between servers of one process: making one takes long.
var pool struct {
	sync.Mutex
	keys []*rsa.PrivateKey
}

// Rotate makes a new signing key and publishes it beside the old ones, endorsed
// for Teams.
func (s *Server) Rotate() error { return s.RotateFor("msteams", "directline") }

// RotateFor makes a new signing key that is endorsed for the given channels.
func (s *Server) RotateFor(endorsements ...string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	private, err := privateKey(len(s.keys))
	if err != nil {
		return fmt.Errorf("faketeams: %w", err)
	}
	s.keys = append(s.keys, signingKey{id: "key-" + random(8), private: private, endorsements: endorsements})
	return nil
}

func privateKey(n int) (*rsa.PrivateKey, error) {
	pool.Lock()
	defer pool.Unlock()
	for len(pool.keys) <= n {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return nil, err
		}
		pool.keys = append(pool.keys, k)
	}
	return pool.keys[n], nil
}

// Forget takes all keys but the newest out of the published set.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = s.keys[len(s.keys)-1:]
}

// Token makes a token as the Connector would bear it to this bot; bend, which
// may be nil, changes header and claims before it is signed.
func (s *Server) Token(bend func(header map[string]any, claims jwt.MapClaims)) string {
	s.mu.Lock()
	k := s.keys[len(s.keys)-1]
	s.mu.Unlock()
	now := s.now()
	t := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{
		"iss": Issuer, "aud": s.AppID, "serviceurl": s.ServiceURL(),
		"nbf": now.Add(-5 * time.Minute).Unix(), "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	})
	t.Header["kid"] = k.id
	if bend != nil {
		bend(t.Header, t.Claims.(jwt.MapClaims))
	}
	if alg, _ := t.Header["alg"].(string); jwt.GetSigningMethod(alg) != nil { // another way to sign with the same key
		t.Method = jwt.GetSigningMethod(alg)
	}
	signed, err := t.SignedString(k.private)
	if err != nil { // a key and claims that marshal always sign
		panic(err)
	}
	return signed
}

// PublicKey is the key that verifies [Server.Token], and its ID.
func (s *Server) PublicKey() (id string, key *rsa.PublicKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.keys[len(s.keys)-1]
	return k.id, &k.private.PublicKey
}

func (s *Server) metadata(w http.ResponseWriter, _ *http.Request) {
	answer(w, map[string]any{
		"issuer": Issuer, "jwks_uri": s.url + "/v1/.well-known/keys",
		"id_token_signing_alg_values_supported": []string{"RS256"},
	})
}

func (s *Server) jwks(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var keys []map[string]any
	for _, k := range s.keys {
		key := map[string]any{
			"kty": "RSA", "use": "sig", "kid": k.id, "x5t": k.id,
			"n": base64.RawURLEncoding.EncodeToString(k.private.N.Bytes()),
			"e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(k.private.E)).Bytes()),
		}
		if len(k.endorsements) > 0 {
			key["endorsements"] = k.endorsements
		}
		keys = append(keys, key)
	}
	answer(w, map[string]any{"keys": keys})
}

// token gives the bot its token (RFC 6749 section 4.4).
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	refuse := func(status int, code string) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		json.NewEncoder(w).Encode(map[string]string{"error": code, "error_description": "AADSTS7000215"})
	}
	if err := r.ParseForm(); err != nil {
		refuse(http.StatusBadRequest, "invalid_request")
		return
	}
	f := r.PostForm
	switch {
	case s.single && r.PathValue("tenant") != s.Tenant:
		refuse(http.StatusBadRequest, "unauthorized_client") // AADSTS700016: not an application of this directory
	case f.Get("grant_type") != "client_credentials":
		refuse(http.StatusBadRequest, "unsupported_grant_type")
	case f.Get("scope") != Issuer+"/.default":
		refuse(http.StatusBadRequest, "invalid_scope")
	case f.Get("client_id") != s.AppID || f.Get("client_secret") != s.Password:
		refuse(http.StatusUnauthorized, "invalid_client")
	default:
		token := "bot." + random(16)
		s.mu.Lock()
		s.tokens[token] = s.now().Add(time.Hour)
		s.mu.Unlock()
		answer(w, map[string]any{"token_type": "Bearer", "expires_in": 3600, "ext_expires_in": 3600, "access_token": token})
	}
}

// Revoke makes every token the bot has worthless.
func (s *Server) Revoke() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.tokens)
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	json.NewEncoder(w).Encode(v)
}
