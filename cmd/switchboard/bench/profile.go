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
	return func(ctx context.Context) func() { return f.profile(ctx, r.Profiles, r.n, 3) }
}

// profile takes CPU profiles of the roles there are now, for some seconds, into a
// folder; "" takes none. done waits until they are written.
func (f *fleet) profile(ctx context.Context, folder string, round, seconds int) (done func()) {
	var wait sync.WaitGroup
	if folder == "" {
		return wait.Wait
	}
	for i, at := range f.ops {
		wait.Go(func() {
			b, err := fetch(ctx, fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", at, seconds))
			if err == nil {
				err = os.WriteFile(filepath.Join(folder, fmt.Sprintf("round%d-%s-%d.pprof", round, f.children[i].role, i)), b, 0o644)
			}
			if err != nil && f.common.Screen != nil {
				fmt.Fprintln(f.common.Screen, "profile:", err)
			}
		})
	}
	return wait.Wait
}

// unprofiled is the profile of a reading that takes none.
func unprofiled(context.Context) func() { return func() {} }
