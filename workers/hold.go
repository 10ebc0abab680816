package workers

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"switchboard/pipeline/desk"
)

// hold counts what this process has in its hands and has not written yet, so
// that memory stays bounded whatever comes in at once. One source never gets all
// of it.
type hold struct {
	set      Settings
	mu       sync.Mutex
	messages int
	bytes    int64
	by       map[string]int
	said     map[string]refused // the last refusal, by source
}

// refused is when a source was last told to come again later, and why.
type refused struct {
	limit string
	at    time.Time
}

// refusedFor is how long a refusal is told of.
const refusedFor = 10 * time.Second

// Why something was refused, as the metric says it.
const (
	fullMessages = "pending"
	fullSource   = "pendingPerSource"
	fullBytes    = "pendingBytes"
	lagging      = "shedAfter"
)

// refusal is desk.ErrBusy with the limit that was reached.
type refusal struct{ limit string }

func (r refusal) Error() string { return "limit " + r.limit + " is reached: " + desk.ErrBusy.Error() }
func (r refusal) Unwrap() error { return desk.ErrBusy }

// take takes n messages of a source, of so many bytes in all, or refuses them. A
// hand that is empty takes anything: what is larger than a limit must get in some
// time.
func (h *hold) take(source string, n int, bytes int64) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.messages > 0 && h.messages+n > h.set.Pending:
		return refusal{fullMessages}
	case h.set.PendingPerSource > 0 && h.by[source] > 0 && h.by[source]+n > h.set.PendingPerSource:
		return refusal{fullSource}
	case h.set.PendingBytes > 0 && h.bytes > 0 && h.bytes+bytes > h.set.PendingBytes:
		return refusal{fullBytes}
	}
	if h.by == nil {
		h.by = map[string]int{}
	}
	h.messages += n
	h.bytes += bytes
	h.by[source] += n
	return nil
}

func (h *hold) give(source string, n int, bytes int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.messages -= n
	h.bytes -= bytes
	if h.by[source] -= n; h.by[source] <= 0 {
		delete(h.by, source)
	}
}

// now is what is in hand.
func (h *hold) now() (messages int, bytes int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.messages, h.bytes
}

// weigh is about how many bytes a draft takes in memory while it is written: its
// words and the bytes it brings, and again as the rows that are made of them.
func weigh(d *desk.Draft) int64 {
	n := len(d.Text) + len(d.Subject)
	for k, v := range d.Headers {
		n += len(k) + len(v)
	}
	for _, a := range d.Attachments {
		n += 256 + len(a.Name)
	}
	for _, k := range d.Kept {
		n += len(k.Bytes)
	}
	return 2048 + 2*int64(n)
}

// enter takes drafts into hand, which are all of one source, and returns what
// lets go of them.
func (i *Intake) enter(drafts []*desk.Draft) (leave func(), err error) {
	var source string
	var bytes int64
	for _, d := range drafts {
		source = d.Source
		bytes += weigh(d)
	}
	if _, shed := i.pressure.Shed(source); shed && len(drafts) > 0 {
		err = refusal{lagging}
	} else {
		err = i.hold.take(source, len(drafts), bytes)
	}
	if err != nil {
		i.refused(source, err)
		return nil, fmt.Errorf("workers: accept: %w", err)
	}
	return func() { i.hold.give(source, len(drafts), bytes) }, nil
}

// Admit asks whether a door may read a request of so many bytes for a source,
// before anything is done for it. The error wraps desk.ErrBusy; else call leave
// when the request is answered.
func (i *Intake) Admit(source string, bytes int64) (leave func(), err error) {
	if _, shed := i.pressure.Shed(source); shed {
		err = refusal{lagging}
	} else {
		err = i.hold.take(source, 0, bytes)
	}
	if err != nil {
		i.refused(source, err)
		return nil, fmt.Errorf("workers: admit: %w", err)
	}
	return func() { i.hold.give(source, 0, bytes) }, nil
}

func (i *Intake) refused(source string, err error) {
	var r refusal
	if !errors.As(err, &r) {
		return
	}
	i.metrics.refused(source, r.limit)
	i.hold.mu.Lock()
	defer i.hold.mu.Unlock()
	if i.hold.said == nil {
		i.hold.said = map[string]refused{}
	}
	i.hold.said[source] = refused{r.limit, i.now()}
}

// Shedding lists the sources that this process tells to come again later now, each
// with the limit that is reached, named as in the config.
func (i *Intake) Shedding() map[string]string {
	out := map[string]string{}
	i.hold.mu.Lock()
	for source, r := range i.hold.said {
		if i.now().Sub(r.at) > refusedFor {
			delete(i.hold.said, source)
		} else if r.limit != lagging {
			out[source] = r.limit
		}
	}
	i.hold.mu.Unlock()
	for _, source := range i.pressure.Shedding() {
		out[source] = lagging
	}
	return out
}

// InHand is how many messages this process has taken and not yet written to the
// ledger.
func (i *Intake) InHand() int {
	n, _ := i.hold.now()
	return n
}
