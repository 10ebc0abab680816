package workers

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hibiken/asynq"

	"switchboard/pipeline/desk"
)

// The queue and the task types.
const (
	queueIntake = "intake"
	taskProcess = "intake:process"
)

// task is the payload of taskProcess: receipt IDs, when it was due, how many
// workers died with it in their hands, and whether it is the first the receipts
// are in, so that they are still as they were accepted.
type task struct {
	Receipts []desk.ReceiptID `json:"receipts"`
	Due      time.Time        `json:"due,omitzero"`
	Deaths   int              `json:"deaths,omitempty"`
	Fresh    bool             `json:"fresh,omitempty"`
	// Late says of suspects that they hung in the line, where others ended it.
	Late bool `json:"late,omitempty"`
}

// Dispatch groups receipt IDs into tasks and queues them. It never blocks and
// never refuses: when Redis is slow or dead the IDs are let go, for the ledger
// remembers and [Sweep] queues them later.
type Dispatch struct {
	client  *asynq.Client
	metrics *Metrics
	now     func() time.Time
	log     *slog.Logger
	set     Settings
	ids     map[Class]chan []desk.ReceiptID // each forms tasks of its own
	bell    *bell                           // rings for the workers of this process
	done    sync.WaitGroup
	mu      sync.RWMutex
	stopped bool
	out     chan outgoing
	silent  atomic.Bool // Redis did not answer last
}

// NewDispatch starts a dispatcher. Stop it to flush.
func NewDispatch(client *asynq.Client, metrics *Metrics, now func() time.Time, log *slog.Logger, set Settings) *Dispatch {
	d := &Dispatch{client: client, metrics: metrics, now: now, log: log, set: set, ids: map[Class]chan []desk.ReceiptID{}, bell: newBell(), out: make(chan outgoing, set.queue())}
	for _, class := range classes() {
		ids := make(chan []desk.ReceiptID, set.queue())
		d.ids[class] = ids
		d.done.Go(func() { d.run(class, ids) })
	}
	d.done.Go(d.runOut)
	return d
}

// Stop queues what it has and returns. Where Redis does not answer it lets go of it.
func (d *Dispatch) Stop() {
	d.mu.Lock()
	if !d.stopped {
		d.stopped = true
		for _, ids := range d.ids {
			close(ids)
		}
		close(d.out)
	}
	d.mu.Unlock()
	d.done.Wait()
}

// lost reports whether what is left need not be tried: the process is to end, and
// Redis does not answer.
func (d *Dispatch) lost() bool {
	if !d.silent.Load() {
		return false
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.stopped
}

// Queue hands receipts that were just accepted to the workers of a class.
func (d *Dispatch) Queue(class Class, ids ...desk.ReceiptID) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.stopped || len(ids) == 0 {
		return
	}
	select {
	case d.ids[class] <- ids:
	default:
		d.metrics.forgotten(len(ids))
	}
}

func (d *Dispatch) run(class Class, in <-chan []desk.ReceiptID) {
	for first := range in {
		wait := d.set.TaskWait
		if class == Bulk {
			wait = max(wait, d.set.BulkWait)
		}
		d.send(class, d.gather(in, first, wait))
	}
}

func (d *Dispatch) gather(in <-chan []desk.ReceiptID, ids []desk.ReceiptID, wait time.Duration) []desk.ReceiptID {
	ids = append([]desk.ReceiptID(nil), ids...)
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for len(ids) < d.set.TaskGroup {
		select {
		case more, ok := <-in:
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
func (d *Dispatch) send(class Class, ids []desk.ReceiptID) {
	for len(ids) > 0 {
		if d.lost() {
			d.metrics.forgotten(len(ids))
			return
		}
		n := min(len(ids), d.set.TaskGroup)
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		if err := d.enqueue(ctx, class, 0, task{Receipts: ids[:n], Fresh: true}); err != nil {
			d.metrics.forgotten(n)
			d.log.Warn("could not queue; the sweep will", "count", n, "error", err)
		}
		cancel()
		d.metrics.group(borderTask, n)
		ids = ids[n:]
	}
}

// Later queues receipts to be run after a while.
func (d *Dispatch) Later(ctx context.Context, class Class, wait time.Duration, ids []desk.ReceiptID) {
	if err := d.enqueue(ctx, class, wait, task{Receipts: ids}); err != nil {
		d.metrics.forgotten(len(ids))
		d.log.Warn("could not queue for later; the sweep will", "count", len(ids), "error", err)
	}
}

// timeout is when asynq gives up a task of a class: later than the task itself,
// which sees to what it leaves behind. Suspects first wait for their turn.
func (d *Dispatch) timeout(class Class) time.Duration {
	most := d.set.TaskTimeout + 3*recordFor
	if class == suspect {
		most += suspectGroups * d.set.TaskTimeout
	}
	return most
}

func (d *Dispatch) enqueue(ctx context.Context, class Class, wait time.Duration, t task) error {
	t.Due = d.now().Add(wait)
	payload, err := json.Marshal(t)
	if err != nil {
		return err
	}
	// The sweep reads from the ID when the task was queued, see [recall].
	opts := []asynq.Option{asynq.TaskID(taskID(t.Due)), asynq.Queue(class.queue()), asynq.MaxRetry(d.set.TaskRetries), asynq.Timeout(d.timeout(class))}
	if wait > 0 {
		opts = append(opts, asynq.ProcessIn(wait))
	}
	_, err = d.client.EnqueueContext(ctx, asynq.NewTask(taskProcess, payload), opts...)
	d.silent.Store(err != nil)
	if err == nil && wait <= 0 && (class == Normal || class == Urgent) {
		d.bell.ring()
	}
	return err
}
