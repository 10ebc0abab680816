package api

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"sync"
	"time"

	"switchboard/pipeline/desk"
)

// keyPrefix marks our keys, so that people and secret scanners know one.
const keyPrefix = "sb_"

// NewKey makes an API key with 256 random bits. The secret is shown once and
// never kept: the key holds its SHA-256. (A slow password hash would add
// nothing: there is no guessing 256 bits.)
func NewKey(role desk.Role, name string, now time.Time) (secret string, key desk.Key) {
	var b [32]byte
	rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	secret = keyPrefix + hex.EncodeToString(b[:])
	hash := sha256.Sum256([]byte(secret))
	return secret, desk.Key{ID: desk.NewID[desk.KeyID](now), Name: name, Role: role,
		Prefix: secret[:len(keyPrefix)+8], Hash: hash[:], CreatedAt: now}
}

// OwnKey makes a key that follows from a secret of the house and a name: always
// the same, and never kept in the books. See [Options].Own.
func OwnKey(house []byte, role desk.Role, name string) (secret string, key desk.Key) {
	mac := hmac.New(sha256.New, house)
	mac.Write([]byte("api key\x00" + name))
	secret = keyPrefix + hex.EncodeToString(mac.Sum(nil))
	hash := sha256.Sum256([]byte(secret))
	return secret, desk.Key{ID: desk.KeyID(name), Name: name, Role: role, Prefix: secret[:len(keyPrefix)+8], Hash: hash[:]}
}

const (
	keyTTL     = 3 * time.Second // a revoked key works at most this long
	keysKept   = 10_000
	maxKeySize = 200
)

// keyring looks keys up by their hash and remembers the answer for a moment.
// It is safe for concurrent use.
type keyring struct {
	books Keys
	own   *desk.Key // of the house itself; nil: none
	now   func() time.Time
	mu    sync.Mutex
	known map[[sha256.Size]byte]foundKey
	// unknown is apart, so that a flood of bad keys cannot push out good ones.
	unknown map[[sha256.Size]byte]time.Time
}

type foundKey struct {
	key desk.Key
	at  time.Time
}

func newKeyring(b Keys, now func() time.Time, own *desk.Key) *keyring {
	return &keyring{books: b, own: own, now: now, known: map[[sha256.Size]byte]foundKey{}, unknown: map[[sha256.Size]byte]time.Time{}}
}

// find returns the key of a secret; desk.ErrNotFound covers unknown and
// revoked ones alike.
func (k *keyring) find(ctx context.Context, secret string) (desk.Key, error) {
	if secret == "" || len(secret) > maxKeySize {
		return desk.Key{}, desk.ErrNotFound
	}
	hash, now := sha256.Sum256([]byte(secret)), k.now()
	if k.own != nil && subtle.ConstantTimeCompare(k.own.Hash, hash[:]) == 1 {
		return *k.own, nil
	}
	if key, err, ok := k.remembered(hash, now); ok {
		return key, err
	}
	key, err := k.books.KeyByHash(ctx, hash[:])
	if err == nil && (key.RevokedAt != nil || subtle.ConstantTimeCompare(key.Hash, hash[:]) != 1) {
		err = desk.ErrNotFound
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case err == nil:
		if len(k.known) >= keysKept {
			clear(k.known)
		}
		k.known[hash] = foundKey{key, now}
	case errors.Is(err, desk.ErrNotFound):
		if len(k.unknown) >= keysKept {
			clear(k.unknown)
		}
		k.unknown[hash] = now
	}
	return key, err
}

func (k *keyring) remembered(hash [sha256.Size]byte, now time.Time) (desk.Key, error, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if f, ok := k.known[hash]; ok && now.Sub(f.at) < keyTTL && !now.Before(f.at) {
		return f.key, nil, true
	}
	if at, ok := k.unknown[hash]; ok && now.Sub(at) < keyTTL && !now.Before(at) {
		return desk.Key{}, desk.ErrNotFound, true
	}
	return desk.Key{}, nil, false
}
