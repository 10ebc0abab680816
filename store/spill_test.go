package store

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Whatever goes in comes out once, in order, however many files it took; there are
// never more of them open than may be; and they are gone.
func TestSpill(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		size := rapid.SampledFrom([]int{1, 2, 32}).Draw(rt, "size")
		s := newSpill(dir, size)
		s.most = size * rapid.IntRange(1, 20).Draw(rt, "in memory")
		s.open = rapid.IntRange(2, 5).Draw(rt, "files")
		s.merge = rapid.IntRange(2, s.open).Draw(rt, "merged")
		want := map[string]bool{}
		for range rapid.IntRange(0, 200).Draw(rt, "records") {
			r := make([]byte, size)
			r[0], r[size-1] = rapid.Byte().Draw(rt, "first"), rapid.Byte().Draw(rt, "last")
			want[string(r)] = true
			if err := s.add(r); err != nil {
				rt.Fatal(err)
			}
			clear(r) // it is the caller's
			if len(s.runs) >= s.open {
				rt.Fatalf("%d files are open", len(s.runs))
			}
		}
		next, err := s.sorted()
		if err != nil {
			rt.Fatal(err)
		}
		var got []string
		for r, err := next(); r != nil || err != nil; r, err = next() {
			if err != nil {
				rt.Fatal(err)
			}
			got = append(got, string(r))
		}
		if !slices.IsSorted(got) || len(got) != len(want) {
			rt.Fatalf("%d records, want %d, in order: %t", len(got), len(want), slices.IsSorted(got))
		}
		for _, r := range got {
			if !want[r] {
				rt.Fatalf("%x was not added", r)
			}
		}
		s.close()
	})
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// A million references need room for no more than 32 bytes each, and what is
// named twice for one.
func TestSpillIsNarrow(t *testing.T) {
	s := newSpill(t.TempDir(), 32)
	defer s.close()
	s.most, s.open, s.merge = 32<<8, 16, 8
	var r [32]byte
	for i := range 1 << 14 {
		copy(r[:], fmt.Sprintf("%032d", i%(1<<13)))
		if err := s.add(r[:]); err != nil {
			t.Fatal(err)
		}
	}
	var bytes int64
	for _, run := range s.runs {
		info, err := run.file.Stat()
		if err != nil {
			t.Fatal(err)
		}
		bytes += info.Size()
	}
	if bytes > 32<<14 || len(s.runs) >= 16 {
		t.Errorf("%d bytes in %d files", bytes, len(s.runs))
	}
	next, err := s.sorted()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for r, err := next(); r != nil || err != nil; r, err = next() {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != 1<<13 {
		t.Errorf("%d records, want %d", n, 1<<13)
	}
}

// What the audit sorts comes back as it was.
func TestSpilledRecord(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		id := rapid.StringMatching(`[A-Z]{0,26}`)
		r := spilled{n: rapid.Int64().Draw(rt, "n"), kind: rapid.Byte().Draw(rt, "kind"), id: sealed(id.Draw(rt, "id")), other: sealed(id.Draw(rt, "other"))}
		r.key[0], r.key[31] = rapid.Byte().Draw(rt, "first"), rapid.Byte().Draw(rt, "last")
		if got := readSpilled(r.record()); got != r || !bytes.HasPrefix(r.record(), r.key[:]) {
			rt.Errorf("%+v came back as %+v", r, got)
		}
	})
}

// A file that lost its end is an error, not references nobody knows of; a folder
// that takes nothing is told of by its name before there is anything to sort.
func TestSpillFails(t *testing.T) {
	s := newSpill(t.TempDir(), 32)
	defer s.close()
	s.most = 64
	for i := range 10 {
		var r [32]byte
		r[31] = byte(i)
		if err := s.add(r[:]); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.runs[1].file.Truncate(32); err != nil {
		t.Fatal(err)
	}
	next, err := s.sorted()
	for err == nil {
		var r []byte
		if r, err = next(); r == nil && err == nil {
			t.Fatal("a cut file was read to its end")
		}
	}
	missing := filepath.Join(t.TempDir(), "missing")
	if err := newSpill(missing, 32).probe(); err == nil || !strings.Contains(err.Error(), "sort in the folder "+missing) {
		t.Errorf("a folder that is not there: %v", err)
	}
}
