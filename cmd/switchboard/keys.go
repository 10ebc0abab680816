package main

import (
	"context"
	"fmt"
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

func (c *keysCreateCmd) Run(ctx context.Context, s streams) error {
	role, err := desk.ParseRole(c.Role)
	if err != nil {
		return err
	}
	return withKeys(ctx, c.place, s, func(h *house) error {
		secret, err := h.createKey(ctx, c.Name, role)
		if err != nil {
			return err
		}
		fmt.Fprintf(s.out, "key %q with role %s, shown once:\n%s\n", c.Name, role, secret)
		return nil
	})
}

type keysListCmd struct{ place }

func (c *keysListCmd) Run(ctx context.Context, s streams) error {
	return withKeys(ctx, c.place, s, func(h *house) error {
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
	})
}

type keysRevokeCmd struct {
	place
	Key string `arg:"" help:"Name or ID."`
}

func (c *keysRevokeCmd) Run(ctx context.Context, s streams) error {
	return withKeys(ctx, c.place, s, func(h *house) error {
		if err := h.store.RevokeKey(ctx, c.Key, h.now()); err != nil {
			return err
		}
		fmt.Fprintf(s.out, "key %q is revoked\n", c.Key)
		return nil
	})
}

// withKeys opens the books, makes sure the tables are there, and runs fn.
func withKeys(ctx context.Context, p place, s streams, fn func(*house) error) error {
	h, err := books(ctx, p, s)
	if err != nil {
		return err
	}
	defer h.store.Close()
	if err := h.store.Migrate(ctx); err != nil {
		return err
	}
	return fn(h)
}
