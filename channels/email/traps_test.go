package email

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"switchboard/pipeline/desk"
)

// inbox makes a scripted folder of n small mails with UIDs 1..n.
func inbox(n int) *script {
	s := &script{mails: map[uint32][]byte{}}
	for i := range n {
		s.mails[uint32(i+1)] = rawMail(i+1, 300)
	}
	return s
}

func (s *script) all() [][]byte {
	var out [][]byte
	for _, uid := range s.uids() {
		out = append(out, s.mails[uid])
	}
	return out
}

func response(uid uint32, truth []byte) string {
	return fmt.Sprintf("* SEQ FETCH (UID %d BODY[] {%d}\r\n%s)\r\n", uid, len(truth), truth)
}

func read(t *testing.T, s *script, n int, change ...func(*adapter)) *ledger {
	t.Helper()
	s.start(t)
	l := newLedger()
	start(t, newAdapter(t, l, account(s.addr()), change...))
	l.awaitRows(t, n)
	l.inOrder(t)
	return l
}

func TestAnswersThatLackMails(t *testing.T) {
	left := map[uint32]int{2: 1, 5: 1}
	s := inbox(6)
	s.body = func(uid uint32, _ string, truth []byte) (string, bool) {
		if left[uid] > 0 {
			left[uid]--
			return "", true
		}
		return "-", true
	}
	read(t, s, 6).exactly(t, s.all())
}

// The flags of a mail, changed by somebody else, come as a FETCH answer of their
// own; the library takes it for the answer and drops the mail.
func TestFlagsBetweenBodies(t *testing.T) {
	first := true
	s := inbox(4)
	s.body = func(uid uint32, _ string, truth []byte) (string, bool) {
		if uid == 3 && first {
			first = false
			return "* SEQ FETCH (UID 3 FLAGS (\\Seen))\r\n" + response(3, truth), true
		}
		return "-", true
	}
	read(t, s, 4).exactly(t, s.all())
}

func TestBodyBeforeUID(t *testing.T) {
	s := inbox(4)
	s.body = func(uid uint32, _ string, truth []byte) (string, bool) {
		return fmt.Sprintf("* SEQ FETCH (BODY[] {%d}\r\n%s UID %d)\r\n", len(truth), truth, uid), true
	}
	read(t, s, 4).exactly(t, s.all())
}

// A mail that is gone between search and fetch is passed over; one that is
// still there and does not come is not.
func TestVanishedMail(t *testing.T) {
	s := inbox(5)
	gone := s.mails[3]
	s.body = func(uid uint32, _ string, _ []byte) (string, bool) {
		if uid == 3 {
			return "", true
		}
		return "-", true
	}
	s.command = func(line string) (string, bool) {
		if strings.HasSuffix(line, "SEARCH UID 3") {
			return "* SEARCH\r\nTAG OK done\r\n", true
		}
		return "", true
	}
	l := read(t, s, 4)
	want := s.all()
	want = append(want[:2], want[3:]...)
	l.exactly(t, want)
	for _, d := range l.drafts() {
		if bytes.Equal(l.blobs.get(t, d.Raw), gone) {
			t.Error("the vanished mail is there")
		}
	}
}

func TestSizesThatAreWrong(t *testing.T) {
	s := inbox(4)
	s.sizes = map[uint32]int{1: len(s.mails[1]) - 7, 2: 5, 4: 3}
	read(t, s, 4).exactly(t, s.all())

	s = inbox(3)
	s.sizes = map[uint32]int{2: 100000}
	l := read(t, s, 3)
	if d := l.drafts()[1]; len(d.Damage) != 1 || !strings.Contains(d.Damage[0], "announced 100000 bytes") {
		t.Errorf("damage %q", d.Damage)
	}

	s = inbox(3) // far larger than announced
	s.mails[2] = rawMail(2, 3<<20)
	s.sizes = map[uint32]int{2: 10}
	read(t, s, 3).exactly(t, s.all())
}

func TestUnreadableDates(t *testing.T) {
	s := inbox(5)
	s.dates = map[uint32]string{3: "yesterday"}
	s.mails[2] = append([]byte("Received: from a by b; Tue, 03 Jan 2023 01:02:03 +0000\r\n"), s.mails[2]...)
	now := time.Now()
	l := read(t, s, 5, func(a *adapter) { a.Now = func() time.Time { return now } })
	l.exactly(t, s.all())
	want := time.Date(2023, 1, 3, 1, 2, 3, 0, time.UTC)
	if at := l.drafts()[1].ReceivedAt; !at.Equal(want) {
		t.Errorf("received at %v, want what the Received field says, %v", at, want)
	}
	if at := l.drafts()[0].ReceivedAt; !at.Equal(now) {
		t.Errorf("received at %v, want now", at)
	}

	s = inbox(2)
	s.dates = map[uint32]string{1: "02-Jan-2099 15:04:05 +0000"}
	l = read(t, s, 2, func(a *adapter) { a.Now = func() time.Time { return now } })
	if at := l.drafts()[0].ReceivedAt; !at.Equal(now) {
		t.Errorf("received at %v, after now", at)
	}
}

