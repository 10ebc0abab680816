package desk

// ActorKind says in which capacity somebody acts.
type ActorKind string

// The capacities.
const (
	ByCustomer ActorKind = "CUSTOMER"
	ByAgent    ActorKind = "AGENT"
	ByKey      ActorKind = "API"    // a program, by its key
	BySystem   ActorKind = "SYSTEM" // Switchboard itself: a rule, a sweep
)

// Actor is who did something. ID is a customer uid, agent ID, key ID or the
// name of the rule or stage.
type Actor struct {
	Kind ActorKind `json:"kind"`
	ID   string    `json:"id,omitempty"`
	Name string    `json:"name,omitempty"`
}
