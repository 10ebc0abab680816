package main

import (
	"context"
	"fmt"
)

// migrateCmd brings the schema up to date.
type migrateCmd struct{ place }

func (c *migrateCmd) Run(ctx context.Context, s streams) error {
	h, err := books(ctx, c.place, s)
	if err != nil {
		return err
	}
	defer h.store.Close()
	if err := h.store.Migrate(ctx); err != nil {
		return err
	}
	fmt.Fprintf(s.out, "the %s schema is up to date\n", h.store.Dialect())
	return nil
}