// A mail that ends every connection is taken in parts, and the others are not
// held up by it.
func TestPoisonMail(t *testing.T) {
	for name, test := range map[string]struct {
		body func(section string, truth []byte) (string, bool)
		good func(t *testing.T, got, raw []byte, damage []string, text string)
	}{
		"whole mails kill, windows do not": {
			func(section string, truth []byte) (string, bool) {
				if section == "BODY.PEEK[]" {
					return "* SEQ FETCH (UID 3 BODY[] {100}\r\nabc", false
				}
				return "-", true
			},
			func(t *testing.T, got, raw []byte, damage []string, _ string) {
				if !bytes.Equal(got, raw) || len(damage) > 0 {
					t.Errorf("%d of %d bytes, damage %q", len(got), len(raw), damage)
				}
			},
		},
		"the end cannot be had": {
			func(section string, truth []byte) (string, bool) {
				if section == "BODY.PEEK[]" || strings.Contains(section, "<131072.") {
					return "* SEQ FETCH (UID 3 BODY[] {100}\r\nabc", false
				}
				return "-", true
			},
			func(t *testing.T, got, raw []byte, damage []string, _ string) {
				if !bytes.Equal(got, raw[:128<<10]) || len(damage) != 1 || !strings.Contains(damage[0], "only the first 131072 bytes") {
					t.Errorf("%d of %d bytes, damage %q", len(got), len(raw), damage)
				}
			},
		},
		"only the header": {
			func(section string, truth []byte) (string, bool) {
				if section != "BODY.PEEK[HEADER]" {
					return "* SEQ FETCH (UID 3 BODY[] {100}\r\nabc", false
				}
				return "-", true
			},
			func(t *testing.T, got, raw []byte, damage []string, text string) {
				if !bytes.Equal(got, headerOf(raw)) || len(damage) != 1 || !strings.Contains(damage[0], "only its header") || !strings.Contains(text, "only the header") {
					t.Errorf("%d of %d bytes, damage %q, text %q", len(got), len(raw), damage, text)
				}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := inbox(5)
			s.mails[3] = rawMail(3, 200<<10)
			s.body = func(uid uint32, section string, truth []byte) (string, bool) {
				if uid == 3 {
					return test.body(section, truth)
				}
				return "-", true
			}
			l := read(t, s, 5)
			d := l.drafts()[2]
			if d.ExternalID != "3@customer.example" || d.Subject != "Mail 3" {
				t.Errorf("draft %q, %q", d.ExternalID, d.Subject)
			}
			test.good(t, l.blobs.get(t, d.Raw), s.mails[3], d.Damage, d.Text)
		})
	}
}

// On a bad line every connection is cut inside the mail. What came before is
// kept, so that it is there in the end, whole.
func TestBadLine(t *testing.T) {
	s := inbox(5)
	s.mails[3] = rawMail(3, 18<<10)
	var windows atomic.Int32
	s.body = func(uid uint32, section string, truth []byte) (string, bool) {
		if uid != 3 {
			return "-", true
		}
		var from, most int
		if _, err := fmt.Sscanf(section, "BODY.PEEK[]<%d.%d>", &from, &most); err != nil {
			return fmt.Sprintf("* SEQ FETCH (UID 3 BODY[] {%d}\r\n%s", len(s.mails[3]), s.mails[3][:500]), false
		}
		rest := s.mails[3][min(from, len(s.mails[3])):]
		if windows.Add(1); len(rest) <= 1500 {
			return "-", true
		}
		return fmt.Sprintf("* SEQ FETCH (UID 3 BODY[]<%d> {%d}\r\n%s", from, len(rest), rest[:1500]), false
	}
	read(t, s, 5).exactly(t, s.all())
	if n := windows.Load(); n < 12 || n > 20 {
		t.Errorf("%d windows were asked for, want one for each cut and the end", n)
	}
}

