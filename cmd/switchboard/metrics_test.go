package main

import (
	"bufio"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"switchboard/pipeline/desk"
)

// quickHealth is a part of a config under which the watchman looks often.
const quickHealth = "\nhealth: { every: 100ms, timeout: 1s }\n"

// family is a metric as its registry has it.
type family struct {
	kind   string
	labels []string
	values map[string]float64 // by labels, "a=b,c=d"; a histogram's count
}

// families gathers everything of ours.
func (l *lived) families() map[string]family {
	l.t.Helper()
	all, err := l.registry.Gather()
	if err != nil {
		l.t.Fatal(err)
	}
	out := map[string]family{}
	for _, f := range all {
		out[f.GetName()] = familyOf(f)
	}
	return out
}

func familyOf(f *dto.MetricFamily) family {
	got := family{kind: strings.ToLower(f.GetType().String()), values: map[string]float64{}}
	for _, m := range f.GetMetric() {
		var names, pairs []string
		for _, p := range m.GetLabel() {
			names = append(names, p.GetName())
			pairs = append(pairs, p.GetName()+"="+p.GetValue())
		}
		got.labels = names
		got.values[strings.Join(pairs, ",")] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
	}
	return got
}

// documented reads the tables of docs/metrics.md.
func documented(t *testing.T) map[string]family {
	t.Helper()
	f, err := os.Open(filepath.Join("..", "..", "docs", "metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	row := regexp.MustCompile("^\\| `(switchboard_[a-z_]+)` \\| (counter|gauge|histogram) \\|([a-z_, ]*)\\| ([^|]+) \\| ([^|]+) \\|$")
	out := map[string]family{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if !strings.HasPrefix(lines.Text(), "| `switchboard_") {
			continue
		}
		m := row.FindStringSubmatch(lines.Text())
		if m == nil {
			t.Errorf("cannot be read: %s", lines.Text())
			continue
		}
		if _, twice := out[m[1]]; twice {
			t.Errorf("%s is documented twice", m[1])
		}
		labels := strings.FieldsFunc(m[3], func(r rune) bool { return r == ',' || r == ' ' })
		slices.Sort(labels)
		out[m[1]] = family{kind: m[2], labels: labels}
	}
	return out
}

// The page says exactly what a whole house measures: names, types and labels.
func TestMetricsAreDocumented(t *testing.T) {
	l := openStreetOn(t, string(demoConfig)+quickHealth)
	l.run()
	l.post1("ann@example.com", "1@example.com", "", "Help", "Please.")
	l.filed(1)
	l.ask("", "GET", "/nothing", "").want(t, 404)
	if status, err := l.postNonsense(); err != nil || status < 400 {
		t.Fatalf("%d, %v", status, err)
	}
	// What is counted is counted a moment after it is done, and the watchman's questions
	// may take longer than he waits.
	want := documented(t)
	var got map[string]family
	l.until(func() string {
		got = l.families()
		return notYet(got, want)
	})
	for _, name := range slices.Sorted(maps.Keys(got)) {
		f := got[name]
		if !strings.HasPrefix(name, "switchboard_") {
			continue
		}
		w, ok := want[name]
		if !ok {
			t.Errorf("%s %v is not in docs/metrics.md", name, f.labels)
			continue
		}
		if w.kind != f.kind || !slices.Equal(w.labels, f.labels) {
			t.Errorf("%s is a %s with %v, docs/metrics.md says a %s with %v", name, f.kind, f.labels, w.kind, w.labels)
		}
	}
	for _, stage := range []string{"stage=loop", "stage=sla"} { // again where a task was sent twice
		if n := got["switchboard_stage_seconds"].values[stage]; n < 1 {
			t.Errorf("switchboard_stage_seconds{%s} is %v, want 1 at least", stage, n)
		}
	}
	if free := got["switchboard_blob_free_bytes"].values[""]; free <= 0 {
		t.Errorf("%v bytes are free", free)
	}
	if last := got["switchboard_mailbox_last_message_timestamp_seconds"].values["folder=INBOX,source=support"]; time.Since(time.Unix(int64(last), 0)) > time.Hour {
		t.Errorf("the last message came at %v", last)
	}
}

// notYet says what of the documented metrics is not measured, or is not what one mail and
// two calls make of it.
func notYet(got, want map[string]family) string {
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if strings.HasPrefix(name, "switchboard_canary_") {
			continue // where canaries are sent: see TestCanaries
		}
		if _, ok := got[name]; !ok {
			return fmt.Sprintf("docs/metrics.md lists %s, and nothing measures it", name)
		}
	}
	for name, pairs := range map[string]map[string]float64{
		"switchboard_accepted_total":       {"source=support": 1, "source=api": 0},
		"switchboard_dependency_up":        {"dependency=database": 1, "dependency=queue": 1, "dependency=blobs": 1},
		"switchboard_lag_seconds":          {"source=support": 1},
		"switchboard_source_lag_seconds":   {"source=support": 1},
		"switchboard_mailbox_connected":    {"folder=INBOX,source=support": 1},
		"switchboard_mailbox_lease_held":   {"source=support": 1},
		"switchboard_http_request_seconds": {"route=none,status=404": 1},
		"switchboard_ledger_receipts":      {"state=failed": 0, "state=held": 0},
		"switchboard_deliveries_total":     {"result=sent,source=support": 0},
	} {
		for labels, value := range pairs {
			if v, ok := got[name].values[labels]; !ok || v != value {
				return fmt.Sprintf("%s{%s} is %v (%t), want %v", name, labels, v, ok, value)
			}
		}
	}
	return ""
}

// What strangers choose is never a label.
func TestMetricsAreBounded(t *testing.T) {
	l := live(t, "teams: [{ id: support }]"+quickHealth)
	l.answer()
	count := func() (n int) {
		for _, f := range l.families() {
			n += len(f.values)
		}
		return n
	}
	key := l.newKey(desk.RoleAdmin)
	round := func(i int) {
		l.ask(key, "POST", "/v1/tickets", fmt.Sprintf(`{"title":"t%d","customer":{"email":"c%d@example.com"}}`, i, i))
		l.ask("", "GET", fmt.Sprintf("/no/such/%d", i), "")
		l.ask(key, "GET", fmt.Sprintf("/v1/tickets/%d", 100+i), "")
	}
	round(0)
	l.until(func() string {
		f := l.families()
		for _, name := range []string{"switchboard_ledger_receipts", "switchboard_blob_free_bytes"} {
			if len(f[name].values) == 0 {
				return "the watchman has not seen all yet: " + name
			}
		}
		return ""
	})
	before := count()
	for i := range 30 {
		round(i + 1)
	}
	if after := count(); after > before+2 { // a status that had not occurred
		t.Errorf("%d series became %d", before, after)
	}
}

// postNonsense knocks at a called source with what it must refuse.
func (s *street) postNonsense() (status int, err error) {
	resp, err := http.Post(s.url+"/hooks/chat/telegram", "application/json", strings.NewReader("{}"))
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}
