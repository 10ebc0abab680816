package slack

import (
	"context"
	"sync"
)

// views remembers where a form was announced, for the case that its user presses
// the button again because saving failed, and which forms are at work. Safe for
// concurrent use.
type views struct {
	mu   sync.Mutex
	at   map[string]posted
	busy map[string]chan struct{}
}

// posted is where a message of ours stands.
type posted struct {
	channel, ts string
}

// viewsMost bounds how many are remembered.
const viewsMost = 1000

func (v *views) posted(id string) (posted, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	p, ok := v.at[id]
	return p, ok && id != ""
}

func (v *views) remember(id string, p posted) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.at == nil || len(v.at) >= viewsMost {
		v.at = map[string]posted{}
	}
	v.at[id] = p
}

// turn waits until nothing else of a form is at work. Call done when it is your
// turn no more.
func (v *views) turn(ctx context.Context, id string) (done func(), err error) {
	if id == "" {
		return func() {}, nil
	}
	for {
		v.mu.Lock()
		others, busy := v.busy[id]
		if !busy {
			mine := make(chan struct{})
			if v.busy == nil {
				v.busy = map[string]chan struct{}{}
			}
			v.busy[id] = mine
			v.mu.Unlock()
			return func() {
				v.mu.Lock()
				delete(v.busy, id)
				v.mu.Unlock()
				close(mine)
			}, nil
		}
		v.mu.Unlock()
		select {
		case <-others:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
