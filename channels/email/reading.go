package email

import (
	"sync"
	"time"

	"switchboard/channels"
)

// progress keeps what [channels.Reader] tells of a source.
type progress struct {
	mu      sync.Mutex
	held    bool
	since   time.Time // of held
	folders []channels.Reading
}

func newProgress(folders []string, now time.Time) *progress {
	r := &progress{since: now}
	for _, name := range folders {
		r.folders = append(r.folders, channels.Reading{Folder: name, Since: now})
	}
	return r
}

// Reading reports on every folder; see [channels.Reader].
func (a *adapter) Reading() []channels.Reading {
	a.reading.mu.Lock()
	defer a.reading.mu.Unlock()
	out := append([]channels.Reading(nil), a.reading.folders...)
	for i := range out {
		out[i].Held = a.reading.held
		if a.reading.since.After(out[i].Since) {
			out[i].Since = a.reading.since
		}
	}
	return out
}

// hold notes that the lease was got or lost.
func (r *progress) hold(held bool, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.held != held {
		r.held, r.since = held, now
	}
}

// at changes what is known of a folder.
func (r *progress) at(folder string, change func(*channels.Reading)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.folders {
		if r.folders[i].Folder == folder {
			change(&r.folders[i])
			return
		}
	}
}

func (r *progress) connected(folder string, now time.Time) {
	r.at(folder, func(f *channels.Reading) { f.Connected, f.Since, f.Error = true, now, nil })
}

func (r *progress) ended(folder string, err error, now time.Time) {
	r.at(folder, func(f *channels.Reading) {
		if f.Connected {
			f.Connected, f.Since = false, now
		}
		f.Error = err
	})
}

func (r *progress) caughtUp(folder string, now time.Time) {
	r.at(folder, func(f *channels.Reading) { f.CaughtUp = now })
}

func (r *progress) message(folder string, now time.Time) {
	r.at(folder, func(f *channels.Reading) { f.LastMessage = now })
}
