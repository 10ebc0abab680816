package workers

import (
	"context"
	"encoding/json"
	"time"

	"github.com/hibiken/asynq"

	"switchboard/pipeline/desk"
)

// The queue and the task type of the way back.
const (
	queueDeliver = "deliver"
	taskDeliver  = "deliver"
)

// outgoing is the payload of taskDeliver: message IDs and nothing else.
type outgoing struct {
	Messages []desk.MessageID `json:"messages"`

	wait time.Duration
}

// Deliver hands messages to be sent to the workers. It never blocks and never
// refuses: what is let go is found by the sweep of [Delivery].
func (d *Dispatch) Deliver(ids ...desk.MessageID) {
	for _, id := range ids {
		d.messageLater(id, 0)
	}
}

// messageLater hands a message over to be sent after a while.
func (d *Dispatch) messageLater(id desk.MessageID, wait time.Duration) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.stopped {
		return
	}
	select {
	case d.out <- outgoing{Messages: []desk.MessageID{id}, wait: wait}:
	default:
		d.metrics.forgotten(1)
	}
}

func (d *Dispatch) runOut() {
	for o := range d.out {
		if d.lost() {
			d.metrics.forgotten(len(o.Messages))
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		for _, id := range o.Messages {
			if err := d.enqueueMessage(ctx, id, o.wait); err != nil {
				d.metrics.forgotten(1)
				d.log.Warn("could not queue an answer; the sweep will", "message", id, "error", err)
			}
		}
		cancel()
	}
}

// enqueueMessage queues one message: each has a task of its own, for a try may
// take long.
func (d *Dispatch) enqueueMessage(ctx context.Context, id desk.MessageID, wait time.Duration) error {
	payload, err := json.Marshal(outgoing{Messages: []desk.MessageID{id}})
	if err != nil {
		return err
	}
	due := d.now().Add(wait)
	if wait > 0 {
		due = due.Add(time.Second)
	}
	opts := []asynq.Option{asynq.TaskID(taskID(due)), asynq.Queue(queueDeliver), asynq.MaxRetry(d.set.TaskRetries), asynq.Timeout(d.set.AnswerTimeout)}
	if wait > 0 {
		// asynq keeps the second and drops the rest: a task that came early would
		// find that its message is not due.
		opts = append(opts, asynq.ProcessIn(wait+time.Second))
	}
	_, err = d.client.EnqueueContext(ctx, asynq.NewTask(taskDeliver, payload), opts...)
	d.silent.Store(err != nil)
	return err
}
