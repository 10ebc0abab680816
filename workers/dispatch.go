package workers

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"time"

	"github.com/hibiken/asynq"

	"switchboard/pipeline/desk"
)

// The queue and the task types.
const (
	queueIntake = "intake"
	taskProcess = "intake:process"
)

// task is the payload of taskProcess: receipt IDs, and when it was due.
type task struct {
	Receipts []desk.ReceiptID `json:"receipts"`
	Due      time.Time        `json:"due,omitzero"`
}

// Dispatch groups receipt IDs into tasks and queues them. It never blocks and
// never refuses: when Redis is slow or dead the IDs are let go, for the ledger
// remembers and [Sweep] queues them later.
type Dispatch struct {
	client  *asynq.Client
	metrics *Metrics
	log     *slog.Logger
	set     Settings
	ids     chan []desk.ReceiptID
	done    sync.WaitGroup
	mu      sync.RWMutex
	stopped bool
	out     chan outgoing
}

// NewDispatch starts a dispatcher. Stop it to flush.
func NewDispatch(client *asynq.Client, metrics *Metrics, log *slog.Logger, set Settings) *Dispatch {
	d := &Dispatch{client: client, metrics: metrics, log: log, set: set, ids: make(chan []desk.ReceiptID, set.Pending), out: make(chan outgoing, set.Pending)}
	d.done.Go(d.run)
	d.done.Go(d.runOut)
	return d
}

// Stop queues what it has and returns.
func (d *Dispatch) Stop() {
	d.mu.Lock()
	if !d.stopped {
		d.stopped = true
		close(d.ids)
		close(d.out)
	}
	d.mu.Unlock()
	d.done.Wait()
}

// Queue hands receipts to the workers.
func (d *Dispatch) Queue(ids ...desk.ReceiptID) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.stopped || len(ids) == 0 {
		return
	}
	select {
	case d.ids <- ids:
	default:
		d.metrics.forgotten(len(ids))
	}
}

func (d *Dispatch) run() {
	for first := range d.ids {
		d.send(d.gather(first))
	}
}

func (d *Dispatch) gather(ids []desk.ReceiptID) []desk.ReceiptID {
	ids = append([]desk.ReceiptID(nil), ids...)
	timer := time.NewTimer(d.set.TaskWait)
	defer timer.Stop()
	for len(ids) < d.set.TaskGroup {
		select {
		case more, ok := <-d.ids:
			if !ok {
				return ids
			}
			ids = append(ids, more...)
		case <-timer.C:
			return ids
		}
	}
	return ids
}

// send queues IDs in tasks of at most the group size.
func (d *Dispatch) send(ids []desk.ReceiptID) {
	for len(ids) > 0 {
		n := min(len(ids), d.set.TaskGroup)
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		if err := d.enqueue(ctx, 0, ids[:n]); err != nil {
			d.metrics.forgotten(n)
			d.log.Warn("could not queue; the sweep will", "count", n, "error", err)
		}
		cancel()
		d.metrics.group(borderTask, n)
		ids = ids[n:]
	}
}

// Later queues receipts to be run after a while.
func (d *Dispatch) Later(ctx context.Context, wait time.Duration, ids []desk.ReceiptID) {
	if err := d.enqueue(ctx, wait, ids); err != nil {
		d.metrics.forgotten(len(ids))
		d.log.Warn("could not queue for later; the sweep will", "count", len(ids), "error", err)
	}
}

func (d *Dispatch) enqueue(ctx context.Context, wait time.Duration, ids []desk.ReceiptID) error {
	payload, err := json.Marshal(task{ids, time.Now().Add(wait)})
	if err != nil {
		return err
	}
	opts := []asynq.Option{asynq.Queue(queueIntake), asynq.MaxRetry(10), asynq.Timeout(2 * time.Minute)}
	if wait > 0 {
		opts = append(opts, asynq.ProcessIn(wait))
	}
	_, err = d.client.EnqueueContext(ctx, asynq.NewTask(taskProcess, payload), opts...)
	return err
}
