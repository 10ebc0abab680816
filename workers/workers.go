// Package workers moves accepted messages from the ledger through the line into
// the books, and answers from the books to the customer: the intake, the
// delivery, the queue's handlers and the sweeps.
//
// What goes in: [desk.Draft]s by [Intake.Submit], receipt and message IDs by
// asynq. What comes out: [desk.Filing]s saved by the store, and [desk.Reply]s
// handed to a [Sender].
//
// What it promises: Submit returns only when the draft is in the ledger, and
// what is in the ledger ends as an entry on a ticket or as a row that says why
// not, whatever crashes in between, and never as two. The ledger is the truth
// and Redis only dispatches: a task carries receipt IDs, running one twice
// changes nothing, and what Redis forgot is queued again by [Sweep]. Ledger
// groups, task groups, readings and filing groups are formed apart from each other; one
// bad message never fails its group. Messages of one conversation are filed in
// the order they were accepted. Everything is safe for concurrent use.
//
// What it may not know: which database, which channel, HTTP.
//
// To add a background job: one file with a type that has Name, Every and
// Once(ctx, now), and one line in server.go.
package workers

import (
	"context"
	"time"

	"switchboard/pipeline"
	"switchboard/pipeline/desk"
)

// Books is what the workers need from the store, apart from what the line looks
// up.
type Books interface {
	LedgerBooks
	File(ctx context.Context, filings []*desk.Filing) ([]desk.FilingResult, error)
	Trouble(ctx context.Context, id desk.ReceiptID, most int, reason string, now time.Time) (desk.State, error)
	Fail(ctx context.Context, id desk.ReceiptID, reason string, now time.Time) error
	// Claim keeps the sweep from queueing receipts for a while after an instant:
	// somebody has them.
	Claim(ctx context.Context, ids []desk.ReceiptID, at time.Time) error
}

// LedgerBooks is what the workers write into the ledger and read from it.
type LedgerBooks interface {
	Accept(ctx context.Context, cursor *desk.Cursor, receipts []desk.Receipt) ([]desk.ReceiptID, error)
	Receipts(ctx context.Context, ids []desk.ReceiptID) ([]desk.Receipt, error)
	// Unsettled is Receipts of those that are accepted and not settled.
	Unsettled(ctx context.Context, ids []desk.ReceiptID) ([]desk.Receipt, error)
	// Recorded is what Receipts gives back for a receipt that Accept just wrote,
	// without a look into the books; false: only they know.
	Recorded(r *desk.Receipt) (desk.Receipt, bool)
}

// Viewer opens the line's books for a group of drafts.
type Viewer func(ctx context.Context, drafts []*desk.Draft) (pipeline.Books, error)

// Settings are the named limits and group sizes of the intake. The zero value
// is not useful; see [DefaultSettings].
type Settings struct {
	LedgerGroup int           // most rows in one ledger transaction
	LedgerWait  time.Duration // how long a ledger group waits to fill
	TaskGroup   int           // most receipts in one task
	TaskWait    time.Duration
	ReadGroup   int // receipts of waiting tasks that are read together; a task is never split
	ReadWait    time.Duration
	ReadLanes   int // readings at the same time, the second half of them while a whole group waits; half as many of the bulk queue
	// ReadPatience is how long a reading holds its lane: one that takes longer
	// keeps nobody else waiting. 0: as long as it takes.
	ReadPatience time.Duration
	FileGroup    int // filings that make a transaction full
	FileWait     time.Duration
	FileLanes    int           // filing transactions at the same time
	Pending      int           // most messages in this process's hands; above it doors answer "busy"
	Queue        int           // room of each queue inside this process, made at once; 0: Pending
	Concurrency  int           // tasks handled at the same time
	CheckEvery   time.Duration // how often an idle worker looks for tasks
	Attempts     int           // tries before a message is marked failed
	TaskTimeout  time.Duration // how long a task may take; what it hangs on then counts as tried
	TaskRetries  int           // how often the queue tries a task again; then the sweep does
	// AnswerTimeout is how long a task that sends answers may take.
	AnswerTimeout time.Duration
	SweepEvery    time.Duration
	SweepAfter    time.Duration // what was accepted so long before all that the queue remembers is queued again
	SweepAgain    time.Duration // what is in hand, or waits for another try, is believed to be worked on for so long
	DrainFor      time.Duration // how long SIGTERM waits for running tasks

	PendingPerSource int           // of Pending, most of one source; 0: no such limit
	PendingBytes     int64         // most bytes of requests and messages in this process's hands; 0: no such limit
	BulkAfter        int           // a source with so many messages waiting goes to the bulk queue; 0: never
	BulkConcurrency  int           // tasks of the bulk queue handled at the same time
	BulkWait         time.Duration // how long one of them, and a reading of them, waits to fill: there is more than enough
	UrgentWeight     int           // urgent tasks taken up for each normal one, when both wait
	ShedAfter        time.Duration // a source that is behind for longer is refused at its door; 0, or without BulkAfter: never

	// PendingBytesPerSource is how many bytes of one source's requests may be among
	// PendingBytes, and how many of its messages; at most half of them. 0: that half.
	PendingBytesPerSource int64

	// ShelfBytes is how much of what this process accepted is kept for its own
	// workers, so that they need not read it back; 0: nothing.
	ShelfBytes int64

	// ParentWait is how long a reply waits for the message it answers, TurnWait how
	// long a message for those before it in its conversation, since this process
	// first looked at it.
	ParentWait, TurnWait time.Duration
}

// queue is the room of each queue inside this process.
func (s *Settings) queue() int {
	if s.Queue > 0 {
		return min(s.Queue, s.Pending)
	}
	return s.Pending
}

// DefaultSettings returns the sizes that won on the reference machine.
func DefaultSettings() Settings {
	return Settings{
		LedgerGroup: 128, LedgerWait: time.Millisecond,
		TaskGroup: 256, TaskWait: 15 * time.Millisecond,
		ReadGroup: 256, ReadWait: 0, ReadLanes: 4, ReadPatience: 500 * time.Millisecond,
		FileGroup: 256, FileWait: 0, FileLanes: 2,
		Pending: 20000, Concurrency: 32, CheckEvery: 10 * time.Millisecond, Attempts: 5,
		TaskTimeout: 2 * time.Minute, TaskRetries: 10, AnswerTimeout: 4 * time.Minute,
		SweepEvery: time.Second, SweepAfter: 3 * time.Second, SweepAgain: time.Minute,
		DrainFor:         20 * time.Second,
		PendingPerSource: 10000, PendingBytes: 256 << 20, PendingBytesPerSource: 64 << 20, BulkAfter: 1000, BulkConcurrency: 8, BulkWait: 30 * time.Millisecond, UrgentWeight: 4,
		ShelfBytes: 64 << 20,
		ParentWait: pipeline.DefaultPatience().Parent, TurnWait: pipeline.DefaultPatience().Turn,
	}
}
