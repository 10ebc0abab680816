package workers

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
)

// Process is what one process of the fleet says of itself.
type Process struct {
	ID      string    `json:"id"` // random, of this start
	Host    string    `json:"host"`
	PID     int       `json:"pid"`
	Roles   []string  `json:"roles"` // web, listen, work
	Version string    `json:"version"`
	Since   time.Time `json:"since"`            // when it started
	Holder  string    `json:"holder,omitempty"` // its name on the leases of mailboxes
	CPU     float64   `json:"cpu"`              // processors in use over the last seconds: 1 is one whole
	Memory  int64     `json:"memory"`           // resident bytes
	InHand  int       `json:"inHand"`           // messages accepted or filed at this moment
	// Flows are the sources of which messages went through here.
	Flows map[string]Flow `json:"flows,omitempty"`
}

// Flow is what went through one process of one source.
type Flow struct {
	Accepted float64   `json:"accepted"`         // a second, over the last seconds
	Settled  float64   `json:"settled"`          // a second: filed, duplicate, dropped, held or failed
	Lag      float64   `json:"lag,omitempty"`    // mean seconds from acceptance to the books, of those settled in that time
	LastAt   time.Time `json:"lastAt,omitzero"`  // when the last was accepted here
	Failed   int64     `json:"failed,omitempty"` // since the process started
	Total    int64     `json:"total,omitempty"`  // accepted since the process started
}

// Fleet is the list of all live processes, in Redis: each shows itself there
// again and again, and one that stops is gone from the list a few seconds later.
// It is for people to look at; nothing is decided by it. What a worker has in
// hand, by which its death is noticed, is shown apart (see hands).
type Fleet struct {
	Client redis.UniversalClient
	Every  time.Duration // between two showings; 0: a second
	Log    *slog.Logger
}

// The list is a set of IDs, and a key that expires for each: all in one slot of
// a cluster.
const (
	fleetSet    = "switchboard:{fleet}"
	fleetPrefix = "switchboard:{fleet}:"
	fleetKeep   = 4 // showings that may fail before a process counts as gone
)

func (f Fleet) every() time.Duration { return cmp.Or(f.Every, time.Second) }

// Run shows the process until ctx is done, and then takes it off the list. A
// Redis that does not answer is said once, and asked on.
func (f Fleet) Run(ctx context.Context, card func() Process) {
	tick := time.NewTicker(f.every())
	defer tick.Stop()
	failing := false
	p := card()
	for {
		call, cancel := context.WithTimeout(ctx, f.every())
		err := f.Show(call, p)
		cancel()
		if err != nil && ctx.Err() == nil && !failing && f.Log != nil {
			f.Log.Info("this process cannot be shown to the fleet", "error", err)
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			call, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			_ = f.Leave(call, p.ID) // it is gone in a moment anyway
			return
		case <-tick.C:
			p = card()
		}
	}
}

// Show puts the process on the list for a few seconds.
func (f Fleet) Show(ctx context.Context, p Process) error {
	text, err := json.Marshal(p)
	if err == nil {
		_, err = f.Client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			pipe.Set(ctx, fleetPrefix+p.ID, text, fleetKeep*f.every())
			pipe.SAdd(ctx, fleetSet, p.ID)
			return nil
		})
	}
	if err != nil {
		return fmt.Errorf("workers: fleet: %w", err)
	}
	return nil
}

// Leave takes a process off the list.
func (f Fleet) Leave(ctx context.Context, id string) error {
	_, err := f.Client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		pipe.Del(ctx, fleetPrefix+id)
		pipe.SRem(ctx, fleetSet, id)
		return nil
	})
	if err != nil {
		return fmt.Errorf("workers: fleet: %w", err)
	}
	return nil
}

// List returns the live processes, by role, host and start. It clears the IDs of
// those that are gone from the set.
func (f Fleet) List(ctx context.Context) ([]Process, error) {
	ids, err := f.Client.SMembers(ctx, fleetSet).Result()
	if err != nil || len(ids) == 0 {
		return nil, wrapFleet(err)
	}
	keys := make([]string, len(ids))
	for i, id := range ids {
		keys[i] = fleetPrefix + id
	}
	values, err := f.Client.MGet(ctx, keys...).Result()
	if err != nil {
		return nil, wrapFleet(err)
	}
	var out []Process
	var gone []any
	for i, v := range values {
		text, ok := v.(string)
		if !ok {
			gone = append(gone, ids[i])
			continue
		}
		var p Process
		if json.Unmarshal([]byte(text), &p) == nil { // of a newer version, maybe
			out = append(out, p)
		}
	}
	if len(gone) > 0 {
		_ = f.Client.SRem(ctx, fleetSet, gone...).Err() // the next look will
	}
	slices.SortFunc(out, func(a, b Process) int {
		return cmp.Or(slices.Compare(a.Roles, b.Roles), cmp.Compare(a.Host, b.Host), a.Since.Compare(b.Since), cmp.Compare(a.ID, b.ID))
	})
	return out, nil
}

func wrapFleet(err error) error {
	if err == nil || errors.Is(err, redis.Nil) {
		return nil
	}
	return fmt.Errorf("workers: fleet: %w", err)
}
