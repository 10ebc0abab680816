package gate

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// The cost of a new hash: 19 MiB, two passes, about 30 ms (OWASP's Password
// Storage Cheat Sheet, Argon2id).
const (
	costMemory = 19 * 1024 // KiB
	costTime   = 2
	saltSize   = 16
	keySize    = 32
)

// What a hash in a config may cost at most, and the length of a password.
const (
	mostMemory  = 256 * 1024 // KiB
	mostTime    = 16
	maxPassword = 1024 // bytes
)

// ErrHash is what a string that is no hash is refused with.
var ErrHash = errors.New("the password must be a hash made with `switchboard password`")

// Hash makes the Argon2id hash of a password, in the form
// $argon2id$v=19$m=19456,t=2,p=1$SALT$KEY that other programs use too.
func Hash(password string) (string, error) {
	if password == "" || len(password) > maxPassword {
		return "", fmt.Errorf("gate: a password has 1 to %d bytes", maxPassword)
	}
	salt := make([]byte, saltSize)
	rand.Read(salt)
	h := hash{memory: costMemory, time: costTime, lanes: 1, salt: salt}
	h.key = h.derive(password, keySize)
	return h.String(), nil
}

// CheckHash says whether a string is a hash that can be compared with.
func CheckHash(s string) error {
	_, err := parseHash(s)
	return err
}

// hash is a parsed Argon2id hash.
type hash struct {
	memory, time uint32
	lanes        uint8
	salt, key    []byte
}

func (h hash) String() string {
	b := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.memory, h.time, h.lanes, b.EncodeToString(h.salt), b.EncodeToString(h.key))
}

func (h hash) derive(password string, size int) []byte {
	return argon2.IDKey([]byte(password), h.salt, h.time, h.memory, h.lanes, uint32(size))
}

// is compares in constant time.
func (h hash) is(password string) bool {
	return subtle.ConstantTimeCompare(h.derive(password, len(h.key)), h.key) == 1
}

func parseHash(s string) (hash, error) {
	var h hash
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return h, ErrHash
	}
	if n, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &h.memory, &h.time, &h.lanes); n != 3 || err != nil {
		return h, ErrHash
	}
	var errSalt, errKey error
	h.salt, errSalt = base64.RawStdEncoding.DecodeString(parts[4])
	h.key, errKey = base64.RawStdEncoding.DecodeString(parts[5])
	if errSalt != nil || errKey != nil || len(h.salt) < 8 || len(h.salt) > 64 || len(h.key) < 16 || len(h.key) > 64 ||
		h.lanes < 1 || h.lanes > 16 || h.time < 1 || h.time > mostTime || h.memory < 8*uint32(h.lanes) || h.memory > mostMemory {
		return h, ErrHash
	}
	if h.String() != s { // nothing may hang about that is not compared
		return h, ErrHash
	}
	return h, nil
}

// nobody is what a password is compared with when the name is unknown, so that it
// takes as long: as the costliest of the operators' hashes, which other programs
// may have made.
func nobody(hashes []hash) hash {
	h := hash{memory: costMemory, time: costTime, lanes: 1, salt: make([]byte, saltSize), key: make([]byte, keySize)}
	cost := func(h hash) uint64 { return uint64(h.memory) * uint64(h.time) }
	for i, o := range hashes {
		if i == 0 || cost(o) > cost(h) {
			h.memory, h.time, h.lanes = o.memory, o.time, o.lanes
		}
	}
	return h
}