// However often a line fails, less than the whole mail is taken only after a
// while, and then as much as there is.
func TestABadLineIsGivenTime(t *testing.T) {
	cut := func(string, []byte) (string, bool) { return "* SEQ FETCH (UID 2 BODY[] {100}\r\nabc", false }
	for name, test := range map[string]struct {
		body   func(section string, truth []byte) (string, bool)
		damage string
	}{
		"nothing": {cut, "nothing of it is here"},
		"the header": {func(section string, truth []byte) (string, bool) {
			if section == "BODY.PEEK[HEADER]" {
				return "-", true
			}
			return cut(section, truth)
		}, "only its header is here"},
		"the beginning": {func(section string, truth []byte) (string, bool) {
			if strings.Contains(section, "<0.") {
				return fmt.Sprintf("* SEQ FETCH (UID 2 BODY[]<0> {%d}\r\n%s", len(truth), truth[:200]), false
			}
			return cut(section, truth)
		}, "only the first 200 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			s := inbox(3)
			s.mails[2] = rawMail(2, 18<<10)
			s.body = func(uid uint32, section string, truth []byte) (string, bool) {
				if uid == 2 {
					return test.body(section, truth)
				}
				return "-", true
			}
			s.start(t)
			var late atomic.Int64
			began := time.Now()
			tries := make(chan struct{}, 1000)
			l := newLedger()
			start(t, newAdapter(t, l, account(s.addr()), func(a *adapter) {
				a.settings.Timeouts.GiveUp = time.Minute
				a.Now = func() time.Time { return began.Add(time.Duration(late.Load())) }
				a.pace.sleep = func(ctx context.Context, _ time.Duration) {
					select {
					case tries <- struct{}{}:
					case <-ctx.Done():
					}
				}
			}))
			for range 4 * hopelessAfter {
				<-tries
			}
			if n := len(l.drafts()); n != 1 {
				t.Errorf("%d mails were taken, want the one before the mail that does not come", n)
			}
			late.Store(int64(2 * time.Minute))
			l.awaitRows(t, 3)
			if d := l.drafts()[1]; len(d.Damage) != 1 || !strings.Contains(d.Damage[0], test.damage) {
				t.Errorf("damage %q", d.Damage)
			}
		})
	}
}

func TestMailOfWhichNothingComes(t *testing.T) {
	s := inbox(5)
	s.body = func(uid uint32, _ string, _ []byte) (string, bool) {
		if uid == 3 {
			return "* SEQ FETCH (UID 3 BODY[] {100}\r\nabc", false
		}
		return "-", true
	}
	s.start(t)
	l := newLedger()
	start(t, newAdapter(t, l, account(s.addr())))
	l.awaitRows(t, 5)
	d := l.drafts()[2]
	if d.ExternalID != "imap:INBOX;uidvalidity=7;uid=3" || d.Text == "" || len(d.Damage) != 1 || d.ReceivedAt.IsZero() || !d.Raw.IsZero() {
		t.Errorf("draft %+v", d)
	}
	if got := l.cursor("INBOX").LastUID; got != 5 {
		t.Errorf("cursor at %d", got)
	}
}

// Untagged answers that the library does not know end the connection; it must
// be made anew, without loss.
func TestUnknownAnswers(t *testing.T) {
	var times atomic.Int32
	s := inbox(5)
	s.body = func(uid uint32, _ string, truth []byte) (string, bool) {
		if uid == 4 && times.Add(1) < 3 {
			return "* VANISHED 1:2\r\n", true
		}
		return "-", true
	}
	read(t, s, 5).exactly(t, s.all())
}

func TestIdleRefused(t *testing.T) {
	s := inbox(2)
	s.caps = "IMAP4rev1 IDLE"
	s.command = func(line string) (string, bool) {
		if line == "IDLE" {
			return "TAG NO not today\r\n", true
		}
		return "", true
	}
	read(t, s, 2, poll(5*time.Millisecond))
	s.await(t, "polling", func(lines []string) bool { return has(lines, "EXAMINE") >= 4 })
	if n := s.count("LOGIN"); n != 1 {
		t.Errorf("%d logins", n)
	}
	if n := s.count("IDLE"); n != 1 {
		t.Errorf("IDLE was tried %d times", n)
	}
}

