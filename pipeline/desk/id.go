package desk

import (
	"crypto/rand"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"
)

// The distinct identifier types. A receipt, ticket, message, customer, account
// and event carry a ULID (26 characters of Crockford base 32, ordered by time);
// teams and agents carry the ID their config or first use gave them.
type (
	ReceiptID  string
	TicketID   string
	MessageID  string
	CustomerID string
	AccountID  string
	EventID    string
	TeamID     string
	AgentID    string
	KeyID      string
)

var entropy = struct {
	sync.Mutex
	*ulid.MonotonicEntropy
}{MonotonicEntropy: ulid.Monotonic(rand.Reader, 0)}

// NewID makes a ULID of the given ID type for the instant at. IDs made in one
// process within one millisecond are ordered as they were made. It is safe for
// concurrent use and panics only if the system has no randomness.
func NewID[T ~string](at time.Time) T {
	entropy.Lock()
	defer entropy.Unlock()
	ms := uint64(max(at.UnixMilli(), 0))
	id, err := ulid.New(ms, entropy.MonotonicEntropy)
	if err != nil { // the monotonic counter of this millisecond overflowed
		entropy.MonotonicEntropy = ulid.Monotonic(rand.Reader, 0)
		id = ulid.MustNew(ms, entropy.MonotonicEntropy)
	}
	return T(id.String())
}

// IsID reports whether s has the form of a ULID, in either case.
func IsID(s string) bool {
	_, err := ulid.ParseStrict(s)
	return err == nil
}

// IDTime is the instant an ID was made for, to the millisecond, and false when s
// has not the form of one.
func IDTime(s string) (time.Time, bool) {
	id, err := ulid.ParseStrict(s)
	if err != nil {
		return time.Time{}, false
	}
	return ulid.Time(id.Time()).UTC(), true
}

// FirstID is what every ID made at an instant, or later, comes after or equals:
// its first ten characters, which are the time.
func FirstID[T ~string](at time.Time) T {
	var id ulid.ULID
	if err := id.SetTime(uint64(max(at.UnixMilli(), 0))); err != nil {
		return T("7ZZZZZZZZZ")
	}
	return T(id.String()[:10])
}
