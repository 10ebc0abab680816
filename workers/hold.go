package workers

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"switchboard/pipeline/desk"
)

// hold counts what this process has in its hands and has not written yet, so
// that memory stays bounded whatever comes in at once: the messages that are
// being written, their bytes, and the bytes of the requests that doors read. One
// source never gets all of it, and the doors together never what the last quarter
// of the bytes is for: what was read, and mailboxes.
type hold struct {
	set  Settings
	mu   sync.Mutex
	all  load
	by   map[string]load
	said map[string]refused // the last refusal, by source
}

// load is what is in hand.
type load struct {
	messages int
	writing  int64 // bytes of them
	reading  int64 // bytes of requests
}

func (l *load) add(d load) {
	l.messages += d.messages
	l.writing += d.writing
	l.reading += d.reading
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
	fullShare    = "pendingBytesPerSource"
	lagging      = "shedAfter"
)

// refusal is desk.ErrBusy with the limit that was reached.
type refusal struct{ limit string }

func (r refusal) Error() string { return "limit " + r.limit + " is reached: " + desk.ErrBusy.Error() }
func (r refusal) Unwrap() error { return desk.ErrBusy }

// share is the most bytes of one source: never more than half of all, whatever
// the config says.
func (h *hold) share() int64 {
	half, of := h.set.PendingBytes/2, h.set.PendingBytesPerSource
	if half > 0 && (of <= 0 || of > half) {
		return half
	}
	return of
}

// take takes n messages of a source, of so many bytes in all, or refuses them. A
// hand that is empty takes anything: what is larger than a limit must get in some
// time. The request that brought them is no part of this: it is let go of when
// they are written, so it must not keep them out.
func (h *hold) take(source string, n int, bytes int64) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	own, share := h.by[source], h.share()
	switch {
	case h.all.messages > 0 && h.all.messages+n > h.set.Pending:
		return refusal{fullMessages}
	case h.set.PendingPerSource > 0 && own.messages > 0 && own.messages+n > h.set.PendingPerSource:
		return refusal{fullSource}
	case h.set.PendingBytes > 0 && h.all.writing > 0 && h.all.writing+h.all.reading+bytes > h.set.PendingBytes:
		return refusal{fullBytes}
	case share > 0 && own.writing > 0 && own.writing+bytes > share:
		return refusal{fullShare}
	}
	h.add(source, load{messages: n, writing: bytes})
	return nil
}

// read lets a request that has so many bytes in hand take more, or refuses it. One
// that is alone takes anything.
func (h *hold) read(source string, has, more int64) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	own, share := h.by[source], h.share()
	if most := h.set.PendingBytes; most > 0 && h.all.writing+h.all.reading > has {
		if now := h.all.reading + more; now > most-most/4 || now+h.all.writing > most {
			return refusal{fullBytes}
		}
	}
	if share > 0 && own.reading > has && own.reading+more > share {
		return refusal{fullShare}
	}
	h.add(source, load{reading: more})
	return nil
}

// give lets go of what a source had in hand.
func (h *hold) give(source string, l load) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.add(source, load{-l.messages, -l.writing, -l.reading})
}

// add changes what a source has in hand; mu is held.
func (h *hold) add(source string, d load) {
	h.all.add(d)
	own := h.by[source]
	if own.add(d); own == (load{}) {
		delete(h.by, source)
		return
	}
	if h.by == nil {
		h.by = map[string]load{}
	}
	h.by[source] = own
}

// now is what is in hand.
func (h *hold) now() load {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.all
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
	return func() { i.hold.give(source, load{messages: len(drafts), writing: bytes}) }, nil
}

// Visit is a request at a door. What of it is in memory counts until it ends. It
// is for one goroutine.
type Visit struct {
	intake *Intake
	source string
	bytes  int64
	inside bool
}

// Visit begins a request at a source's door, of which nothing was read yet.
func (i *Intake) Visit(source string) Visit { return Visit{intake: i, source: source} }

// Hold asks whether so many bytes of the request may be in memory, all told. The
// error wraps desk.ErrBusy: no more of it may be read, and nothing was taken.
func (v *Visit) Hold(bytes int64) (err error) {
	i, shed := v.intake, false
	if !v.inside { // who is inside may say all he has to say
		_, shed = i.pressure.Shed(v.source)
	}
	switch more := bytes - v.bytes; {
	case shed:
		err = refusal{lagging}
	case more > 0:
		err = i.hold.read(v.source, v.bytes, more)
	}
	if err != nil {
		i.refused(v.source, err)
		return fmt.Errorf("workers: admit: %w", err)
	}
	v.inside, v.bytes = true, max(bytes, v.bytes)
	return nil
}

// End lets go of the request.
func (v *Visit) End() {
	if v.bytes > 0 {
		v.intake.hold.give(v.source, load{reading: v.bytes})
		v.bytes = 0
	}
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
func (i *Intake) InHand() int { return i.hold.now().messages }
