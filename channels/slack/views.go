package slack

import "sync"

// views remembers where a form was announced, for the case that its user presses
// the button again because saving failed. Safe for concurrent use.
type views struct {
	mu sync.Mutex
	at map[string]posted
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
