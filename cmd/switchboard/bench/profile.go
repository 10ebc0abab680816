package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// profile begins to take CPU profiles of all roles, when they are wanted. done
// waits until they are written.
func (r *ingest) profile(f *fleet) func(context.Context) (done func()) {
	return func(ctx context.Context) func() {
		var wait sync.WaitGroup
		if r.Profiles == "" {
			return wait.Wait
		}
		for i, at := range f.ops {
			wait.Go(func() {
				b, err := fetch(ctx, "http://"+at+"/debug/pprof/profile?seconds=3")
				if err == nil {
					err = os.WriteFile(filepath.Join(r.Profiles, fmt.Sprintf("round%d-%s-%d.pprof", r.n, f.children[i].role, i)), b, 0o644)
				}
				if err != nil && r.Screen != nil {
					fmt.Fprintln(r.Screen, "profile:", err)
				}
			})
		}
		return wait.Wait
	}
}

// unprofiled is the profile of a reading that takes none.
func unprofiled(context.Context) func() { return func() {} }
