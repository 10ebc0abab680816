package bench

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func rounds(r *Report, all ...map[string]float64) {
	for _, m := range all {
		r.round()
		for _, name := range sortedKeys(m) {
			r.add(name, "the "+name, "x", m[name])
		}
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		in   []float64
		want float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{5, 1}, 3}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 3, 2}, 2.5}} {
		if got := median(c.in); got != c.want {
			t.Errorf("median(%v) = %v, want %v", c.in, got, c.want)
		}
	}
}

// TestReport: ratios are taken within each round, so a machine that slows down
// between rounds does not change them.
func TestReport(t *testing.T) {
	r := newReport("ingest", Common{Version: "v"}, nil)
	rounds(r, map[string]float64{"a": 100, "b": 50, "late": 9}, map[string]float64{"a": 10, "b": 5, "late": 30}, map[string]float64{"a": 60, "b": 20})
	r.finish([]ratio{
		{name: "a/b", over: "a", under: "b", bar: 1.5, aim: 3},
		{name: "b/a", over: "b", under: "a", bar: 0.4, most: true},
		{name: "same", over: "a", under: "a", bar: 1, exact: true},
		{name: "not always", over: "a", under: "b", bar: 2, exact: true},
		{name: "only told", over: "a", under: "late"},
		{name: "missing", over: "a", under: "nothing", bar: 1},
	}, []limit{{"late", "late, ms", 15, true}, {"nothing", "nothing", 1, true}})
	if r.Medians["a"] != 60 || r.Medians["b"] != 20 || r.Medians["late"] != 19.5 {
		t.Errorf("medians %v", r.Medians)
	}
	if r.Ratios["a/b"] != 2 || r.Ratios["b/a"] != 0.5 || len(r.Ratios) != 5 {
		t.Errorf("ratios %v", r.Ratios)
	}
	want := map[string]bool{"a/b": true, "b/a": false, "same": true, "not always": false, "late, ms": false}
	if len(r.Goals) != len(want) {
		t.Errorf("goals %+v", r.Goals)
	}
	for _, g := range r.Goals {
		if g.Met != want[g.Name] {
			t.Errorf("goal %+v", g)
		}
	}
	var out strings.Builder
	if err := r.Print(&out); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"the a +60 +10 +100 +x", `a/b +2 +>= 1\.50, aim 3 +met`, `b/a +0\.50 +<= 0\.40 +not met`, "same +1 += 1 +met"} {
		if !matches(line, out.String()) {
			t.Errorf("%q is not in\n%s", line, out.String())
		}
	}
	file := filepath.Join(t.TempDir(), "report.json")
	if err := r.Write(file); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var back Report
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if back.Kind != "ingest" || back.Version != "v" || len(back.Rounds) != 3 || back.Rounds[1].Readings["a"] != 10 || len(back.Goals) != 5 || back.Units["a"] != "x" {
		t.Errorf("%s", b)
	}
}

func TestHistogram(t *testing.T) {
	text := []byte(`# TYPE switchboard_lag_seconds histogram
switchboard_lag_seconds_bucket{source="a",le="0.01"} 50
switchboard_lag_seconds_bucket{source="a",le="0.1"} 90
switchboard_lag_seconds_bucket{source="a",le="+Inf"} 90
switchboard_lag_seconds_sum{source="a"} 3
switchboard_lag_seconds_bucket{source="b",le="0.01"} 0
switchboard_lag_seconds_bucket{source="b",le="0.1"} 10
switchboard_lag_seconds_bucket{source="b",le="+Inf"} 10
other_bucket{le="0.01"} 7
`)
	h := parseHistogram(text, "switchboard_lag_seconds")
	if len(h) != 3 || h[0.01] != 50 || h[0.1] != 100 {
		t.Fatalf("%v", h)
	}
	for q, want := range map[float64]float64{0.25: 0.005, 0.5: 0.01, 0.75: 0.055, 1: 0.1} {
		if got := h.quantile(q); got < want-1e-9 || got > want+1e-9 {
			t.Errorf("quantile %v = %v, want %v", q, got, want)
		}
	}
	if got := h.minus(h).quantile(.5); got != 0 {
		t.Errorf("of nothing: %v", got)
	}
	if got := (histogram{}).quantile(.5); got != 0 {
		t.Errorf("of none: %v", got)
	}
}
