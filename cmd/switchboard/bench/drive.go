package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// drive is one run of the load generator.
type drive struct {
	addr     string
	requests [][]byte
	conns    int
	rate     float64 // requests a second on a fixed timetable; 0: as fast as they are answered
	done     func()  // told of each answer; nil: nobody is
}

// driven is what came of it.
type driven struct {
	began   time.Time
	took    time.Duration
	latency []time.Duration // by request: from its time in the timetable, or from sending, to the whole answer
	refused map[int]int     // answers that were not 2xx, by status; 0 is a broken connection
	broken  error           // of the first broken connection
}

// due is when a request was to be sent.
func (d *driven) due(i int, rate float64) time.Time {
	return d.began.Add(time.Duration(float64(i) / rate * float64(time.Second)))
}

// run sends every request once over keep-alive connections and waits for the
// answers. A refusal is counted and not sent again. It returns early when ctx
// ends.
func (d drive) run(ctx context.Context) (*driven, error) {
	out := &driven{latency: make([]time.Duration, len(d.requests)), refused: map[int]int{}}
	var next atomic.Int64
	var mu sync.Mutex
	var wait sync.WaitGroup
	out.began = time.Now()
	for range max(d.conns, 1) {
		wait.Go(func() {
			var c *connection
			defer func() { c.close() }()
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(d.requests) {
					return
				}
				due := time.Now()
				if d.rate > 0 {
					due = out.due(i, d.rate)
					if !sleep(ctx, time.Until(due)) {
						return
					}
				}
				var status int
				var err error
				c, status, err = c.send(ctx, d.addr, d.requests[i])
				out.latency[i] = time.Since(due)
				if status/100 != 2 {
					mu.Lock()
					out.refused[status]++
					if err != nil && out.broken == nil {
						out.broken = fmt.Errorf("request %d, after %s: %w", i, out.latency[i].Round(time.Millisecond), err)
					}
					mu.Unlock()
				}
				if d.done != nil {
					d.done()
				}
			}
		})
	}
	wait.Wait()
	out.took = time.Since(out.began)
	return out, ctx.Err()
}

// check is an error when anything was refused.
func (d *driven) check() error {
	if len(d.refused) == 0 {
		return nil
	}
	if d.broken != nil {
		return fmt.Errorf("bench: refused or broken, by HTTP status: %v; the first broken: %w", d.refused, d.broken)
	}
	return fmt.Errorf("bench: refused, by HTTP status: %v", d.refused)
}

func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// connection is one keep-alive connection of the generator. nil is one not
// opened yet.
type connection struct {
	net.Conn
	r *bufio.Reader
}

func (c *connection) close() {
	if c != nil {
		c.Conn.Close()
	}
}

// answerWithin bounds the wait for one answer.
const answerWithin = 2 * time.Minute

// send writes a request and reads the answer to its end. It returns the
// connection to use next, nil after trouble, and the status, 0 with an error
// after trouble.
func (c *connection) send(ctx context.Context, addr string, request []byte) (*connection, int, error) {
	if c == nil {
		conn, err := (&net.Dialer{Timeout: answerWithin}).DialContext(ctx, "tcp", addr)
		if err != nil {
			return nil, 0, err
		}
		c = &connection{conn, bufio.NewReaderSize(conn, 8<<10)}
	}
	_ = c.SetDeadline(time.Now().Add(answerWithin))
	if _, err := c.Write(request); err != nil {
		c.close()
		return nil, 0, err
	}
	status, keep, err := readAnswer(c.r)
	if err != nil || !keep {
		c.close()
		c = nil
	}
	if err != nil {
		return nil, 0, err
	}
	return c, status, nil
}

var errAnswer = errors.New("no HTTP answer that can be read")

// readAnswer reads an HTTP/1.1 answer (RFC 9112, sections 4, 6 and 7) and throws its body away. keep says that the connection may be used
// again.
func readAnswer(r *bufio.Reader) (status int, keep bool, err error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return 0, false, err
	}
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.")) {
		return 0, false, errAnswer
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, false, errAnswer
	}
	length, keep := -1, true
	chunked := false
	for {
		if line, err = r.ReadSlice('\n'); err != nil {
			return 0, false, err
		}
		if line = bytes.TrimRight(line, "\r\n"); len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(value)); err != nil {
				return 0, false, errAnswer
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")) && bytes.EqualFold(value, []byte("chunked")):
			chunked = true
		case bytes.EqualFold(name, []byte("Connection")) && bytes.EqualFold(value, []byte("close")):
			keep = false
		}
	}
	switch {
	case chunked:
		if _, err = io.Copy(io.Discard, httputil.NewChunkedReader(r)); err == nil {
			_, err = r.ReadSlice('\n') // we send no trailers: the empty line that ends them
		}
	case length >= 0:
		_, err = io.CopyN(io.Discard, r, int64(length))
	case status == http.StatusNoContent:
	default: // until the connection ends
		keep = false
		_, err = io.Copy(io.Discard, r)
	}
	return status, keep, err
}

// quantile is the value that a share q of the values does not exceed; 0 without
// values.
func quantile(values []time.Duration, q float64) time.Duration {
	if len(values) == 0 {
		return 0
	}
	s := slices.Clone(values)
	slices.Sort(s)
	return s[min(len(s)-1, int(q*float64(len(s))))]
}
