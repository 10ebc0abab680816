//go:build unix

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"switchboard/pipeline/desk"
	"switchboard/store"
)

// chaosMessage is one message of a customer, and what its door said.
type chaosMessage struct {
	door   string
	source string
	id     string // external ID, as the ledger will have it; "" when we cannot know
	token  string // words only this message has
	digest string // of the raw mail
	talk   int    // number of its conversation
	auto   bool   // must be dropped
	copied bool   // the same mail as another, to our second address
	times  int    // how often it is sent
	send   func(ctx context.Context) error

	acked atomic.Int64 // when it was first acknowledged, in ns; 0: never
	tries atomic.Int64
}

// errSendAgain is an answer, or none, after which a vendor sends again. Any
// other error means that the door refused for good.
type errSendAgain struct {
	status int // 0: no answer
	why    string
}

func (e *errSendAgain) Error() string { return fmt.Sprintf("%d %s", e.status, e.why) }

// heard turns an answer of a door into what its sender makes of it.
func heard(status int, text string, err error) error {
	switch {
	case err != nil:
		return &errSendAgain{0, err.Error()}
	case status >= 200 && status < 300:
		return nil
	case status >= 500 || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout:
		return &errSendAgain{status, strings.TrimSpace(text)}
	}
	return fmt.Errorf("the door refuses: %d %s", status, strings.TrimSpace(text))
}

// chaosTraffic is everybody who writes. One goroutine makes the messages, each
// is sent by one of its own.
type chaosTraffic struct {
	c      *chaos
	random *rand.Rand
	doors  []chaosDoor
	file   *os.File // of acknowledged messages
	wg     sync.WaitGroup

	mu       sync.Mutex
	all      []*chaosMessage
	statuses map[string]int // "door status" of answers that were no yes
	talks    int
	comments []*chaosComment
}

// chaosDoor makes what comes through one door.
type chaosDoor struct {
	name   string
	weight int
	// talk makes the messages of a new conversation, in the order they were
	// written.
	talk    func(t *chaosTraffic, talk int) []*chaosMessage
	waiting []*chaosMessage
}

func (c *chaos) newTraffic() *chaosTraffic {
	c.t.Helper()
	t := &chaosTraffic{c: c, random: rand.New(rand.NewPCG(c.plan.seed, 1)), statuses: map[string]int{}}
	var err error
	if t.file, err = os.Create(c.in("acknowledged.jsonl")); err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { t.file.Close() })
	t.doors = c.chaosDoors(t.random)
	return t
}

// run makes messages at the plan's rate until ctx is done.
func (t *chaosTraffic) run(ctx context.Context) {
	total := 0
	for _, d := range t.doors {
		total += d.weight
	}
	start := time.Now()
	for n := 0; ; n++ {
		// Who is late sends at once: the rate does not wait for the answers.
		if !chaosWait(ctx, time.Until(start.Add(time.Duration(float64(n)/t.c.plan.rate*float64(time.Second))))) {
			return
		}
		pick := t.random.IntN(total)
		for i := range t.doors {
			if pick -= t.doors[i].weight; pick < 0 {
				t.one(&t.doors[i])
				break
			}
		}
	}
}

// one sends the next message through a door: of one of its open conversations,
// or the first of a new one. A conversation is sent in any order, so that
// replies overtake what they answer.
func (t *chaosTraffic) one(d *chaosDoor) {
	if len(d.waiting) == 0 || len(d.waiting) < 40 && t.random.IntN(3) == 0 {
		t.talks++
		list := d.talk(t, t.talks)
		if t.random.IntN(4) > 0 { // mostly in order
			d.waiting = append(d.waiting, list[1:]...)
			t.launch(list[0])
			return
		}
		d.waiting = append(d.waiting, list...)
	}
	n := t.random.IntN(len(d.waiting))
	m := d.waiting[n]
	d.waiting = append(d.waiting[:n], d.waiting[n+1:]...)
	t.launch(m)
}

// flush sends what conversations still lack, so that each is whole.
func (t *chaosTraffic) flush() {
	for i := range t.doors {
		d := &t.doors[i]
		for _, m := range d.waiting {
			t.launch(m)
		}
		d.waiting = nil
	}
}

// launch sends a message until its door says yes, one in ten of them twice.
func (t *chaosTraffic) launch(m *chaosMessage) {
	m.times = 1
	if t.random.IntN(10) == 0 && !m.copied {
		m.times = 2
	}
	together := t.random.IntN(2) == 0
	t.mu.Lock()
	t.all = append(t.all, m)
	t.mu.Unlock()
	for n := range m.times {
		if n == 0 || together {
			t.wg.Go(func() { t.deliver(m) })
		}
	}
	if m.times == 2 && !together {
		t.wg.Go(func() {
			t.deliver(m)
			t.deliver(m)
		})
	}
}

