package workers

import (
	"context"
	"strings"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

// bell tells the workers of a process that a task of its own was just queued. asynq
// sleeps between its looks into empty queues, and a task waits for the next one.
// With a bell a look that finds nothing lasts until the next is due, or until it
// rings. Tasks that other processes queued are found as before. It is safe for
// concurrent use; a nil *bell never rings.
type bell struct{ rung chan struct{} }

func newBell() *bell { return &bell{rung: make(chan struct{}, 1)} }

func (b *bell) ring() {
	if b == nil {
		return
	}
	select {
	case b.rung <- struct{}{}:
	default: // it is ringing
	}
}

// bellSleep is what asynq sleeps besides.
const bellSleep = time.Millisecond

// listening is a connection to Redis for one asynq server, which asks for the lengths
// of its queues before it looks into them, and whose looks wait for the bell.
type listening struct {
	asynq.RedisConnOpt
	bell   *bell         // nil: asynq sleeps by itself
	queues int           // that are looked into one after the other
	every  time.Duration // between looks when it does not ring
	done   <-chan struct{}
}

// MakeRedisClient is part of [asynq.RedisConnOpt].
func (l *listening) MakeRedisClient() any {
	client := l.RedisConnOpt.MakeRedisClient()
	if c, ok := client.(redis.UniversalClient); ok {
		c.AddHook(&patientLook{l, newPeek(lengthsIn(c), l.queues)})
	}
	return client
}

// patientLook holds back the answer of the last look of a round that found
// nothing.
type patientLook struct {
	*listening
	peek *peek
}

// ProcessHook is part of [redis.Hook].
func (p *patientLook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		queue, look := isLook(cmd)
		if !look {
			return next(ctx, cmd)
		}
		last, err := p.peek.take(ctx, queue, func() error { return next(ctx, cmd) })
		cmd.SetErr(err)
		if !last || p.bell == nil {
			return err
		}
		timer := time.NewTimer(p.every)
		defer timer.Stop()
		select {
		case <-p.bell.rung:
		case <-timer.C:
		case <-p.done:
		}
		return err
	}
}

// isLook reports whether a command is asynq's script that takes a task out of a
// queue, and the key of the tasks that wait there: its keys are that and whether the
// queue is paused.
func isLook(cmd redis.Cmder) (waiting string, ok bool) {
	args := cmd.Args()
	if len(args) < 5 {
		return "", false
	}
	name, _ := args[0].(string)
	waiting, _ = args[3].(string)
	paused, _ := args[4].(string)
	return waiting, strings.HasPrefix(name, "eval") && strings.HasSuffix(waiting, ":pending") && strings.HasSuffix(paused, ":paused")
}

// DialHook is part of [redis.Hook].
func (p *patientLook) DialHook(next redis.DialHook) redis.DialHook {
	return next
}

// ProcessPipelineHook is part of [redis.Hook].
func (p *patientLook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}
