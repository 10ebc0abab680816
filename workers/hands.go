package workers

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

// hands finds out what a dead worker held. Every worker shows, several times a
// second, which tasks it has in hand; asynq keeps a list of all tasks that
// anybody took up. What is on that list and in nobody's hands was a dead
// worker's: asynq itself would wait for its lease to end and then up to a minute
// more. Nothing is written for a task that runs as it should.
//
// It may be wrong: a worker that is paused, or cut off from Redis, counts as dead.
// Its tasks are then run twice, which changes nothing. What it was sending, which
// the books know, must not go out twice: that is taken from it only after one that
// looks saw it gone for a while, and a worker that cannot show itself has its
// answers in the books as nobody's that could be seen dead.
//
// One worker of the fleet looks at a time. All of it lives in Redis: when Redis is
// flushed or dead, the sweep finds the receipts, only later.
type hands struct {
	id        string
	queues    []any // names, as go-redis takes them
	client    redis.UniversalClient
	inspector *asynq.Inspector
	recover   func(ctx context.Context, t task, begun bool) error
	log       *slog.Logger

	// Of the way back; nil: this worker carries none.
	carry  func(ctx context.Context, o outgoing) error    // again what a dead worker's task was to send
	bury   func(ctx context.Context, worker string) error // take from it what it was sending
	unseen func(ctx context.Context, worker string) error // this one lives, though nobody sees it

	mu    sync.Mutex
	tasks map[string]bool
	shown time.Time // when it was last shown
	known bool      // something may be in the books under its name

	// Of the one goroutine that looks.
	lost   map[string]time.Time // since when a task was seen in nobody's hands
	gone   map[string]time.Time // since when a worker was seen dead
	buried map[string]bool      // what they were sending was taken from them
}

const (
	handsEvery = 300 * time.Millisecond  // how often hands are shown and looked at
	handsGone  = 1200 * time.Millisecond // who shows none for so long is dead
	// handsGrace is how long a task may be in nobody's hands: between being
	// taken up and being shown.
	handsGrace = 900 * time.Millisecond
	// handsSure is how long one and the same worker must see another dead before
	// it takes from it what it was sending. With handsGone it is more than a worker
	// needs to find out that it cannot be seen.
	handsSure = 1500 * time.Millisecond
	handsKeep = 15 * time.Minute // how long it is known that a task was handed on

	handsPrefix = "switchboard:{hands}:" // in a cluster all on one node
)

// allQueues is where asynq keeps the names of the queues. A client of asynq adds
// a name once in its life, before its first task; after Redis was flushed, asynq
// does not know the queues it goes on working through, and nobody could look into
// them. So every worker says them again, together with its hands.
const allQueues = "asynq:queues"

func newHands(opt asynq.RedisConnOpt, recover func(context.Context, task, bool) error, log *slog.Logger) (*hands, error) {
	client, ok := opt.MakeRedisClient().(redis.UniversalClient)
	if !ok {
		return nil, fmt.Errorf("no Redis client from %T", opt)
	}
	queues := []any{queueDeliver}
	for _, class := range classes() {
		queues = append(queues, class.queue())
	}
	return &hands{id: rand.Text(), queues: queues, client: client, inspector: asynq.NewInspectorFromRedisClient(client), recover: recover, log: log,
		tasks: map[string]bool{}, lost: map[string]time.Time{}, gone: map[string]time.Time{}, buried: map[string]bool{}}, nil
}

func (h *hands) close() { h.client.Close() }

// took notes a task that is in hand until the returned function is called.
func (h *hands) took(id string) (done func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tasks[id] = true
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.tasks, id)
	}
}

// has reports whether a task is in this worker's hands.
func (h *hands) has(id string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.tasks[id]
}

// begun keeps, for a task of suspects, that it was begun.
func (h *hands) begun(ctx context.Context, id string) {
	if err := h.client.Set(ctx, handsPrefix+"begun:"+id, 1, handsKeep).Err(); err != nil {
		h.log.Warn("could not keep that a task of suspects was begun", "task", id, "error", err)
	}
}

// handedOn reports whether a task was given to another worker.
func (h *hands) handedOn(ctx context.Context, id string) bool {
	n, err := h.client.Exists(ctx, handsPrefix+"orphan:"+id).Result()
	return err == nil && n > 0
}

// run shows this worker's hands, and looks at everybody's, until ctx is done. A look
// may take long when there is much to hand on; nobody must take this worker for
// dead meanwhile.
func (h *hands) run(ctx context.Context) {
	var looking sync.WaitGroup
	looking.Go(func() {
		h.often(ctx, "cannot see what workers have in hand", func() error {
			call, cancel := context.WithTimeout(ctx, 5*time.Second)
			defer cancel()
			return h.look(call, time.Now())
		})
	})
	h.often(ctx, "cannot show what this worker has in hand", func() error { return h.round(ctx) })
	looking.Wait()
	call, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	h.client.Del(call, handsPrefix+"of:"+h.id, handsPrefix+"alive:"+h.id)
}

