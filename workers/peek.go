package workers

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"

	"github.com/redis/go-redis/v9"
)

// peek answers the looks of an asynq server into empty queues. asynq takes a task by
// a script, one for each of its queues in turn, until one has a task: most of these
// find nothing, and together they cost Redis more than all else it does. So once a
// round the lengths of all queues are asked for together, and only those that have
// tasks are looked into. A length is a hint: the script decides, and what another
// process queues meanwhile is found by the next round.
//
// It learns the queues from the looks themselves, and it lets all of them through
// when Redis does not tell. It is safe for concurrent use, though asynq looks with
// one goroutine.
type peek struct {
	ask    func(ctx context.Context, waiting []string) ([]int64, error) // how long these lists are
	queues int                                                          // that are looked into one after the other

	mu      sync.Mutex
	lengths map[string]int64 // by the key of the tasks that wait; what was asked or is left of it
	looked  int              // looks of this round so far
	spent   bool             // what was there is taken: nobody needs to ask
}

func newPeek(ask func(context.Context, []string) ([]int64, error), queues int) *peek {
	return &peek{ask: ask, queues: queues, lengths: make(map[string]int64, queues)}
}

// lengthsIn asks Redis for the lengths of lists, in one request where they are on one
// node.
func lengthsIn(client redis.UniversalClient) func(context.Context, []string) ([]int64, error) {
	return func(ctx context.Context, lists []string) ([]int64, error) {
		told, err := client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			for _, key := range lists {
				pipe.LLen(ctx, key)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		out := make([]int64, len(told))
		for i, cmd := range told {
			out[i] = cmd.(*redis.IntCmd).Val()
		}
		return out, nil
	}
}

// take looks into one queue, by its script if it may hold a task. last says that this
// look ended a round that found nothing.
func (p *peek) take(ctx context.Context, waiting string, script func() error) (last bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.looked == 0 {
		p.begin(ctx)
	}
	p.looked++
	err = redis.Nil
	if n, known := p.lengths[waiting]; !known || n != 0 {
		err = script()
	}
	switch {
	case err == nil:
		p.lengths[waiting]--
		p.spent = p.left() == 0
		p.looked = 0
	case !errors.Is(err, redis.Nil):
		p.looked = 0
	default:
		p.lengths[waiting] = 0
		if p.looked >= p.queues {
			p.looked, last = 0, true
		}
	}
	return last, err
}

// unknown is the length of a queue nobody told.
const unknown = -1 << 40

// begin begins a round: it asks for the lengths, if they are not known anyway.
func (p *peek) begin(ctx context.Context) {
	if p.spent || p.queues == 1 && p.left() > 0 {
		p.spent = false
		return
	}
	keys := slices.Collect(maps.Keys(p.lengths))
	for _, key := range keys {
		p.lengths[key] = unknown
	}
	if len(keys) < p.queues {
		return
	}
	told, err := p.ask(ctx, keys)
	if err != nil {
		return // so will the scripts
	}
	for i, key := range keys {
		p.lengths[key] = told[i]
	}
}

// left is how many tasks are known to wait; negative when that is not known.
func (p *peek) left() (sum int64) {
	for _, n := range p.lengths {
		if n < 0 {
			return unknown
		}
		sum += n
	}
	return sum
}
