package store_test

import (
	"errors"
	"sync"
	"testing"

	"switchboard/pipeline/desk"
	"switchboard/store"
)

func TestSixProcessesMigrateAtOnce(t *testing.T) {
	for _, d := range dialects {
		t.Run(d.name, func(t *testing.T) {
			url := d.fresh(t)
			var stores []*store.Store
			for range 6 {
				stores = append(stores, open(t, url))
			}
			for range 2 { // asking makes no table
				if has, needs, err := stores[0].Schema(t.Context()); err != nil || has != 0 || needs == 0 {
					t.Fatalf("schema before: %d of %d, %v", has, needs, err)
				}
			}
			var ready, done sync.WaitGroup
			ready.Add(len(stores))
			errs := make([]error, len(stores))
			for i, s := range stores {
				done.Go(func() {
					ready.Done()
					ready.Wait()
					errs[i] = s.Migrate(t.Context())
				})
			}
			done.Wait()
			if err := errors.Join(errs...); err != nil {
				t.Fatal(err)
			}
			for _, s := range stores {
				if has, needs, err := s.Schema(t.Context()); err != nil || has != needs {
					t.Errorf("schema after: %d of %d, %v", has, needs, err)
				}
				if counts, err := s.Counts(t.Context()); err != nil || len(counts) != 0 {
					t.Errorf("counts: %v, %v", counts, err)
				}
			}
			if err := stores[0].Migrate(t.Context()); err != nil {
				t.Errorf("again: %v", err)
			}
		})
	}
}

func TestWhatCannotBeOpenedSaysSo(t *testing.T) {
	for name, url := range map[string]string{
		"nothing":          "",
		"a folder":         t.TempDir(),
		"nobody listening": "postgres://u:p@127.0.0.1:1/x?connect_timeout=1",
		"nonsense":         "postgres://%zz",
	} {
		s, err := store.Open(t.Context(), store.Options{URL: url})
		if err == nil {
			s.Close()
			t.Errorf("%s: opened", name)
		}
		if name == "nobody listening" && !errors.Is(err, desk.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
