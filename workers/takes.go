package workers

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// looked is a key of a queue, of the same node of a cluster, that is written only to see
// whether Redis takes what is written. It expires within lookedFor.
func looked(queue string) string { return "switchboard:{" + queue + "}:looked" }

const lookedFor = time.Minute

// Takes asks whether Redis takes what is written for the queues. One that is full, cannot
// write to its disk or is no master answers what is read, and not even a PING always
// tells; what it allows depends on a dozen of its settings. So it is asked to write a key
// of a few bytes that is there already most of the time: a Redis that must not be written
// to refuses that before it costs anything.
func Takes(ctx context.Context, client redis.UniversalClient) error {
	queues := []string{queueIntake}
	if _, many := client.(*redis.ClusterClient); many {
		queues = []string{queueDeliver}
		for _, class := range classes() {
			queues = append(queues, class.queue())
		}
	}
	_, err := client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, queue := range queues {
			p.Set(ctx, looked(queue), 1, lookedFor)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("workers: Redis takes nothing: %w", err)
	}
	return nil
}
