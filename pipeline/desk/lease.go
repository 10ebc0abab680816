package desk

import "time"

// Lease says who holds a name, such as a mailbox's, and until when.
type Lease struct {
	Name      string    `json:"name"`
	Holder    string    `json:"holder,omitempty"` // empty: it was given back
	ExpiresAt time.Time `json:"expiresAt"`
}