// often does something again and again until ctx is done, and says once when it
// begins to fail.
func (h *hands) often(ctx context.Context, trouble string, do func() error) {
	ticker := time.NewTicker(handsEvery)
	defer ticker.Stop()
	failing := false
	for {
		err := do()
		if err != nil && ctx.Err() == nil && !failing {
			h.log.Warn(trouble, "error", err)
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// round shows once; a worker that cannot says so in the books.
func (h *hands) round(ctx context.Context) error {
	call, cancel := context.WithTimeout(ctx, handsGone)
	err := h.show(call)
	cancel()
	if err != nil {
		call, cancel = context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		h.hidden(call)
	}
	return err
}

func (h *hands) show(ctx context.Context) error {
	h.mu.Lock()
	list := make([]string, 0, len(h.tasks))
	for id := range h.tasks {
		list = append(list, id)
	}
	h.mu.Unlock()
	b, err := json.Marshal(list)
	if err != nil {
		return err
	}
	now := time.Now()
	_, err = h.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.Set(ctx, handsPrefix+"of:"+h.id, b, handsKeep)
		p.Set(ctx, handsPrefix+"alive:"+h.id, 1, handsGone)
		p.SAdd(ctx, handsPrefix+"workers", h.id)
		p.SAdd(ctx, allQueues, h.queues...)
		return nil
	})
	if err == nil {
		h.mu.Lock()
		h.shown = now
		h.mu.Unlock()
	}
	return err
}

// elected reports whether this worker is the one that looks.
func (h *hands) elected(ctx context.Context) (bool, error) {
	key := handsPrefix + "looks"
	won, err := h.client.SetNX(ctx, key, h.id, handsGone).Result()
	if err != nil || won {
		return won, err
	}
	who, err := h.client.Get(ctx, key).Result()
	if errors.Is(err, redis.Nil) || err == nil && who != h.id {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, h.client.PExpire(ctx, key, handsGone).Err()
}

// look finds tasks in nobody's hands and has them queued again.
func (h *hands) look(ctx context.Context, now time.Time) error {
	if mine, err := h.elected(ctx); err != nil || !mine {
		clear(h.lost)
		clear(h.gone)
		clear(h.buried) // who was only paused may come back unseen
		return err
	}
	active, err := h.active()
	if err != nil {
		clear(h.gone)
		clear(h.buried)
		return err
	}
	held, left, dead, err := h.everybody(ctx)
	if err != nil {
		clear(h.gone)
		clear(h.buried)
		return err
	}
	if err := h.mourn(ctx, dead, now); err != nil {
		return err
	}
	lost := map[string]time.Time{}
	for id, info := range active {
		if held[id] || h.has(id) { // its own may not be shown yet, on a machine that is slow
			continue
		}
		since, seen := h.lost[id]
		if !seen {
			since = now
		}
		lost[id] = since
		if left[id] || now.Sub(since) >= handsGrace {
			if err := h.handOn(ctx, info); err != nil {
				return err
			}
		}
	}
	h.lost = lost
	return nil
}

// active are the tasks somebody took up, by ID.
func (h *hands) active() (map[string]*asynq.TaskInfo, error) {
	const page = 500
	out := map[string]*asynq.TaskInfo{}
	for _, queue := range h.queues {
		for n := 1; ; n++ {
			list, err := h.inspector.ListActiveTasks(queue.(string), asynq.PageSize(page), asynq.Page(n))
			if errors.Is(err, asynq.ErrQueueNotFound) {
				break
			}
			if err != nil {
				return nil, err
			}
			for _, t := range list {
				out[t.ID] = t
			}
			if len(list) < page {
				break
			}
		}
	}
	return out, nil
}

// everybody tells which tasks the living have in hand, and which the dead had when
// they last showed them, and who those are.
func (h *hands) everybody(ctx context.Context) (held, left map[string]bool, dead []string, err error) {
	workers, err := h.client.SMembers(ctx, handsPrefix+"workers").Result()
	if err != nil || len(workers) == 0 {
		return nil, nil, nil, err
	}
	keys := make([]string, 0, 2*len(workers))
	for _, w := range workers {
		keys = append(keys, handsPrefix+"of:"+w, handsPrefix+"alive:"+w)
	}
	shown, err := h.client.MGet(ctx, keys...).Result()
	if err != nil {
		return nil, nil, nil, err
	}
	held, left = map[string]bool{}, map[string]bool{}
	for i, w := range workers {
		text, ok := shown[2*i].(string)
		if !ok { // dead for long, or ended in good order
			h.client.SRem(ctx, handsPrefix+"workers", w)
			continue
		}
		var list []string
		if err := json.Unmarshal([]byte(text), &list); err != nil {
			return nil, nil, nil, fmt.Errorf("what worker %s shows: %w", w, err)
		}
		into := held
		if shown[2*i+1] == nil && w != h.id { // who slept may look before it has shown itself again
			into, dead = left, append(dead, w)
		}
		for _, id := range list {
			into[id] = true
		}
	}
	return held, left, dead, nil
}

// handOn queues a dead worker's task again, once.
func (h *hands) handOn(ctx context.Context, info *asynq.TaskInfo) error {
	first, err := h.client.SetNX(ctx, handsPrefix+"orphan:"+info.ID, h.id, handsKeep).Result()
	if err != nil || !first {
		return err
	}
	err = h.again(ctx, info)
	if err != nil { // so that the next look tries again
		h.client.Del(ctx, handsPrefix+"orphan:"+info.ID)
	}
	return err
}

func (h *hands) again(ctx context.Context, info *asynq.TaskInfo) error {
	if info.Queue == queueDeliver {
		var o outgoing
		if err := json.Unmarshal(info.Payload, &o); err != nil || h.carry == nil {
			return nil // the sweep finds what it was about
		}
		return h.carry(ctx, o)
	}
	var t task
	if err := json.Unmarshal(info.Payload, &t); err != nil {
		return nil // asynq will find that nobody can read it
	}
	begun, err := h.client.Exists(ctx, handsPrefix+"begun:"+info.ID).Result()
	if err != nil {
		return err
	}
	return h.recover(ctx, t, begun > 0)
}
