package channels

import "time"

// Reader is an Adapter that fetches for itself and can say how that goes. Adapters
// that are called have nothing to say here: they are up when the process is.
type Reader interface {
	Adapter
	// Reading reports on every folder, in the order of the config. It is safe for
	// concurrent use and waits for nothing.
	Reading() []Reading
}

// Reading is how it goes with one folder of a source.
type Reading struct {
	Folder string
	// Held says that this process has the source's lease. While another has it,
	// this one stands by and is not connected.
	Held bool
	// Connected says that the folder's connection is open and logged in; Since is
	// the instant of the last change of Held or Connected.
	Connected bool
	Since     time.Time
	// Error is what ended the last connection, or kept one from being made; nil
	// while connected and before the first try.
	Error error
	// CaughtUp is when everything that was in the folder was last in the ledger.
	CaughtUp time.Time
	// LastMessage is when a message of it was last handed over.
	LastMessage time.Time
}
