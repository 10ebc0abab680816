package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"switchboard/configs"
	"switchboard/store"
)

var errNoBooks = errors.New("there are no books")

// loadThere is load for a command that looks after books there must be: in a folder whose
// name is misspelt it would find nothing wrong, and make new ones. Of a server nothing is
// asked.
func loadThere(p place, s streams) (*configs.Reloader, error) {
	r, err := load(p, s)
	if err != nil {
		return nil, err
	}
	file := store.File((&house{place: p, config: r}).databaseURL())
	if _, err := os.Stat(file); file != "" && errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w at %s: name the right folder with --data, or the right config", errNoBooks, file)
	}
	return r, nil
}

// booksThere is books, where they are there already.
func booksThere(ctx context.Context, p place, s streams) (*house, error) {
	r, err := loadThere(p, s)
	if err != nil {
		return nil, err
	}
	return booksOf(ctx, p, s, r, 0)
}

// readThere is booksThere for a command that only reads: the books stay as they are, and
// tables that this version cannot read are said to be so. Newer ones it can: a fleet is
// brought up to date beside them.
func readThere(ctx context.Context, p place, s streams) (*house, error) {
	h, err := booksThere(ctx, p, s)
	if err != nil {
		return nil, err
	}
	if err := h.readable(ctx); err != nil {
		h.store.Close()
		return nil, err
	}
	return h, nil
}

// readThereByClock is readThere by the clock of the books; the house is closed with close.
func readThereByClock(ctx context.Context, p place, s streams) (*house, error) {
	h, err := readThere(ctx, p, s)
	if err == nil {
		h.keepTime(ctx)
	}
	return h, err
}

// readThereOrNone is readThere, with books that are empty where there are none; they go with dir.
func readThereOrNone(ctx context.Context, p place, dir string, s streams) (*house, error) {
	h, err := readThere(ctx, p, s)
	if errors.Is(err, errNoBooks) {
		return emptyBooks(ctx, p, dir, s)
	}
	return h, err
}

// readable refuses books whose schema is older than what this version reads.
func (h *house) readable(ctx context.Context) error {
	switch has, needs, err := h.store.Schema(ctx); {
	case err != nil:
		return err
	case has == 0:
		return fmt.Errorf("the books have no tables yet, this version needs schema %d: run `switchboard migrate`", needs)
	case has < needs:
		return fmt.Errorf("the books have schema %d, this version needs %d: run `switchboard migrate`", has, needs)
	}
	return nil
}

// openThere is open, where the books are there already.
func openThere(ctx context.Context, p place, s streams) (*house, error) {
	r, err := loadThere(p, s)
	if err != nil {
		return nil, err
	}
	return openOf(ctx, p, s, r, part{}, 0)
}
