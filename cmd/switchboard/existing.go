package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"switchboard/configs"
	"switchboard/store"
)

// existing reads the config for a command that looks at an installation or works on
// what it keeps, and finds out that there is one: a mistyped folder or file would be
// made, and whoever asked would hear that there is nothing in it.
func existing(p place, s streams) (*configs.Reloader, error) {
	r, err := load(p, s)
	if err != nil {
		return nil, err
	}
	url := string(r.Config().Database.URL)
	if store.IsPostgres(url) {
		return r, nil
	}
	file, says := strings.TrimPrefix(strings.TrimPrefix(url, "sqlite:"), "//"), "database.url"
	if url == "" {
		file, says = filepath.Join(p.Data, "switchboard.db"), "--data (or SWITCHBOARD_DATA)"
	}
	if err := isThere(file); err != nil {
		return nil, fmt.Errorf("there are no books here: %w; %s must name those of an installation", err, says)
	}
	return r, nil
}

// isThere is an error in words when a path names nothing.
func isThere(path string) error {
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s does not exist", path)
	}
	return err
}

// existingBooks is books for such a command.
func existingBooks(ctx context.Context, p place, s streams) (*house, error) {
	r, err := existing(p, s)
	if err != nil {
		return nil, err
	}
	return booksOf(ctx, p, s, r, 0)
}

// existingHouse is open for such a command.
func existingHouse(ctx context.Context, p place, s streams) (*house, error) {
	r, err := existing(p, s)
	if err != nil {
		return nil, err
	}
	return openOf(ctx, p, s, r, part{}, 0)
}