// IDLE is issued anew long before the library would, and a search follows: mail
// that the server forgot to announce is found.
func TestIdleIsRenewed(t *testing.T) {
	var hidden atomic.Bool
	hidden.Store(true)
	s := inbox(3)
	s.caps = "IMAP4rev1 IDLE"
	s.command = func(line string) (string, bool) {
		if strings.HasPrefix(line, "UID SEARCH UID 3:") && hidden.Load() {
			return "* SEARCH 2\r\nTAG OK done\r\n", true
		}
		if strings.HasPrefix(line, "UID SEARCH UID 1:") {
			return "* SEARCH 1 2\r\nTAG OK done\r\n", true
		}
		return "", true
	}
	l := read(t, s, 2, poll(time.Hour), func(a *adapter) { a.pace.idleMin, a.pace.idleMax = time.Millisecond, 3*time.Millisecond })
	s.await(t, "several IDLEs", func(lines []string) bool { return has(lines, "IDLE") >= 5 })
	hidden.Store(false)
	l.awaitRows(t, 3)
	l.exactly(t, s.all())
	if n := s.count("LOGIN"); n != 1 {
		t.Errorf("%d logins", n)
	}
}

// Nothing is asked that some server answers badly, and nothing that changes a
// mailbox.
func TestWhatIsSaid(t *testing.T) {
	s := inbox(3)
	read(t, s, 3)
	for _, bad := range []string{"ENVELOPE", "BODYSTRUCTURE", "X-GM", "ENABLE", "STORE", "SELECT", "EXPUNGE", "BODY[", "RFC822 ", "CONDSTORE"} {
		if n := s.count(bad); n > 0 {
			t.Errorf("%s was said %d times", bad, n)
		}
	}
}

// A server that copies and then lets nobody delete gets one copy, however often
// the rest is tried.
func TestMoveCopiesOnce(t *testing.T) {
	s := inbox(3)
	s.caps = "IMAP4rev1 UIDPLUS"
	s.command = func(line string) (string, bool) {
		switch {
		case strings.HasPrefix(line, "UID COPY"):
			return "TAG OK done\r\n", true
		case strings.HasPrefix(line, "UID STORE"):
			return "TAG NO [NOPERM] you may not delete\r\n", true
		}
		return "", true
	}
	s.start(t)
	l := newLedger()
	var minutes atomic.Int64 // each look at the clock is a minute later
	start(t, newAdapter(t, l, account(s.addr(), "moveTo: Done"), poll(5*time.Millisecond), func(a *adapter) {
		begin := time.Now()
		a.Now = func() time.Time { return begin.Add(time.Duration(minutes.Add(1)) * time.Minute) }
		a.pace.leaseTTL = 1000 * time.Hour
	}))
	l.awaitRows(t, 3)
	l.settle(func(*desk.Draft) desk.State { return desk.Filed })
	s.await(t, "three tries", func(lines []string) bool { return has(lines, "UID STORE") >= 3 })
	if n := s.count("UID COPY"); n != 1 {
		t.Errorf("the mails were copied %d times", n)
	}
}

// Without MOVE each step waits for the one before.
func TestMoveWithoutMove(t *testing.T) {
	for _, test := range []struct {
		name, caps, copy string
		want             []string
	}{
		{"UIDPLUS", "IMAP4rev1 UIDPLUS", "", []string{"UID COPY 1:3", "UID STORE 1:3 +FLAGS.SILENT (\\Deleted)", "UID EXPUNGE 1:3"}},
		{"neither", "IMAP4rev1", "", []string{"UID COPY 1:3", "UID STORE 1:3 +FLAGS.SILENT (\\Deleted)"}},
		{"copy fails", "IMAP4rev1 UIDPLUS", "TAG NO over quota\r\n", []string{"UID COPY 1:3"}},
		{"no such folder", "IMAP4rev1 UIDPLUS MOVE", "TAG NO [TRYCREATE] what folder\r\n", []string{"UID MOVE 1:3", "CREATE", "UID MOVE 1:3"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := inbox(3)
			s.caps = test.caps
			s.command = func(line string) (string, bool) {
				if test.copy != "" && (strings.HasPrefix(line, "UID COPY") || strings.HasPrefix(line, "UID MOVE")) {
					return test.copy, true
				}
				for _, word := range []string{"UID COPY", "UID STORE", "UID EXPUNGE", "UID MOVE", "CREATE"} {
					if strings.HasPrefix(line, word) {
						return "TAG OK done\r\n", true
					}
				}
				return "", true
			}
			s.start(t)
			l := newLedger()
			start(t, newAdapter(t, l, account(s.addr(), "moveTo: Done"), poll(5*time.Millisecond)))
			l.awaitRows(t, 3)
			l.mu.Lock()
			for _, r := range l.rows {
				l.states[r.ID] = "filed"
			}
			l.mu.Unlock()
			last := test.want[len(test.want)-1]
			s.await(t, last+" and two polls", func(lines []string) bool {
				for i, line := range lines {
					if strings.HasPrefix(line, last) && has(lines, last) == has(test.want, last) {
						return has(lines[i:], "SELECT") >= 2
					}
				}
				return false
			})
			s.mu.Lock()
			defer s.mu.Unlock()
			var said []string
			for _, line := range s.lines {
				for _, word := range []string{"UID COPY", "UID STORE", "UID EXPUNGE", "UID MOVE", "CREATE", "EXPUNGE"} {
					if strings.HasPrefix(line, word) {
						said = append(said, line)
					}
				}
			}
			if len(said) != len(test.want) {
				t.Fatalf("said %q, want %q", said, test.want)
			}
			for i := range said {
				if !strings.HasPrefix(said[i], test.want[i]) {
					t.Errorf("said %q, want %q", said[i], test.want[i])
				}
			}
		})
	}
}

