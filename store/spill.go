package store

import (
	"bufio"
	"bytes"
	"cmp"
	"container/heap"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"slices"
)

// spilled is a record that is sorted outside memory: a key, a number and two
// IDs.
type spilled struct {
	key   [32]byte
	n     int64
	kind  byte
	id    [26]byte
	other [26]byte
}

const (
	spilledSize = 32 + 8 + 1 + 26 + 26
	spillAtOnce = 1 << 16 // records in memory: 6 MB
)

func compareSpilled(a, b spilled) int {
	return cmp.Or(bytes.Compare(a.key[:], b.key[:]), bytes.Compare(a.other[:], b.other[:]), bytes.Compare(a.id[:], b.id[:]))
}

// spill sorts any number of records with flat memory: full buffers are sorted
// and written to a temporary file each, and the files are merged. It belongs to
// one goroutine.
type spill struct {
	dir   string
	buf   []spilled
	most  int
	files []*os.File
}

func newSpill(dir string) *spill { return &spill{dir: dir, most: spillAtOnce} }

func (s *spill) add(r spilled) error {
	s.buf = append(s.buf, r)
	if len(s.buf) < s.most {
		return nil
	}
	return s.flush()
}

func (s *spill) flush() error {
	slices.SortFunc(s.buf, compareSpilled)
	f, err := os.CreateTemp(s.dir, "switchboard-sort-")
	if err != nil {
		return err
	}
	s.files = append(s.files, f)
	_ = os.Remove(f.Name()) // it lives as long as it is open; where that is not allowed, close removes it
	w := bufio.NewWriter(f)
	for i := range s.buf {
		r := &s.buf[i]
		var b [spilledSize]byte
		copy(b[:32], r.key[:])
		binary.BigEndian.PutUint64(b[32:], uint64(r.n))
		b[40] = r.kind
		copy(b[41:67], r.id[:])
		copy(b[67:], r.other[:])
		if _, err := w.Write(b[:]); err != nil {
			return err
		}
	}
	s.buf = s.buf[:0]
	if err := w.Flush(); err != nil {
		return err
	}
	_, err = f.Seek(0, io.SeekStart)
	return err
}

// close removes the files.
func (s *spill) close() {
	for _, f := range s.files {
		f.Close()
		_ = os.Remove(f.Name())
	}
	s.files = nil
}

// sorted calls fn with all records in order. Nothing can be added after it.
func (s *spill) sorted() (next func() (spilled, bool, error), err error) {
	if len(s.files) == 0 {
		slices.SortFunc(s.buf, compareSpilled)
		i := 0
		return func() (spilled, bool, error) {
			if i == len(s.buf) {
				return spilled{}, false, nil
			}
			i++
			return s.buf[i-1], true, nil
		}, nil
	}
	if len(s.buf) > 0 {
		if err := s.flush(); err != nil {
			return nil, err
		}
	}
	var h runs
	for _, f := range s.files {
		r := &spillRun{r: bufio.NewReader(f)}
		if ok, err := r.read(); err != nil {
			return nil, err
		} else if ok {
			h = append(h, r)
		}
	}
	heap.Init(&h)
	return func() (spilled, bool, error) {
		if len(h) == 0 {
			return spilled{}, false, nil
		}
		out := h[0].head
		ok, err := h[0].read()
		if err != nil {
			return spilled{}, false, err
		}
		if ok {
			heap.Fix(&h, 0)
		} else {
			heap.Pop(&h)
		}
		return out, true, nil
	}, nil
}

// spillRun is a sorted file that is being read.
type spillRun struct {
	r    *bufio.Reader
	head spilled
}

func (r *spillRun) read() (bool, error) {
	var b [spilledSize]byte
	if _, err := io.ReadFull(r.r, b[:]); err != nil {
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		return false, err
	}
	copy(r.head.key[:], b[:32])
	r.head.n = int64(binary.BigEndian.Uint64(b[32:]))
	r.head.kind = b[40]
	copy(r.head.id[:], b[41:67])
	copy(r.head.other[:], b[67:])
	return true, nil
}

type runs []*spillRun

func (h runs) Len() int           { return len(h) }
func (h runs) Less(i, j int) bool { return compareSpilled(h[i].head, h[j].head) < 0 }
func (h runs) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *runs) Push(x any)        { *h = append(*h, x.(*spillRun)) }
func (h *runs) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	*h = (*h)[:last]
	return x
}

// sealed reads a 26 byte ID.
func sealed(id string) (out [26]byte) {
	copy(out[:], id)
	return out
}

func opened(id [26]byte) string { return string(bytes.TrimRight(id[:], "\x00")) }
