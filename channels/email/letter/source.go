package letter

import (
	"bufio"
	"bytes"
	"context"
	"io"
)

// A source hands out the lines of a mail and knows which multipart boundaries
// are open, so that one pass over the bytes finds the end of every part however
// deep it lies (a reader per level would read each byte once per level).
type source struct {
	ctx    context.Context
	br     *bufio.Reader
	ahead  []byte   // given back, to be read before br
	open   []string // boundaries, outermost first
	fresh  bool     // the next fragment begins a line
	hit    hit      // the boundary line that ended the last body
	failed error    // first real I/O error
}

// A hit is a boundary line: of which level, and whether it closes the level.
type hit struct {
	seen  bool
	level int
	close bool
}

// newSource reads from r on its own.
func newSource(ctx context.Context, r io.Reader) *source {
	s := &source{ctx: ctx, fresh: true}
	s.br = bufio.NewReader(s.guard(r))
	return s
}

// guard records errors of r that are not the end of the mail.
func (s *source) guard(r io.Reader) io.Reader { return &guarded{s: s, r: r} }

type guarded struct {
	s     *source
	r     io.Reader
	known bool // line ends were looked at
	mac   bool // CR alone ends lines
}

func (g *guarded) Read(p []byte) (int, error) {
	if g.s.failed != nil {
		return 0, g.s.failed
	}
	if err := g.s.ctx.Err(); err != nil {
		g.s.failed = err
		return 0, err
	}
	n, err := g.r.Read(p)
	if err != nil && err != io.EOF {
		g.s.failed = err
	}
	if !g.known && n > 0 {
		g.known = true
		g.mac = n > 2 && bytes.IndexByte(p[:n], '\n') < 0 && bytes.IndexByte(p[:n-1], '\r') >= 0
	}
	if g.mac {
		for i, c := range p[:n] {
			if c == '\r' {
				p[i] = '\n'
			}
		}
	}
	return n, err
}

// line returns the next line with its end, or a fragment of a very long one.
// start tells whether it begins a line. The bytes hold until the next call.
func (s *source) line() (frag []byte, start bool, err error) {
	start = s.fresh
	if len(s.ahead) > 0 {
		if i := bytes.IndexByte(s.ahead, '\n'); i >= 0 {
			frag, s.ahead = s.ahead[:i+1], s.ahead[i+1:]
		} else {
			frag, s.ahead = s.ahead, nil
		}
		s.fresh = frag[len(frag)-1] == '\n'
		return frag, start, nil
	}
	frag, err = s.br.ReadSlice('\n')
	if len(frag) > 0 {
		s.fresh = frag[len(frag)-1] == '\n'
		return frag, start, nil
	}
	if err == nil || err == bufio.ErrBufferFull {
		err = io.ErrNoProgress
	}
	return nil, start, err
}

// unread gives bytes back that begin a line.
func (s *source) unread(b []byte) {
	if len(b) == 0 {
		return
	}
	kept := make([]byte, 0, len(b)+len(s.ahead))
	s.ahead = append(append(kept, b...), s.ahead...)
	s.fresh = true
}

// push opens a boundary and returns its level.
func (s *source) push(boundary string) int {
	s.open = append(s.open, boundary)
	return len(s.open) - 1
}

func (s *source) pop(level int) { s.open = s.open[:level] }

// boundary reports whether a line is the delimiter of an open multipart and
// remembers it in hit. RFC 2046 5.1.1.
func (s *source) boundary(line []byte) bool {
	if len(s.open) == 0 || len(line) < 3 || line[0] != '-' || line[1] != '-' {
		return false
	}
	line = bytes.TrimRight(line[2:], " \t\r\n")
	for level := len(s.open) - 1; level >= 0; level-- {
		b := s.open[level]
		if len(line) < len(b) || string(line[:len(b)]) != b {
			continue
		}
		switch rest := line[len(b):]; {
		case len(rest) == 0:
			s.hit = hit{seen: true, level: level}
			return true
		case len(rest) <= 3 && rest[0] == '-': // "--", and the "-" or "---" of broken writers
			s.hit = hit{seen: true, level: level, close: true}
			return true
		}
	}
	return false
}

// header reads a header block up to the blank line, without it. What exceeds
// limit is dropped, unless it cannot be header: then the block ends there.
// ended tells that a boundary or the end of the mail came first, so there is
// no body. buf is reused.
func (s *source) header(buf []byte, limit int64, top bool) (block []byte, cut, ended bool) {
	block = buf[:0]
	dropping := false
	for {
		line, start, err := s.line()
		if err != nil {
			return block, cut, true
		}
		if start {
			if s.boundary(line) {
				return block, cut, true
			}
			if len(bytes.TrimRight(line, "\r\n")) == 0 && line[len(line)-1] == '\n' {
				if top && len(block) == 0 {
					continue // blank lines above the header
				}
				return block, cut, false
			}
			dropping = false
			if int64(len(block)+len(line)) > limit {
				if !isField(line) && line[0] != ' ' && line[0] != '\t' {
					s.unread(bytes.Clone(line))
					return block, cut, false
				}
				dropping = true
			}
		}
		if dropping || int64(len(block)+len(line)) > limit {
			if !dropping {
				block = append(block, line[:limit-int64(len(block))]...)
				block = append(block, '\n')
			}
			dropping, cut = true, true
			continue
		}
		block = append(block, line...)
	}
}

// skip reads on to the next boundary line or the end of the mail; up to max
// bytes of what it passes are appended to buf and returned.
func (s *source) skip(buf []byte, max int64) []byte {
	for {
		line, start, err := s.line()
		if err != nil || start && s.boundary(line) {
			return buf
		}
		if room := max - int64(len(buf)); room > 0 {
			buf = append(buf, line[:min(int64(len(line)), room)]...)
		}
	}
}

// A body reads the bytes of one part up to its boundary. The line end before
// the boundary belongs to the boundary.
type body struct {
	s    *source
	pre  []byte // line end before rest, still to be read
	rest []byte // of the current line
	end  []byte // line end of the current line, held back
	done bool
}

var lf, crlf = []byte("\n"), []byte("\r\n")

func (b *body) Read(p []byte) (n int, err error) {
	for n < len(p) {
		if len(b.pre) > 0 {
			c := copy(p[n:], b.pre)
			n, b.pre = n+c, b.pre[c:]
			continue
		}
		if len(b.rest) > 0 {
			c := copy(p[n:], b.rest)
			n, b.rest = n+c, b.rest[c:]
			continue
		}
		if b.done {
			break
		}
		line, start, err := b.s.line()
		if err != nil {
			b.pre, b.end, b.done = b.end, nil, true
			continue
		}
		if start && b.s.boundary(line) {
			b.done = true
			break
		}
		b.pre, b.end = b.end, nil
		switch n := len(line); {
		case n >= 2 && line[n-2] == '\r' && line[n-1] == '\n':
			line, b.end = line[:n-2], crlf
		case line[n-1] == '\n':
			line, b.end = line[:n-1], lf
		}
		b.rest = line
	}
	if n == 0 && len(p) > 0 {
		if b.s.failed != nil {
			return 0, b.s.failed
		}
		return 0, io.EOF
	}
	return n, nil
}
