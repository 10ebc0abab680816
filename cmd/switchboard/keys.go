package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"switchboard/pipeline/desk"
)

// keysCmd manages API keys, beside a running installation or before it starts.
type keysCmd struct {
	Create keysCreateCmd `cmd:"" help:"Make a key and print it as the last line. It is shown once."`
	List   keysListCmd   `cmd:"" help:"List the keys."`
	Revoke keysRevokeCmd `cmd:"" help:"Revoke a key by name or ID."`
}

type keysCreateCmd struct {
	place
	Name string `help:"A name to know it by." required:""`
	Role string `help:"What it may do: admin, agent, integration or reader." required:""`
}

// maxKeyName bounds the name of a key, in bytes.
const maxKeyName = 200

// Validate runs before Run; what it refuses is a wrong command line.
func (c *keysCreateCmd) Validate() error {
	c.Role = strings.ToLower(c.Role)
	if _, err := desk.ParseRole(c.Role); err != nil {
		return errors.New("--role must be admin, agent, integration or reader")
	}
	if name := desk.Clean(c.Name); name != c.Name || strings.TrimSpace(name) != name || name == "" || len(name) > maxKeyName || strings.ContainsAny(name, "\n\t") {
		return fmt.Errorf("--name must be one line of at most %d bytes, without blanks around it", maxKeyName)
	}
	return nil
}

func (c *keysCreateCmd) Run(ctx context.Context, s streams) error {
	return withKeys(ctx, c.place, s, books, func(h *house) error {
		secret, err := h.createKey(ctx, c.Name, desk.Role(c.Role))
		if errors.Is(err, desk.ErrConflict) {
			return fmt.Errorf("keys: there is a key named %q; revoke it first or take another name", c.Name)
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(s.out, "key %q with role %s, shown once:\n%s\n", c.Name, c.Role, secret)
		return nil
	})
}

type keysListCmd struct{ place }

func (c *keysListCmd) Run(ctx context.Context, s streams) error {
	h, err := readThere(ctx, c.place, s)
	if err != nil {
		return err
	}
	defer h.store.Close()
	keys, err := h.store.Keys(ctx)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tNAME\tROLE\tBEGINS WITH\tCREATED\tREVOKED")
	for _, k := range keys {
		revoked := "-"
		if k.RevokedAt != nil {
			revoked = k.RevokedAt.Format(time.RFC3339)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", k.ID, k.Name, k.Role, k.Prefix, k.CreatedAt.Format(time.RFC3339), revoked)
	}
	return w.Flush()
}

type keysRevokeCmd struct {
	place
	Key string `arg:"" help:"Name or ID."`
}

func (c *keysRevokeCmd) Run(ctx context.Context, s streams) error {
	return withKeys(ctx, c.place, s, booksThere, func(h *house) error {
		err := h.store.RevokeKey(ctx, c.Key, h.now())
		if errors.Is(err, desk.ErrNotFound) {
			return fmt.Errorf("keys: no key in force has the name or ID %q", c.Key)
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(s.out, "key %q is revoked\n", c.Key)
		return nil
	})
}

// withKeys opens the books, makes sure the tables are there, and runs fn.
func withKeys(ctx context.Context, p place, s streams, open func(context.Context, place, streams) (*house, error), fn func(*house) error) error {
	h, err := open(ctx, p, s)
	if err != nil {
		return err
	}
	defer h.store.Close()
	if err := h.store.Migrate(ctx); err != nil {
		return err
	}
	return fn(h)
}
