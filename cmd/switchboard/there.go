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

// openThere is open, where the books are there already.
func openThere(ctx context.Context, p place, s streams) (*house, error) {
	r, err := loadThere(p, s)
	if err != nil {
		return nil, err
	}
	return openOf(ctx, p, s, r, part{}, 0)
}
