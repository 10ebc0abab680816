package email

import (
	"bufio"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// script is an IMAP server that misbehaves: one folder of mails, and for each
// fetched section a say in what goes over the line. It knows as much IMAP as
// the receiver speaks.
type script struct {
	caps  string
	mails map[uint32][]byte // under mu once it serves
	// sizes and dates are answered instead of the truth.
	sizes map[uint32]int
	dates map[uint32]string
	// body may answer for a section of a mail: what it returns is written in
	// place of the FETCH response; false cuts the connection after it. Nil, or
	// an answer of "-", means the truth.
	body func(uid uint32, section string, truth []byte) (answer string, alive bool)
	// command may answer for a whole command line; "" means the usual.
	command func(line string) (answer string, alive bool)

	mu       sync.Mutex
	lines    []string      // all commands, without tag
	changed  chan struct{} // closed and made anew with each
	listener net.Listener
}

func (s *script) start(t testing.TB) *script {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.listener, s.changed = listener, make(chan struct{})
	if s.caps == "" {
		s.caps = "IMAP4rev1"
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	conns := map[net.Conn]bool{}
	wg.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns[conn] = true
			mu.Unlock()
			wg.Go(func() { s.serve(conn) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		mu.Lock()
		for c := range conns {
			c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return s
}

func (s *script) addr() string { return s.listener.Addr().String() }

// count tells how many commands contained a text.
func (s *script) count(text string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.lines {
		if strings.Contains(l, text) {
			n++
		}
	}
	return n
}

// await waits until is true of the lines; is runs under the lock.
func (s *script) await(t testing.TB, what string, is func(lines []string) bool) {
	t.Helper()
	timeout := time.After(hang)
	for {
		s.mu.Lock()
		ok, changed := is(s.lines), s.changed
		s.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-timeout:
			t.Fatalf("%s: not within %s", what, hang)
		}
	}
}

// has tells how many lines begin with a text.
func has(lines []string, prefix string) (n int) {
	for _, l := range lines {
		if strings.HasPrefix(l, prefix) {
			n++
		}
	}
	return n
}

func (s *script) uids() []uint32 {
	var out []uint32
	for uid := range s.mails {
		out = append(out, uid)
	}
	slices.Sort(out)
	return out
}

func (s *script) serve(conn net.Conn) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	say := func(format string, args ...any) { fmt.Fprintf(conn, format, args...) }
	say("* OK [CAPABILITY %s] ready\r\n", s.caps)
	idling := ""
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		tag, line, _ := strings.Cut(strings.TrimRight(line, "\r\n"), " ")
		s.mu.Lock()
		s.lines = append(s.lines, line)
		close(s.changed)
		s.changed = make(chan struct{})
		s.mu.Unlock()
		if s.command != nil {
			if answer, alive := s.command(line); answer != "" || !alive {
				say("%s", strings.ReplaceAll(answer, "TAG", tag))
				if !alive {
					return
				}
				continue
			}
		}
		alive := true
		switch word, rest, _ := strings.Cut(line, " "); word {
		case "LOGIN", "LOGOUT", "NOOP":
		case "IDLE":
			idling = tag
			say("+ idling\r\n")
			continue
		case "":
			tag = idling // DONE
		case "CAPABILITY":
			say("* CAPABILITY %s\r\n", s.caps)
		case "EXAMINE", "SELECT":
			say("* %d EXISTS\r\n* 0 RECENT\r\n* FLAGS ()\r\n* OK [UIDVALIDITY 7] .\r\n* OK [UIDNEXT 1000] .\r\n", len(s.mails))
		case "SEARCH":
			say("* SEARCH%s\r\n", s.search(rest, false))
		case "FETCH":
			alive = s.fetch(say, rest, false)
		case "UID":
			word, rest, _ := strings.Cut(rest, " ")
			if word == "SEARCH" {
				say("* SEARCH%s\r\n", s.search(rest, true))
			} else {
				alive = s.fetch(say, rest, true)
			}
		}
		if !alive {
			return
		}
		say("%s OK done\r\n", tag)
	}
}

// search lists the mails of "UID set".
func (s *script) search(criteria string, byUID bool) string {
	_, set, _ := strings.Cut(criteria, "UID ")
	var out string
	for i, uid := range s.uids() {
		if inSet(set, uid) {
			if byUID {
				out += fmt.Sprintf(" %d", uid)
			} else {
				out += fmt.Sprintf(" %d", i+1)
			}
		}
	}
	return out
}

var sectionForm = regexp.MustCompile(`BODY\.PEEK\[(\w*)\](?:<(\d+)\.(\d+)>)?`)

func (s *script) fetch(say func(string, ...any), rest string, byUID bool) bool {
	set, items, _ := strings.Cut(rest, " ")
	for i, uid := range s.uids() {
		seq := uint32(i + 1)
		if byUID && !inSet(set, uid) || !byUID && !inSet(set, seq) {
			continue
		}
		raw := s.mails[uid]
		answer := fmt.Sprintf("UID %d", uid)
		if strings.Contains(items, "RFC822.SIZE") {
			size, ok := s.sizes[uid]
			if !ok {
				size = len(raw)
			}
			answer += fmt.Sprintf(" RFC822.SIZE %d", size)
		}
		if strings.Contains(items, "INTERNALDATE") {
			date, ok := s.dates[uid]
			if !ok {
				date = "02-Jan-2023 15:04:05 +0000"
			}
			answer += fmt.Sprintf(" INTERNALDATE %q", date)
		}
		if m := sectionForm.FindStringSubmatch(items); m != nil {
			truth, name := raw, "BODY["+m[1]+"]"
			if m[1] == "HEADER" {
				truth = headerOf(raw)
			}
			if m[2] != "" {
				from, _ := strconv.Atoi(m[2])
				n, _ := strconv.Atoi(m[3])
				from = min(from, len(truth))
				truth = truth[from:min(from+n, len(truth))]
				name += "<" + m[2] + ">"
			}
			if s.body != nil {
				said, alive := s.body(uid, m[0], truth)
				if said != "-" {
					say("%s", strings.ReplaceAll(said, "SEQ", fmt.Sprint(seq)))
					if !alive {
						return false
					}
					continue
				}
			}
			answer += fmt.Sprintf(" %s {%d}\r\n%s", name, len(truth), truth)
		}
		say("* %d FETCH (%s)\r\n", seq, answer)
	}
	return true
}

func inSet(set string, n uint32) bool {
	for _, part := range strings.Split(set, ",") {
		from, to, ranged := strings.Cut(part, ":")
		if !ranged {
			to = from
		}
		a, _ := strconv.ParseUint(from, 10, 32)
		b, err := strconv.ParseUint(to, 10, 32)
		if to == "*" || err != nil {
			b = 1<<32 - 1
		}
		if uint64(n) >= a && uint64(n) <= b {
			return true
		}
	}
	return false
}
