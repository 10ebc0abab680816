package store

import (
	"bufio"
	"bytes"
	"container/heap"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sort"
)

const (
	spillBytes = 8 << 20 // of records in memory
	spillFiles = 256     // open at once, at most
	spillMerge = 64      // made one when there are so many
	spillRead  = 32 << 10
)

// spill sorts any number of records, all of one size, with flat memory: full
// buffers are sorted and written to a temporary file each, and the files are
// merged. There are never more than some of them: before there are, the smallest
// become one. What was added more than once comes out once. A spill belongs to one
// goroutine.
type spill struct {
	dir   string
	size  int // of a record
	buf   []byte
	most  int // bytes in memory
	open  int // files at once
	merge int
	runs  []*spillRun
	count int64 // records in the files
}

func newSpill(dir string, size int) *spill {
	return &spill{dir: dir, size: size, most: spillBytes / size * size, open: spillFiles, merge: spillMerge}
}

// folder is where the files are, in words.
func (s *spill) folder() string {
	if s.dir == "" {
		return os.TempDir()
	}
	return s.dir
}

// failed says where sorting failed: the folder is chosen by whoever runs this.
func (s *spill) failed(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("sort in the folder %s, with %d records of %d bytes in %d files: %w", s.folder(), s.count, s.size, len(s.runs), err)
}

// probe tries whether the folder can be written to, before long work is done for
// it.
func (s *spill) probe() error {
	f, err := s.create()
	if err == nil {
		_, err = f.Write(make([]byte, s.size))
		err = errors.Join(err, f.Close())
		_ = os.Remove(f.Name())
	}
	return s.failed(err)
}

func (s *spill) create() (*os.File, error) {
	f, err := os.CreateTemp(s.dir, "switchboard-sort-")
	if err == nil {
		_ = os.Remove(f.Name()) // it lives as long as it is open; where that is not allowed, close removes it
	}
	return f, err
}

func (s *spill) add(record []byte) error {
	s.buf = append(s.buf, record...)
	if len(s.buf) < s.most {
		return nil
	}
	return s.failed(s.flush())
}

// flush makes a file of what is in memory.
func (s *spill) flush() error {
	b := &records{all: s.buf, size: s.size, swap: make([]byte, s.size)}
	sort.Sort(b)
	if err := s.write(b.next); err != nil {
		return err
	}
	s.buf = s.buf[:0]
	if len(s.runs) < s.open {
		return nil
	}
	slices.SortStableFunc(s.runs, func(a, b *spillRun) int { return int(min(max(a.count-b.count, -1), 1)) })
	small := s.runs[:min(s.merge, len(s.runs))]
	next, err := merged(small)
	if err != nil {
		return err
	}
	if err := s.write(next); err != nil {
		return err
	}
	for _, r := range small {
		r.close()
		s.count -= r.count
	}
	s.runs = slices.Delete(s.runs, 0, len(small))
	return nil
}

// distinct leaves out what equals the one before it.
func distinct(next func() ([]byte, error)) func() ([]byte, error) {
	var last []byte
	return func() ([]byte, error) {
		for {
			r, err := next()
			if r == nil || err != nil || last == nil || !bytes.Equal(r, last) {
				last = append(last[:0], r...)
				return r, err
			}
		}
	}
}

// write makes a file of records that come in order.
func (s *spill) write(next func() ([]byte, error)) error {
	f, err := s.create()
	if err != nil {
		return err
	}
	run := &spillRun{file: f, head: make([]byte, s.size)}
	s.runs = append(s.runs, run)
	w := bufio.NewWriterSize(f, spillRead)
	next = distinct(next)
	for r, err := next(); r != nil || err != nil; r, err = next() {
		if err == nil {
			_, err = w.Write(r)
		}
		if err != nil {
			return err
		}
		run.count++
	}
	if err := w.Flush(); err != nil {
		return err
	}
	s.count += run.count
	_, err = f.Seek(0, io.SeekStart)
	return err
}

// close removes the files.
func (s *spill) close() {
	for _, r := range s.runs {
		r.close()
	}
	s.runs = nil
}

// sorted returns what gives all records in order, and nil at their end: each is
// valid until the next. Nothing can be added after it.
func (s *spill) sorted() (next func() ([]byte, error), err error) {
	if len(s.runs) == 0 {
		b := &records{all: s.buf, size: s.size, swap: make([]byte, s.size)}
		sort.Sort(b)
		return distinct(b.next), nil
	}
	if len(s.buf) > 0 {
		if err := s.flush(); err != nil {
			return nil, s.failed(err)
		}
	}
	all, err := merged(s.runs)
	if err != nil {
		return nil, s.failed(err)
	}
	all = distinct(all)
	return func() ([]byte, error) {
		r, err := all()
		return r, s.failed(err)
	}, nil
}

// records are in memory, one behind the other.
type records struct {
	all  []byte
	size int
	swap []byte
	told int // bytes that next gave
}

func (b *records) Len() int           { return len(b.all) / b.size }
func (b *records) at(i int) []byte    { return b.all[i*b.size : (i+1)*b.size] }
func (b *records) Less(i, j int) bool { return bytes.Compare(b.at(i), b.at(j)) < 0 }
func (b *records) Swap(i, j int) {
	copy(b.swap, b.at(i))
	copy(b.at(i), b.at(j))
	copy(b.at(j), b.swap)
}

func (b *records) next() ([]byte, error) {
	if b.told == len(b.all) {
		return nil, nil
	}
	b.told += b.size
	return b.all[b.told-b.size : b.told], nil
}

// spillRun is a file of records in order.
type spillRun struct {
	file  *os.File
	count int64
	r     *bufio.Reader
	head  []byte
	told  int64
}

func (r *spillRun) close() {
	r.file.Close()
	_ = os.Remove(r.file.Name())
}

func (r *spillRun) read() (bool, error) {
	if r.told == r.count {
		return false, nil
	}
	r.told++
	// A file that ends early would be references forgotten: an error as any other.
	_, err := io.ReadFull(r.r, r.head)
	return err == nil, err
}

// merged returns what gives the records of files in order, and nil at their end:
// each is valid until the next.
func merged(files []*spillRun) (next func() ([]byte, error), err error) {
	var h runs
	for _, r := range files {
		r.r = bufio.NewReaderSize(r.file, spillRead)
		if ok, err := r.read(); err != nil {
			return nil, err
		} else if ok {
			h = append(h, r)
		}
	}
	heap.Init(&h)
	var out []byte
	return func() ([]byte, error) {
		if len(h) == 0 {
			return nil, nil
		}
		out = append(out[:0], h[0].head...)
		ok, err := h[0].read()
		if err != nil {
			return nil, err
		}
		if ok {
			heap.Fix(&h, 0)
		} else {
			heap.Pop(&h)
		}
		return out, nil
	}, nil
}

type runs []*spillRun

func (h runs) Len() int           { return len(h) }
func (h runs) Less(i, j int) bool { return bytes.Compare(h[i].head, h[j].head) < 0 }
func (h runs) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *runs) Push(x any)        { *h = append(*h, x.(*spillRun)) }
func (h *runs) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	*h = (*h)[:last]
	return x
}
