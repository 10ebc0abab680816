package desk

import (
	"log/slog"
	"slices"
	"time"
)

// Role is what an API key or agent may do; see [Role.May].
type Role string

// The roles.
const (
	RoleAdmin       Role = "admin"
	RoleAgent       Role = "agent"
	RoleIntegration Role = "integration" // creates tickets and reads its receipts
	RoleReader      Role = "reader"
)

// Roles lists the roles, most powerful first.
func Roles() []Role { return []Role{RoleAdmin, RoleAgent, RoleIntegration, RoleReader} }

// ParseRole reads a role.
func ParseRole(s string) (Role, error) {
	if r := Role(s); slices.Contains(Roles(), r) {
		return r, nil
	}
	return "", Invalidf("role", "is not a role; known are %v", Roles())
}

// Permission is one thing a role may do.
type Permission string

// The permissions.
const (
	ReadTickets   Permission = "tickets:read"
	CreateTickets Permission = "tickets:create"
	UpdateTickets Permission = "tickets:update"
	DeleteTickets Permission = "tickets:delete"
	Comment       Permission = "tickets:comment"
	ReadIntake    Permission = "intake:read"
	// ReadCustomers covers the record, its handles and its company.
	ReadCustomers Permission = "customers:read"
	// UpdateCustomers covers merging and splitting records too.
	UpdateCustomers Permission = "customers:update"
	// CreateNames lets unknown customer and team IDs be created on first use.
	CreateNames Permission = "names:create"
)

var may = map[Role][]Permission{
	RoleAdmin:       {ReadTickets, CreateTickets, UpdateTickets, DeleteTickets, Comment, ReadIntake, ReadCustomers, UpdateCustomers, CreateNames},
	RoleAgent:       {ReadTickets, CreateTickets, UpdateTickets, Comment, ReadIntake, ReadCustomers, UpdateCustomers},
	RoleIntegration: {ReadTickets, CreateTickets, Comment, ReadIntake, ReadCustomers, CreateNames},
	RoleReader:      {ReadTickets, ReadIntake, ReadCustomers},
}

// May reports whether the role has the permission. It is the one place where
// that is decided.
func (r Role) May(p Permission) bool { return slices.Contains(may[r], p) }

// Key is an API key. The secret itself is never kept: Hash is its SHA-256.
type Key struct {
	ID        KeyID      `json:"id"`
	Name      string     `json:"name"`
	Role      Role       `json:"role"`
	Prefix    string     `json:"prefix"` // the first characters, to recognise it
	Hash      []byte     `json:"-"`
	CreatedAt time.Time  `json:"createdAt"`
	RevokedAt *time.Time `json:"revokedAt,omitempty"`
}

// LogValue shows the name only.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.Name) }
