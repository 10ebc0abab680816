package bench

import (
	"context"
	"sync"
	"time"
)

// memoryWatch looks at the resident memory of processes twice a second.
type memoryWatch struct {
	parts []part
	quit  context.CancelFunc
	done  sync.WaitGroup
	seen  map[string][]int64 // by part, bytes
}

func watchMemory(ctx context.Context, parts []part) *memoryWatch {
	w := &memoryWatch{parts: parts, seen: map[string][]int64{}}
	ctx, w.quit = context.WithCancel(ctx)
	w.done.Go(func() {
		for {
			for _, p := range w.parts {
				w.seen[p.name] = append(w.seen[p.name], resident(p.pid))
			}
			if !sleep(ctx, 500*time.Millisecond) {
				return
			}
		}
	})
	return w
}

// end stops looking and returns what was seen. It may be called again.
func (w *memoryWatch) end() map[string][]int64 {
	w.quit()
	w.done.Wait()
	return w.seen
}

// ends are the means of the second tenth and of the last tenth of what was seen,
// in MB: a process whose memory is flat has the same in both. The first tenth is
// left out because a process fills its caches then.
func (w *memoryWatch) ends(name string) (early, late float64) {
	all := w.seen[name]
	n := max(len(all)/10, 1)
	if len(all) >= 2*n {
		early = mean(all[n : 2*n])
	}
	return early, mean(all[max(len(all)-n, 0):])
}

func mean(bytes []int64) float64 {
	var sum int64
	for _, b := range bytes {
		sum += b
	}
	return float64(sum) / float64(max(len(bytes), 1)) / (1 << 20)
}
