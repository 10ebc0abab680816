package main

import (
	"bytes"
	"context"
	"maps"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// columns are two and more blanks apart.
var columns = regexp.MustCompile(`\s{2,}`)

// table reads the rows under the heading that begins with a word: each a map
// from the column's heading to what stands there.
func table(t *testing.T, out, first string) []map[string]string {
	t.Helper()
	var head []string
	var rows []map[string]string
	for line := range strings.Lines(out) {
		cells := columns.Split(strings.TrimSpace(line), -1)
		switch {
		case head == nil && strings.HasPrefix(line, first+" "):
			head = cells
		case head == nil:
		case strings.TrimSpace(line) == "":
			return rows
		case len(cells) != len(head):
			t.Fatalf("%d cells under %d headings: %q", len(cells), len(head), line)
		default:
			row := map[string]string{}
			for i, name := range head {
				row[name] = cells[i]
			}
			rows = append(rows, row)
		}
	}
	if head == nil {
		t.Fatalf("there is no table %s:\n%s", first, out)
	}
	return rows
}

// TestDemo plays the demo once and reads what it prints.
func TestDemo(t *testing.T) {
	code, out, err := command(t, nil, "demo", "--once")
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, err)
	}
	if err != "" { // once a crowded machine may be the cause, such as an answer that came late
		if _, _, again := command(t, nil, "demo", "--once"); again != "" {
			t.Errorf("it complains:\n%s\nand again:\n%s", err, again)
		}
	}
	tickets := map[string]map[string]string{} // by title
	numbers := map[string]bool{}
	for _, row := range table(t, out, "TICKET") {
		tickets[row["TITLE"]] = row
		numbers[row["TICKET"]] = true
	}
	if want := []string{"#1", "#10", "#11", "#2", "#3", "#4", "#5", "#6", "#7", "#8", "#9"}; !slices.Equal(slices.Sorted(maps.Keys(numbers)), want) || len(tickets) != len(want) {
		t.Fatalf("want the tickets %v:\n%s", want, out)
	}
	for title, want := range map[string]map[string]string{
		"Cannot log in since this morning":     {"MESSAGES": "5", "TEAM": "support", "PRIORITY": "MEDIUM", "SOURCE": "EMAIL"},
		"Re: Cannot log in since this morning": {"MESSAGES": "1", "TEAM": "support"},
		"Your API is down for us":              {"MESSAGES": "1", "TEAM": "support", "PRIORITY": "URGENT"},
		"Facture / invoice 2231":               {"MESSAGES": "1", "TEAM": "billing", "ASSIGNEE": "chen", "ROUTE": "money"},
		"Refund for a double payment":          {"MESSAGES": "1", "TEAM": "billing", "ASSIGNEE": "chen", "ROUTE": "money"},
		"Unable to access account":             {"MESSAGES": "2", "TEAM": "team-456", "PRIORITY": "HIGH", "ASSIGNEE": "-"},
		"Where is my order?":                   {"MESSAGES": "3", "TEAM": "support", "SOURCE": "WEB_FORM", "ROUTE": "source site"},
		"My parcel is not here yet":            {"MESSAGES": "4", "TEAM": "support", "SOURCE": "CHAT", "ROUTE": "source telegram"},
		"The build server has no space left":   {"MESSAGES": "3", "TEAM": "support", "SOURCE": "MS_TEAMS", "ROUTE": "source teams"},
	} {
		for column, value := range want {
			if got := tickets[title][column]; got != value {
				t.Errorf("ticket %q: %s is %q, want %q", title, column, got, value)
			}
		}
	}
	due := regexp.MustCompile(`^(Mon|Tue|Wed|Thu|Fri) \d{4}-\d\d-\d\d (09|1[0-7]):\d\d CES?T$`)
	turns := map[string]int{}
	for title, row := range tickets {
		if row["TEAM"] != "team-456" && !due.MatchString(row["NEXT DUE"]) {
			t.Errorf("ticket %q is due %q, want opening hours in Berlin", title, row["NEXT DUE"])
		}
		if row["TEAM"] == "support" {
			turns[row["ASSIGNEE"]]++
		}
	}
	if len(turns) != 2 || turns["ada"] != 4 || turns["bo"] != 4 {
		t.Errorf("round robin gave %v, want four each to ada and bo", turns)
	}
	if printer := slices.IndexFunc(slices.Collect(maps.Keys(tickets)), func(s string) bool { return strings.Contains(s, "The printer on floor") }); printer < 0 {
		t.Errorf("no ticket from Slack:\n%s", out)
	}

	messages := map[string]map[string]string{}
	for _, row := range table(t, out, "MESSAGE") {
		messages[row["MESSAGE"]] = row
	}
	for id, want := range map[string][2]string{
		"ooo.9@umbrella.example": {"dropped", "automatic reply (Auto-Submitted is auto-replied"},
		"both.1@hooli.example":   {"duplicate", "the same message "},
	} {
		if got := messages[id]; got["STATE"] != want[0] || !strings.HasPrefix(got["BECAUSE"], want[1]) {
			t.Errorf("message %s is %s because %q, want %v", id, got["STATE"], got["BECAUSE"], want)
		}
	}
	if len(messages) != 2 {
		t.Errorf("%d messages made no entry, want 2:\n%s", len(messages), out)
	}

	// The answers arrived at the other sides, each in its form; no note did.
	const mailed = "We are on it: the status page <https://status.desk.example/> tells how far."
	arrived := map[string]int{}
	for _, row := range table(t, out, "ARRIVED") {
		want := map[string]string{"email": mailed, "slack": "We are *on it*: <https://status.desk.example/|the status page> tells how far.",
			"telegram": `We are <b>on it</b>: <a href="https://status.desk.example/">the status page</a> tells how far.`,
			"msteams":  `<p>We are <strong>on it</strong>: <a href="https://status.desk.example/">the status page</a> tells how far.</p>`}[row["ARRIVED"]]
		if row["TEXT"] != want {
			t.Errorf("%s got %q, want %q", row["ARRIVED"], row["TEXT"], want)
		}
		thread, _, _ := strings.Cut(row["THREAD"], ",")
		if row["ARRIVED"] != "email" {
			thread = ""
		}
		// Both wrote within the same second; who was filed last is answered.
		thread = strings.NewReplacer("alice@", "somebody@", "carl@", "somebody@").Replace(thread)
		arrived[row["ARRIVED"]+" "+thread]++
	}
	if want := map[string]int{"email mail to somebody@acme.example": 1, "email mail to hana@tyrell.example": 1, "slack ": 1, "msteams ": 1, "telegram ": 1}; !maps.Equal(arrived, want) {
		t.Errorf("arrived %v, want %v", arrived, want)
	}
	if !strings.Contains(out, "\n5 private notes were written beside them; 0 of them left.\n") {
		t.Errorf("the notes:\n%s", out)
	}

	stranger := tickets["Re: Cannot log in since this morning"]["TICKET"]
	related := regexp.MustCompile(`(?m)^(#\d+) is only related to another ticket, not joined to it: .*takes no part`).FindAllStringSubmatch(out, -1)
	if len(related) != 1 || related[0][1] != stranger {
		t.Errorf("want %s as the only one that is only related: %v", stranger, related)
	}
}

// ends ends something when somebody writes.
type ends struct{ end func() }

func (e ends) Write(p []byte) (int, error) { e.end(); return len(p), nil }

// TestDemoInterrupted: Ctrl-C while it sends is no failure, and nothing of it works any
// more when it returns.
func TestDemoInterrupted(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var err bytes.Buffer
	if code := run(ctx, []string{"demo", "--once"}, streams{strings.NewReader(""), ends{stop}, &err, noEnv}); code != 0 || strings.Contains(err.String(), "switchboard: ") { // a crowded machine logs more
		t.Errorf("exit code %d: %s", code, &err)
	}
	stacks := make([]byte, 1<<20)
	if text := string(stacks[:runtime.Stack(stacks, true)]); strings.Contains(text, ").serve(") {
		t.Errorf("it serves on in a house that is closed:\n%s", text)
	}
}
