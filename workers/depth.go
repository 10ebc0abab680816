package workers

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// Depth is how much lies in one queue.
type Depth struct {
	Queue string
	// Tasks counts them by state: pending, active, scheduled, retry, archived,
	// completed.
	Tasks map[string]int64
	// Oldest is since when the longest waiting of the pending tasks waits; zero
	// when none does.
	Oldest time.Time
}

// depthStates are the states of a task and how asynq keeps the tasks that are in
// them: in a list or in a sorted set.
var depthStates = []struct {
	name string
	list bool
}{{"pending", true}, {"active", true}, {"scheduled", false}, {"retry", false}, {"archived", false}, {"completed", false}}

// Depths counts the tasks of every queue, sorted by name. It reads the lengths
// under asynq's own keys: asynq's Inspector also weighs a sample of the tasks
// each time (MEMORY USAGE), which is too dear for something asked every second
// and unknown to the Redis inside this process.
func Depths(ctx context.Context, client redis.UniversalClient) ([]Depth, error) {
	names, err := client.SMembers(ctx, allQueues).Result()
	if err != nil {
		return nil, fmt.Errorf("workers: depths: %w", err)
	}
	slices.Sort(names)
	out := make([]Depth, 0, len(names))
	for _, name := range names {
		d, err := depth(ctx, client, name)
		if err != nil {
			return nil, fmt.Errorf("workers: depth of %s: %w", name, err)
		}
		out = append(out, d)
	}
	return out, nil
}

func depth(ctx context.Context, client redis.UniversalClient, name string) (Depth, error) {
	prefix := "asynq:{" + name + "}:"
	d := Depth{Queue: name, Tasks: make(map[string]int64, len(depthStates))}
	counts := make([]*redis.IntCmd, len(depthStates))
	var last *redis.StringCmd
	_, err := client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, s := range depthStates {
			if s.list {
				counts[i] = p.LLen(ctx, prefix+s.name)
			} else {
				counts[i] = p.ZCard(ctx, prefix+s.name)
			}
		}
		last = p.LIndex(ctx, prefix+"pending", -1)
		return nil
	})
	if err != nil && err != redis.Nil {
		return d, err
	}
	for i, s := range depthStates {
		d.Tasks[s.name] = counts[i].Val()
	}
	if id := last.Val(); id != "" {
		since, err := client.HGet(ctx, prefix+"t:"+id, "pending_since").Result()
		if err != nil && err != redis.Nil {
			return d, err
		}
		if ns, err := strconv.ParseInt(since, 10, 64); err == nil {
			d.Oldest = time.Unix(0, ns)
		} // else it was taken up meanwhile
	}
	return d, nil
}