// deliver is a vendor that sends until it hears yes, with growing pauses.
func (t *chaosTraffic) deliver(m *chaosMessage) {
	t.insist(m.door, m.token, &m.tries, m.send, func() {
		if m.acked.CompareAndSwap(0, time.Now().UnixNano()) {
			t.acknowledged(m)
		}
	})
}

// insist sends again and again until yes; said is called then.
func (t *chaosTraffic) insist(door, what string, tries *atomic.Int64, send func(context.Context) error, said func()) {
	ctx := t.c.life
	wait := 200 * time.Millisecond
	for {
		tries.Add(1)
		try, cancel := context.WithTimeout(ctx, 20*time.Second)
		err := send(try)
		cancel()
		if err == nil {
			said()
			return
		}
		again, ok := err.(*errSendAgain)
		if !ok {
			t.c.fail("%s %s: %v", door, what, err)
			return
		}
		t.mu.Lock()
		t.statuses[fmt.Sprintf("%s %d", door, again.status)]++
		t.mu.Unlock()
		if again.status == http.StatusInternalServerError {
			t.c.fail("%s %s: the door answers 500: %s", door, what, again.why)
		}
		if !chaosWait(ctx, wait) {
			return
		}
		wait = min(wait*2, 4*time.Second)
	}
}

// acknowledged writes a line for `switchboard audit --acknowledged`.
func (t *chaosTraffic) acknowledged(m *chaosMessage) {
	if m.id == "" { // a form's, or a mail's without one
		return
	}
	a := store.Acknowledged{Source: m.source, ExternalID: m.id}
	if m.auto {
		a.State = desk.Dropped
	} else {
		a.Thread = fmt.Sprint("talk ", m.talk)
	}
	line, err := json.Marshal(a)
	if err != nil {
		t.c.fail("%v", err)
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	_, _ = t.file.Write(append(line, '\n'))
}

// settle waits until every sender has heard yes.
func (t *chaosTraffic) settle(ctx context.Context) error {
	done := make(chan struct{})
	go func() { t.wg.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		left := map[string]int{}
		for _, m := range t.messages() {
			if m.acked.Load() == 0 {
				left[m.door]++
			}
		}
		return fmt.Errorf("messages nobody said yes to: %v", left)
	}
}

func (t *chaosTraffic) messages() []*chaosMessage {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]*chaosMessage(nil), t.all...)
}

// chaosComment is what an agent wrote on a ticket.
type chaosComment struct {
	token  string
	ticket string
	source string // of the ticket
	public bool
	acked  atomic.Bool
	tries  atomic.Int64
}

// agents comment on tickets that are there until ctx is done: every tenth
// comment is a note that must not leave.
func (t *chaosTraffic) agents(ctx context.Context, every time.Duration) {
	random := rand.New(rand.NewPCG(t.c.plan.seed, 2))
	type place struct{ id, source string }
	var places []place
	read := time.Time{}
	for n := 0; chaosWait(ctx, every); n++ {
		if time.Since(read) > 2*time.Second {
			read = time.Now()
			asked, cancel := context.WithTimeout(ctx, 2*time.Second)
			rows, err := t.c.books.Query(asked, `SELECT id, source FROM tickets ORDER BY id DESC LIMIT 200`)
			if err == nil {
				places = places[:0]
				for rows.Next() {
					var p place
					if rows.Scan(&p.id, &p.source) == nil {
						places = append(places, p)
					}
				}
				rows.Close()
			}
			cancel()
		}
		if len(places) == 0 {
			continue
		}
		p := places[random.IntN(len(places))]
		k := &chaosComment{token: fmt.Sprintf("answer%dx%d", t.c.plan.seed, n), ticket: p.id, source: p.source, public: n%10 != 0}
		t.mu.Lock()
		t.comments = append(t.comments, k)
		t.mu.Unlock()
		t.wg.Go(func() {
			t.insist("comment", k.token, &k.tries, func(ctx context.Context) error {
				ctx, cancel := context.WithTimeout(ctx, 12*time.Second)
				defer cancel()
				return heard(t.c.exchangeJSON(ctx, http.MethodPost, "/v1/tickets/"+k.ticket+"/comments",
					map[string]string{"Authorization": "Bearer " + t.c.agent, "Idempotency-Key": k.token},
					map[string]any{"content": "We say " + k.token + " to it.", "isPublic": k.public}, nil))
			}, func() { k.acked.Store(true) })
		})
	}
}
