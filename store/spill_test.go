package store

import (
	"os"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Whatever goes in comes out once, in order, however many files it took; and the
// files are gone.
func TestSpill(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		s := newSpill(dir)
		s.most = rapid.IntRange(1, 20).Draw(rt, "in memory")
		var want []spilled
		for range rapid.IntRange(0, 100).Draw(rt, "records") {
			r := spilled{n: rapid.Int64().Draw(rt, "n"), kind: rapid.Byte().Draw(rt, "kind"), id: sealed(rapid.StringMatching(`[A-Z]{0,26}`).Draw(rt, "id"))}
			r.key[0], r.other[25] = rapid.Byte().Draw(rt, "key"), rapid.Byte().Draw(rt, "other")
			want = append(want, r)
			if err := s.add(r); err != nil {
				rt.Fatal(err)
			}
		}
		next, err := s.sorted()
		if err != nil {
			rt.Fatal(err)
		}
		count := map[spilled]int{}
		var got []spilled
		for r, ok, err := next(); ok || err != nil; r, ok, err = next() {
			if err != nil {
				rt.Fatal(err)
			}
			got = append(got, r)
			count[r]++
		}
		for _, r := range want {
			count[r]--
		}
		for r, n := range count {
			if n != 0 {
				rt.Fatalf("%+v: %d too many", r, n)
			}
		}
		if !slices.IsSortedFunc(got, compareSpilled) {
			rt.Fatal("not in order")
		}
		s.close()
	})
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
