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

// booksThere is books for a tool that looks into an installation that was started
// before. In a folder that is the wrong one it would make new books, find nothing in
// them, and say that nothing is wrong.
func booksThere(ctx context.Context, p place, s streams) (*house, error) {
	r, err := loadThere(p, s)
	if err != nil {
		return nil, err
	}
	return booksOf(ctx, p, s, r, 0)
}

// openThere is open likewise.
func openThere(ctx context.Context, p place, s streams) (*house, error) {
	r, err := loadThere(p, s)
	if err != nil {
		return nil, err
	}
	return openOf(ctx, p, s, r, part{}, 0)
}

// loadThere is load for books that must be there. PostgreSQL says for itself what is
// not.
func loadThere(p place, s streams) (*configs.Reloader, error) {
	r, err := load(p, s)
	if err != nil {
		return nil, err
	}
	file, ok := store.SQLiteFile(databaseURL(p, r.Config()))
	if !ok {
		return r, nil
	}
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w at %s: name the installation's --config and --data", errNoBooks, file)
	}
	return r, nil
}
