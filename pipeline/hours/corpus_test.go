package hours

import (
	"bufio"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// floor is how many cases of the corpus pass today: all of them.
const floor = 75

type corpusCase struct {
	ID       string `json:"id"`
	Op       string `json:"op"`
	Calendar struct {
		Zone     string                 `json:"time_zone"`
		Hours    map[string][][2]string `json:"hours"`
		Holidays []string               `json:"holidays"`
	} `json:"calendar"`
	Start   time.Time `json:"start"`
	End     time.Time `json:"end"`
	At      time.Time `json:"at"`
	Seconds int64     `json:"seconds"`
	Expect  struct {
		Instant   time.Time `json:"instant"`
		OrInstant time.Time `json:"or_instant"`
		Seconds   int64     `json:"seconds"`
		Open      bool      `json:"open"`
	} `json:"expect"`
}

func TestCorpus(t *testing.T) {
	file, err := os.Open(filepath.Join(corpus(t), "hours", "cases.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	passed := 0
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		var tc corpusCase
		if err := json.Unmarshal(lines.Bytes(), &tc); err != nil {
			t.Fatal(err)
		}
		if t.Run(tc.ID, tc.run) {
			passed++
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	if passed < floor {
		t.Errorf("%d cases passed, the floor is %d", passed, floor)
	}
}

func (tc corpusCase) run(t *testing.T) {
	c := tc.calendar(t)
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	switch tc.Op {
	case "add":
		got, err := c.Add(tc.Start, time.Duration(tc.Seconds)*time.Second)
		if err != nil || !got.Equal(tc.Expect.Instant) && !got.Equal(tc.Expect.OrInstant) {
			t.Errorf("Add = %s, %v; want %s", got.UTC(), err, tc.Expect.Instant)
		}
	case "elapsed":
		if got, want := c.Between(tc.Start, tc.End), time.Duration(tc.Expect.Seconds)*time.Second; got != want {
			t.Errorf("Between = %s, want %s", got, want)
		}
	case "in_hours":
		if got := c.Open(tc.At); got != tc.Expect.Open {
			t.Errorf("Open = %v", got)
		}
	default:
		t.Errorf("unknown operation %q", tc.Op)
	}
}

func (tc corpusCase) calendar(t *testing.T) *Calendar {
	days := map[string]time.Weekday{"sun": 0, "mon": 1, "tue": 2, "wed": 3, "thu": 4, "fri": 5, "sat": 6}
	c := &Calendar{Name: tc.ID, Location: location(t, tc.Calendar.Zone), Holidays: map[Date]string{}}
	for name, windows := range tc.Calendar.Hours {
		day, known := days[name]
		if !known {
			t.Fatalf("unknown weekday %q", name)
		}
		for _, edges := range windows {
			w, err := ParseWindow(edges[0] + "-" + edges[1])
			if err != nil {
				t.Fatal(err)
			}
			c.Week[day] = append(c.Week[day], w)
		}
	}
	for _, s := range tc.Calendar.Holidays {
		date, err := ParseDate(s)
		if err != nil {
			t.Fatal(err)
		}
		c.Holidays[date] = "holiday"
	}
	return c
}

// corpus finds the shared test corpus, which is not part of the repository.
func corpus(t *testing.T) string {
	t.Helper()
	path := os.Getenv("SWITCHBOARD_CORPUS")
	if path == "" {
		path = filepath.Join("..", "..", "..", "shared", "corpus")
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		if os.Getenv("CI") != "" {
			t.Fatalf("no test corpus at %s", path)
		}
		t.Skipf("no test corpus at %s; set SWITCHBOARD_CORPUS", path)
	}
	return path
}
