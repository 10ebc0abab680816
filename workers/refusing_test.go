package workers

import (
	"testing"

	"switchboard/pipeline/desk"
)

// A Redis that is full, cannot write to its disk or has lost its role is read as
// ever, and hands no task out: what lies in it is filed without it.
func TestAQueueThatTakesNoWritesHoldsNothingBack(t *testing.T) {
	onQueues(t, func(b *backlog) {
		if b.client.ConfigGet(b.Context(), "maxmemory").Err() != nil {
			return // the one in this process is never full
		}
		ids := b.queued("slow", Normal, 5)
		for _, set := range [][2]string{{"min-replicas-to-write", "3"}, {"maxmemory", "1"}} {
			b.everywhere(set[0], set[1])
			ids = append(ids, b.accepted("slow", 2)...)
			b.sweeps(b.set.SweepAgain, Normal)
			if err := Takes(b.Context(), b.client); err == nil {
				b.Errorf("%s: Redis is said to take what is written", set[0])
			}
			b.everywhere(set[0], "0")
			if err := Takes(b.Context(), b.client); err != nil {
				b.Error(err)
			}
			if c := counts(b.T, b.w); c[desk.Filed] != int64(len(ids)) {
				b.Errorf("%s: ledger %v, want %d filed", set[0], c, len(ids))
			}
		}
	})
}
