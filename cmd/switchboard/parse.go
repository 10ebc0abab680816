package main

import (
	"context"
	"encoding/json"
	"os"
	"time"

	"switchboard/channels/email"
	"switchboard/pipeline/desk"
	"switchboard/store/blob"
)

// parseCmd shows how a mail is read.
type parseCmd struct {
	Blobs string `help:"Keep the raw mail and its attachments in this folder; a temporary one by default." type:"path" placeholder:"DIR"`
}

func (c *parseCmd) Run(ctx context.Context, s streams) error {
	dir := c.Blobs
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp("", "switchboard-parse-"); err != nil {
			return err
		}
		defer os.RemoveAll(dir)
	}
	blobs, err := blob.Open(dir, blob.Options{})
	if err != nil {
		return err
	}
	source := desk.Source{Name: "stdin", Channel: desk.Email}
	draft, err := email.Parse(ctx, waits{ctx, s.in}, blobs, source, nil, time.Time{})
	if err != nil {
		return err
	}
	e := json.NewEncoder(s.out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(draft)
}
