package workers

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"switchboard/pipeline/desk"
)

// recall tells how far back a queue remembers. asynq takes tasks up in the order in
// which they were queued: what was queued before the oldest task that waits or is
// in hand, and is not settled, is in none of its tasks. The queue forgot it. What
// was queued later is in it, or was lost and its turn has not come yet: it is found
// when its turn has. The ID of a task says when it was queued, so a look costs one
// transaction in Redis and reads no task, however long the queue is. A Redis that takes
// no writes remembers nothing: it is an error.
//
// It errs towards remembering, never for ever: a task stays in hand, and others
// wait for another try, for as long as patience at most before they are passed
// over. What is queued twice by mistake is queued anew, and so not found again
// before the queue has come to that. It belongs to the one goroutine that sweeps.
type recall struct {
	client   redis.UniversalClient
	patience time.Duration

	held  map[string]map[string]time.Time // by queue: tasks in hand, and when each was first seen there
	retry map[string]spell                // by queue
}

// spell is a time through which a queue had tasks that wait for another try, again
// and again.
type spell struct{ began, last time.Time }

func newRecall(client redis.UniversalClient, patience time.Duration) *recall {
	return &recall{client: client, patience: patience, held: map[string]map[string]time.Time{}, retry: map[string]spell{}}
}

// since is [recall.of] the queue of a class.
func (r *recall) since(ctx context.Context, class Class, now time.Time) (time.Time, error) {
	return r.of(ctx, class.queue(), now)
}

// of is the instant from which on a queue remembers what was queued; zero: all of
// it, now: nothing.
func (r *recall) of(ctx context.Context, queue string, now time.Time) (time.Time, error) {
	prefix := "asynq:{" + queue + "}:"
	var last *redis.StringCmd
	var active *redis.StringSliceCmd
	var retry *redis.IntCmd
	var writes *redis.StatusCmd
	// In one piece: a task must not go from one list to the other meanwhile. A Redis
	// that cannot write to its disk, or is no master any more, answers what is read and
	// hands no task out, so it is asked whether it writes.
	_, err := r.client.TxPipelined(ctx, func(p redis.Pipeliner) error {
		writes = p.Set(ctx, looked(queue), 1, lookedFor)
		last = p.LIndex(ctx, prefix+"pending", -1)
		active = p.LRange(ctx, prefix+"active", 0, -1)
		retry = p.ZCard(ctx, prefix+"retry")
		return nil
	})
	if errors.Is(err, redis.Nil) {
		err = errors.Join(writes.Err(), active.Err(), retry.Err()) // nothing is pending
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("workers: what %s remembers: %w", queue, err)
	}
	if r.retrying(queue, retry.Val() > 0, now) {
		return time.Time{}, nil
	}
	since := now
	if id := last.Val(); id != "" {
		at, ours := queuedAt(id)
		if !ours {
			if at, err = r.pendingSince(ctx, prefix, id); err != nil {
				return time.Time{}, err
			}
		}
		since = earlier(since, at)
	}
	return r.inHand(ctx, queue, active.Val(), since, now)
}

// retrying reports whether what waits for another try may still explain what is
// not settled: asynq keeps it by when it is due, not by when it was queued. After
// an outage of the database that is a whole backlog, for half a minute.
func (r *recall) retrying(queue string, some bool, now time.Time) bool {
	s := r.retry[queue]
	if some {
		if s.last.IsZero() || now.Sub(s.last) > r.patience {
			s.began = now
		}
		s.last = now
		r.retry[queue] = s
	}
	return some && now.Sub(s.began) < r.patience
}

// inHand is the instant when the oldest task was queued that somebody works on, or
// since when that is earlier. Those of dead workers were handed on, see [hands].
func (r *recall) inHand(ctx context.Context, queue string, active []string, since, now time.Time) (time.Time, error) {
	before := r.held[queue]
	seen := make(map[string]time.Time, len(active))
	r.held[queue] = seen
	var old []string
	for _, id := range active {
		first, known := before[id]
		if !known {
			first = now
		}
		seen[id] = first
		if at, ours := queuedAt(id); ours && at.Before(since) && now.Sub(first) < r.patience {
			old = append(old, id)
		}
	}
	if len(old) == 0 {
		return since, nil
	}
	keys := make([]string, len(old))
	for i, id := range old {
		keys[i] = handsPrefix + "orphan:" + id
	}
	orphans, err := r.client.MGet(ctx, keys...).Result()
	if err != nil {
		return time.Time{}, fmt.Errorf("workers: what dead workers held: %w", err)
	}
	for i, id := range old {
		if orphans[i] == nil {
			at, _ := queuedAt(id)
			since = earlier(since, at)
		}
	}
	return since, nil
}

// pendingSince is when a task was queued whose ID does not tell: one of a version
// before this. One that was taken up meanwhile is as old as can be.
func (r *recall) pendingSince(ctx context.Context, prefix, id string) (time.Time, error) {
	text, err := r.client.HGet(ctx, prefix+"t:"+id, "pending_since").Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return time.Time{}, fmt.Errorf("workers: since when a task waits: %w", err)
	}
	ns, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, nil
	}
	return time.Unix(0, ns), nil
}

// taskID is a new ID for a task that is due at an instant, queuedAt that instant,
// and false for an ID that was made elsewhere.
func taskID(due time.Time) string { return desk.NewID[string](due) }

func queuedAt(id string) (time.Time, bool) { return desk.IDTime(id) }

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
