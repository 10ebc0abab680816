package workers

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"switchboard/pipeline/desk"
)

// Journal is a file that says which receipts this process has in hand, for a
// house whose Redis dies with it: there [hands] know nothing after a crash, and a
// message that kills its process would do so at every start. What the file still
// names at the next start was in hand when the process died, and goes to
// [suspects]; so does what waited there for its turn.
//
// A line is JSON: an entry with its task, the key of one that ended, or what the
// books know the process by, which find by it what it was sending. Lines are
// not flushed to the disk: what they must outlive is the process, not the machine.
// A file that cannot be written is said once and costs nothing else. A nil
// *Journal knows nothing. It is safe for concurrent use by one process; two must
// not share a file.
type Journal struct {
	path string
	log  *slog.Logger
	now  func() time.Time

	mu      sync.Mutex
	file    *os.File
	size    int64
	next    int
	failing bool
	live    map[string]note
	left    map[string]note              // of the process before, until Resume
	holder  string                       // what the books know this process by, and until then the one before
	waiting map[desk.ReceiptID]time.Time // suspects, and since when they wait
}

// note is a line of the file.
type note struct {
	Key   string `json:"key"`
	Task  *task  `json:"task,omitempty"` // nil: the entry ended
	Begun bool   `json:"begun,omitempty"`
	// Holder is what the books know a process by that sends answers.
	Holder string `json:"holder,omitempty"`
}

const (
	journalIdle  = 64 << 10         // a file without entries is emptied from here on
	journalMost  = 8 << 20          // and any file is written anew from here on
	suspectWaits = 10 * time.Minute // a suspect that waits longer was lost by the queue
)

// OpenJournal opens the file or makes it, and reads what is left in it. A line
// that was cut off is passed over.
func OpenJournal(path string, now func() time.Time, log *slog.Logger) (*Journal, error) {
	j := &Journal{path: path, log: log, now: now, live: map[string]note{}, left: map[string]note{}, waiting: map[desk.ReceiptID]time.Time{}}
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("workers: journal: %w", err)
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, journalMost)
	for lines.Scan() {
		var n note
		switch err := json.Unmarshal(lines.Bytes(), &n); {
		case err == nil && n.Holder != "":
			j.holder = n.Holder
		case err != nil || n.Key == "":
		case n.Task == nil:
			delete(j.left, n.Key)
		case len(n.Task.Receipts) > 0:
			j.left[n.Key] = n
		}
		if k, err := strconv.Atoi(n.Key); err == nil {
			j.next = max(j.next, k+1)
		}
	}
	if j.file, err = os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600); err != nil {
		return nil, fmt.Errorf("workers: journal: %w", err)
	}
	j.size = int64(len(text))
	if j.size > 0 && text[j.size-1] != '\n' {
		j.append([]byte{'\n'}) // so that what was cut off spoils no line of ours
	}
	return j, nil
}

// Close closes the file.
func (j *Journal) Close() error {
	if j == nil {
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.file.Close()
}

// took notes a task that is in hand until the returned function is called.
func (j *Journal) took(t task) (done func()) {
	if j == nil {
		return func() {}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	key := strconv.Itoa(j.next)
	j.next++
	j.put(note{Key: key, Task: &t, Begun: true})
	if t.Deaths > 0 {
		j.drop(waitKey(t)) // it waits no more
	}
	return func() {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.drop(key)
	}
}

// waits notes a task of suspects that is about to be queued; see freed.
func (j *Journal) waits(t task) {
	if j == nil || len(t.Receipts) == 0 {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, id := range t.Receipts {
		j.waiting[id] = j.now()
	}
	j.put(note{Key: waitKey(t), Task: &t})
}

// freed says that a task of suspects had its turn.
func (j *Journal) freed(t task) {
	if j == nil || len(t.Receipts) == 0 {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, id := range t.Receipts {
		delete(j.waiting, id)
	}
	j.drop(waitKey(t))
}

func waitKey(t task) string { return "waits " + string(t.Receipts[0]) }

// others leaves out the receipts that wait as suspects: whoever else has them in
// a task must not run them beside their neighbours.
func (j *Journal) others(ids []desk.ReceiptID) []desk.ReceiptID {
	if j == nil {
		return ids
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.waiting) == 0 {
		return ids
	}
	return slices.DeleteFunc(slices.Clone(ids), func(id desk.ReceiptID) bool {
		since, waits := j.waiting[id]
		return waits && j.now().Sub(since) < suspectWaits
	})
}

// before are the entries that the process before left.
func (j *Journal) before() []note {
	if j == nil {
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.SortedFunc(maps.Values(j.left), func(a, b note) int { return bytes.Compare([]byte(a.Key), []byte(b.Key)) })
}

// holds notes what the books know this process by from now on.
func (j *Journal) holds(name string) {
	if j == nil {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.holder = name
	j.line(note{Holder: name})
}

// heldBy is what the books knew the process before by.
func (j *Journal) heldBy() string {
	if j == nil {
		return ""
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.holder
}

// resumed forgets what before returned: it is noted anew, or settled.
func (j *Journal) resumed() {
	if j == nil {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.left) > 0 {
		clear(j.left)
		j.rewrite()
	}
}

// put and drop write a line; mu is held.
func (j *Journal) put(n note) {
	j.live[n.Key] = n
	j.line(n)
}

func (j *Journal) drop(key string) {
	if _, there := j.live[key]; !there {
		return
	}
	delete(j.live, key)
	if len(j.live)+len(j.left) == 0 && j.size > journalIdle || j.size > journalMost {
		j.rewrite()
		return
	}
	j.line(note{Key: key})
}

func (j *Journal) line(n note) {
	b, err := json.Marshal(n)
	if err != nil {
		j.trouble(err)
		return
	}
	j.append(append(b, '\n'))
}

func (j *Journal) append(b []byte) {
	n, err := j.file.Write(b)
	j.size += int64(n)
	j.trouble(err)
}

// rewrite makes a new file of what is live. A process that dies meanwhile leaves
// the old one.
func (j *Journal) rewrite() {
	var text bytes.Buffer
	if j.holder != "" {
		b, err := json.Marshal(note{Holder: j.holder})
		if err != nil {
			j.trouble(err)
			return
		}
		text.Write(append(b, '\n'))
	}
	for _, notes := range []map[string]note{j.left, j.live} {
		for _, n := range notes {
			b, err := json.Marshal(n)
			if err != nil {
				j.trouble(err)
				return
			}
			text.Write(append(b, '\n'))
		}
	}
	next := j.path + ".next"
	err := os.WriteFile(next, text.Bytes(), 0o600)
	if err == nil {
		err = os.Rename(next, j.path)
	}
	var file *os.File
	if err == nil {
		file, err = os.OpenFile(j.path, os.O_WRONLY|os.O_APPEND, 0o600)
	}
	if err == nil {
		j.file.Close()
		j.file, j.size = file, int64(text.Len())
	}
	j.trouble(err)
}

func (j *Journal) trouble(err error) {
	if err != nil && !j.failing {
		j.log.Warn("cannot note what is in hand", "error", err)
	}
	j.failing = err != nil
}