// What our own store does not take is not held against a mail that is fetched
// meanwhile.
func TestOurFailureIsNotHeldAgainstAMail(t *testing.T) {
	s := inbox(2)
	s.mails[2] = rawMail(2, 3<<20)
	var down atomic.Bool
	down.Store(true)
	ended := make(chan struct{}, 1)
	s.body = func(uid uint32, _ string, _ []byte) (string, bool) {
		if uid == 2 && down.Load() {
			select {
			case <-ended: // the session is over before its header comes
			case <-t.Context().Done():
			}
		}
		return "-", true
	}
	s.start(t)
	began := time.Now()
	var late atomic.Int64
	l := newLedger()
	l.refuse = func([]*desk.Draft) error {
		if down.Load() {
			return errDown
		}
		return nil
	}
	sessions := 0
	start(t, newAdapter(t, l, account(s.addr(), "maxMessageBytes: 8192", "maxStoredBytes: 8192"), func(a *adapter) {
		a.Now = func() time.Time { return began.Add(time.Duration(late.Add(int64(time.Minute)))) }
		a.pace.sleep = func(context.Context, time.Duration) {
			select {
			case ended <- struct{}{}:
			default:
			}
			if sessions++; sessions == hopelessAfter+rescueAfter {
				down.Store(false)
			}
		}
	}))
	l.awaitRows(t, 2)
	if d := l.drafts()[1]; d.Subject != "Mail 2" || len(d.Damage) != 1 || !strings.Contains(d.Damage[0], "maxStoredBytes") {
		t.Errorf("subject %q, damage %q", d.Subject, d.Damage)
	}
}

// A server that makes a folder anew and gives it the UIDVALIDITY it had begins to
// count its mails again: they are read, and those too that come while nobody reads.
func TestFolderMadeAnewUnderItsUIDVALIDITY(t *testing.T) {
	l := newLedger()
	var all [][]byte
	mails := func(from int, uids ...uint32) map[uint32][]byte {
		out := map[uint32][]byte{}
		for i, uid := range uids {
			out[uid] = rawMail(from+i, 300)
			all = append(all, out[uid])
		}
		return out
	}
	// process reads what a server has that says these UIDNEXTs, one each time the
	// folder is opened.
	process := func(rows int, cursor uint32, mails map[uint32][]byte, next ...int) {
		t.Helper()
		s, times := &script{mails: mails}, atomic.Int64{}
		s.command = func(line string) (string, bool) {
			if !strings.HasPrefix(line, "EXAMINE") {
				return "", true
			}
			n := next[min(int(times.Add(1)), len(next))-1]
			return fmt.Sprintf("* %d EXISTS\r\n* 0 RECENT\r\n* FLAGS ()\r\n* OK [UIDVALIDITY 7] .\r\n* OK [UIDNEXT %d] .\r\nTAG OK done\r\n", len(mails), n), true
		}
		s.start(t)
		stop := start(t, newAdapter(t, l, account(s.addr()), poll(5*time.Millisecond)))
		defer stop()
		l.awaitRows(t, rows)
		l.await(t, "the cursor", func() bool { return l.cursors["support/INBOX"].LastUID == cursor })
		s.await(t, "polling", func(lines []string) bool { return has(lines, "EXAMINE") >= len(next)+2 })
	}
	process(5, 5, mails(0, 1, 2, 3, 4, 5), 6)
	process(7, 2, mails(5, 1, 2), 1000, 1000, 3)                             // made anew while it is read
	process(11, 6, mails(7, 3, 4, 5, 6), 7)                                  // the UIDs pass where they were
	process(14, 3, mails(11, 1, 2, 3), 4)                                    // made anew while nobody read
	process(14, 3, map[uint32][]byte{1: all[11], 2: all[12], 3: all[13]}, 2) // it counts wrongly: nothing is read again
	l.exactly(t, all)
	if n := l.repeats(); n != 0 {
		t.Errorf("%d mails were read again", n)
	}
}
