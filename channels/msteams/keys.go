package msteams

import (
	"context"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// How the signing keys are kept. Microsoft publishes a new key days before it
// signs with it, and lets keys be cached for five days.
const (
	keysFresh   = 12 * time.Hour
	keysStale   = 5 * 24 * time.Hour // older keys are trusted no more
	keysPause   = time.Minute        // between two fetches
	keysRetry   = 5 * time.Second    // between two fetches while there are none at all
	keysTimeout = 10 * time.Second
	keysBytes   = 1 << 20
	minModulus  = 2048 // bits, RFC 7518 section 3.3
)

var (
	errKeysDown   = errors.New("the signing keys cannot be fetched")
	errUnknownKey = errors.New("no such signing key")
)

// key is one signing key of the Connector.
type key struct {
	public *rsa.PublicKey
	// endorsements are the channels the key may speak for; a member of the JWK
	// that only the Bot Framework has.
	endorsements []string
}

// keySet is what one metadata document led to.
type keySet struct {
	byID map[string]key
	at   time.Time
}

// keys holds the signing keys of all metadata documents. It is safe for
// concurrent use: who asks for a known, fresh key never waits for a fetch, and
// there is one fetch at a time.
type keys struct {
	urls   []string
	client *http.Client
	now    func() time.Time
	log    *slog.Logger

	turn chan struct{} // held while fetching

	mu    sync.RWMutex
	sets  map[string]keySet // by metadata URL
	tried time.Time
	err   error // of the last fetch
}

func newKeys(urls []string, client *http.Client, now func() time.Time, log *slog.Logger) *keys {
	return &keys{urls: urls, client: client, now: now, log: log, turn: make(chan struct{}, 1), sets: map[string]keySet{}}
}

// warm fetches the keys if there are none.
func (k *keys) warm(ctx context.Context) {
	if k.due() {
		if err := k.fetch(ctx); err != nil && ctx.Err() == nil {
			k.log.Warn("msteams: no signing keys yet; they are fetched again with the next message", "error", err)
		}
	}
}

// find returns the key of an ID. An unknown ID has the documents fetched again,
// at most once a minute, since keys rotate. errUnknownKey: there is no such key;
// errKeysDown: that cannot be said now.
func (k *keys) find(ctx context.Context, id string) (key, error) {
	if found, fresh, err := k.look(id); err == nil && fresh {
		return found, nil
	}
	if k.due() {
		if err := k.fetch(ctx); err != nil {
			k.log.Warn("msteams: fetch signing keys", "error", err)
		}
	}
	// Looked for again even where nothing was due: somebody may have fetched since.
	// An old key will do, if it is not too old: the other side may be down for a while.
	found, _, err := k.look(id)
	return found, err
}

// look finds a key among those that were fetched; errors as [keys.find] has them.
func (k *keys) look(id string) (found key, fresh bool, err error) {
	now := k.now()
	k.mu.RLock()
	defer k.mu.RUnlock()
	ok := false
	for _, u := range k.urls {
		set := k.sets[u]
		age := now.Sub(set.at)
		if got, has := set.byID[id]; has && age < keysStale && (!ok || age < keysFresh) {
			found, ok, fresh = got, true, age < keysFresh
		}
	}
	switch {
	case ok:
		return found, fresh, nil
	case k.err != nil || len(k.sets) == 0:
		return key{}, false, errKeysDown
	default:
		return key{}, false, errUnknownKey
	}
}

// due reports whether another fetch is allowed yet.
func (k *keys) due() bool {
	now := k.now()
	k.mu.RLock()
	defer k.mu.RUnlock()
	pause := keysPause
	if len(k.sets) == 0 {
		pause = keysRetry
	}
	since := now.Sub(k.tried)
	return k.tried.IsZero() || since >= pause || since < 0
}

// fetch reads all documents; what cannot be read keeps its old keys. It goes on
// when the request that asked for it is gone: others want the keys too.
func (k *keys) fetch(ctx context.Context) error {
	select {
	case k.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-k.turn }()
	if !k.due() { // somebody fetched while we waited
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keysTimeout)
	defer cancel()
	now := k.now()
	var errs []error
	sets := map[string]keySet{}
	for _, u := range k.urls {
		byID, err := k.read(ctx, u)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", u, err))
			continue
		}
		sets[u] = keySet{byID: byID, at: now}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for u, s := range sets {
		k.sets[u] = s
	}
	k.tried, k.err = now, errors.Join(errs...)
	return k.err
}

// read follows one OpenID metadata document to its keys.
func (k *keys) read(ctx context.Context, metadata string) (map[string]key, error) {
	var doc struct {
		JWKS string `json:"jwks_uri"`
	}
	if err := k.get(ctx, metadata, &doc); err != nil {
		return nil, err
	}
	u, err := url.Parse(doc.JWKS)
	if err != nil || u.Host == "" || !safeScheme(u) {
		return nil, errors.New("its jwks_uri is no https address")
	}
	var set struct {
		Keys []jwk `json:"keys"`
	}
	if err := k.get(ctx, doc.JWKS, &set); err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	out := map[string]key{}
	for _, j := range set.Keys {
		if public := j.rsa(); public != nil {
			out[j.KID] = key{public: public, endorsements: j.Endorsements}
		}
	}
	if len(out) == 0 {
		return nil, errors.New("keys: none can be used")
	}
	return out, nil
}

func (k *keys) get(ctx context.Context, address string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	res, err := k.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, keysBytes+1))
	switch {
	case err != nil:
		return err
	case res.StatusCode != http.StatusOK:
		return fmt.Errorf("answered %d", res.StatusCode)
	case len(body) > keysBytes:
		return errors.New("the answer is too large")
	}
	return json.Unmarshal(body, into)
}

// jwk is a JSON Web Key (RFC 7517), as far as it is an RSA key (RFC 7518 6.3).
type jwk struct {
	KTY          string   `json:"kty"`
	KID          string   `json:"kid"`
	Use          string   `json:"use"`
	N            string   `json:"n"`
	E            string   `json:"e"`
	Endorsements []string `json:"endorsements"`
}

// rsa returns the public key, or nil when this is no signing key we can use.
func (j jwk) rsa() *rsa.PublicKey {
	if j.KTY != "RSA" || j.KID == "" || j.Use != "" && j.Use != "sig" {
		return nil
	}
	n, errN := base64.RawURLEncoding.DecodeString(j.N)
	e, errE := base64.RawURLEncoding.DecodeString(j.E)
	if errN != nil || errE != nil || len(e) > 4 {
		return nil
	}
	modulus, exponent := new(big.Int).SetBytes(n), new(big.Int).SetBytes(e)
	if modulus.BitLen() < minModulus || modulus.BitLen() > 8192 || exponent.BitLen() > 31 || exponent.Int64() < 3 || exponent.Bit(0) == 0 {
		return nil
	}
	return &rsa.PublicKey{N: modulus, E: int(exponent.Int64())}
}
