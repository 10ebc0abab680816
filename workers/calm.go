package workers

import (
	"context"
	"errors"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

// calm is a connection to Redis for one asynq server, whose looks are made again
// after a while when Redis refuses them: asynq makes them again at once. A Redis
// that is full, or cannot write to its disk, refuses each, and quickly.
type calm struct {
	asynq.RedisConnOpt
	done <-chan struct{}
}

// refusedLook is how long a look lasts that Redis refuses.
const refusedLook = 200 * time.Millisecond

// MakeRedisClient is part of [asynq.RedisConnOpt].
func (c *calm) MakeRedisClient() any {
	client := c.RedisConnOpt.MakeRedisClient()
	if u, ok := client.(redis.UniversalClient); ok {
		u.AddHook(&calmLook{calm: c})
	}
	return client
}

type calmLook struct{ *calm }

// ProcessHook is part of [redis.Hook].
func (c *calmLook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		if err == nil || errors.Is(err, redis.Nil) || redis.HasErrorPrefix(err, "NOSCRIPT") {
			return err
		}
		if _, look := isLook(cmd); !look {
			return err
		}
		timer := time.NewTimer(refusedLook)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-c.done:
		}
		return err
	}
}

// DialHook is part of [redis.Hook].
func (c *calmLook) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessPipelineHook is part of [redis.Hook].
func (c *calmLook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}
