package main

import (
	"context"
	"io"
)

// waits reads until ctx is done: a terminal, or a pipe nobody writes to, would keep a
// command that was told to end. What hangs in a read then is left behind.
type waits struct {
	ctx context.Context
	in  io.Reader
}

func (w waits) Read(p []byte) (int, error) {
	type answer struct {
		bytes []byte
		err   error
	}
	said := make(chan answer, 1)
	go func() {
		b := make([]byte, len(p)) // not p, which its owner has back when we left
		n, err := w.in.Read(b)
		said <- answer{b[:n], err}
	}()
	select {
	case a := <-said:
		return copy(p, a.bytes), a.err
	case <-w.ctx.Done():
		return 0, w.ctx.Err()
	}
}
