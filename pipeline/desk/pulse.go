package desk

import "time"

// PulseLimit bounds what a [Pulse] counts: a backlog is large enough to be seen
// long before it takes time to be counted.
const PulseLimit = 20000

// Pulse is what waits in the books at one moment.
type Pulse struct {
	// Oldest is when the oldest receipt that is not settled was accepted; zero
	// when all are settled.
	Oldest time.Time
	// Receipts counts those accepted, held and failed, each up to [PulseLimit].
	Receipts map[State]int
	// Answers counts those queued, sending, unknown and failed, each up to
	// [PulseLimit].
	Answers map[SendState]int
}
