package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// dashboard is what of a Grafana dashboard must be right ("Dashboard JSON
// model").
type dashboard struct {
	Title         string
	UID           string `json:"uid"`
	SchemaVersion int
	Panels        []struct {
		ID      int
		Type    string
		Title   string
		GridPos struct{ X, Y, W, H int }
		Targets []struct {
			RefID, Expr string
			Datasource  struct{ Type, UID string }
		}
	}
	Templating struct {
		List []struct{ Name, Type, Query string }
	}
}

// alerts is a Prometheus rule file ("Recording rules", "Alerting rules").
type alerts struct {
	Groups []struct {
		Name  string
		Rules []struct {
			Alert, Expr, For string
			Labels           struct{ Severity string }
			Annotations      struct{ Summary, Action string }
		}
	}
}

// measured are all the series a whole house shows, canaries included, as
// Prometheus names them: those of a histogram by their suffixes.
func measured(t *testing.T) map[string]bool {
	l := openStreetOn(t, string(demoConfig)+quickHealth+"canary: { every: 1m }\n")
	l.run()
	l.ask("", "GET", "/nothing", "").want(t, 404)
	if status, err := l.postNonsense(); err != nil || status < 400 {
		t.Fatalf("%d, %v", status, err)
	}
	want := documented(t)
	var out map[string]bool
	l.until(func() string {
		out = map[string]bool{}
		for name, f := range l.families() {
			if f.kind == "histogram" {
				out[name+"_bucket"], out[name+"_sum"], out[name+"_count"] = true, true, true
				delete(want, name)
				continue
			}
			out[name] = true
			delete(want, name)
		}
		if len(want) > 0 {
			return fmt.Sprintf("%v are not measured", slices.Sorted(maps.Keys(want)))
		}
		return ""
	})
	return out
}

// What the dashboard shows and the alerts watch is measured by a whole house.
func TestDashboardAndAlertsNameWhatIsMeasured(t *testing.T) {
	there := measured(t)
	check := func(where, expr string) {
		t.Helper()
		metrics, err := promMetrics(expr)
		if err != nil {
			t.Errorf("%s: %v", where, err)
		}
		for _, m := range metrics {
			if !there[m] {
				t.Errorf("%s names %s, which nothing measures", where, m)
			}
		}
	}
	d := readDashboard(t)
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			check("the panel "+p.Title, target.Expr)
		}
	}
	for _, v := range d.Templating.List {
		if m := regexp.MustCompile(`^label_values\((\w+), \w+\)$`).FindStringSubmatch(v.Query); v.Type == "query" && (m == nil || !there[m[1]]) {
			t.Errorf("the variable %s asks for %s", v.Name, v.Query)
		}
	}
	for _, g := range readAlerts(t).Groups {
		for _, r := range g.Rules {
			check("the alert "+r.Alert, r.Expr)
		}
	}
}

// Panels have IDs of their own, lie in the grid of 24 columns and on nobody else.
func TestDashboard(t *testing.T) {
	d := readDashboard(t)
	if d.Title == "" || d.UID == "" || d.SchemaVersion < 30 || len(d.Panels) < 20 {
		t.Errorf("%q %q %d with %d panels", d.Title, d.UID, d.SchemaVersion, len(d.Panels))
	}
	ids, taken := map[int]bool{}, map[[2]int]string{}
	variables := map[string]bool{"__rate_interval": true}
	for _, v := range d.Templating.List {
		variables[v.Name] = true
	}
	for _, p := range d.Panels {
		if p.ID == 0 || ids[p.ID] || p.Title == "" {
			t.Errorf("the panel %q has the ID %d", p.Title, p.ID)
		}
		ids[p.ID] = true
		g := p.GridPos
		if g.X < 0 || g.Y < 0 || g.W < 1 || g.H < 1 || g.X+g.W > 24 {
			t.Errorf("the panel %q lies at %+v", p.Title, g)
		}
		for x := g.X; x < g.X+g.W; x++ {
			for y := g.Y; y < g.Y+g.H; y++ {
				if other, ok := taken[[2]int{x, y}]; ok {
					t.Fatalf("%q lies on %q", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		if (p.Type == "row") != (len(p.Targets) == 0) {
			t.Errorf("the panel %q, a %s, has %d targets", p.Title, p.Type, len(p.Targets))
		}
		refs := map[string]bool{}
		for _, target := range p.Targets {
			if refs[target.RefID] || target.Datasource.Type != "prometheus" || target.Datasource.UID != "${datasource}" {
				t.Errorf("a target of %q: %+v", p.Title, target)
			}
			refs[target.RefID] = true
			for _, m := range regexp.MustCompile(`\$(\w+)`).FindAllStringSubmatch(target.Expr, -1) {
				if !variables[m[1]] {
					t.Errorf("%q uses $%s, which is no variable", p.Title, m[1])
				}
			}
		}
	}
}

// Every alert says how bad it is, what is the matter and what to do.
func TestAlerts(t *testing.T) {
	names, all := map[string]bool{}, readAlerts(t)
	duration := regexp.MustCompile(`^\d+[smh]$`)
	for _, g := range all.Groups {
		for _, r := range g.Rules {
			if names[r.Alert] || !regexp.MustCompile(`^Switchboard[A-Z]\w+$`).MatchString(r.Alert) {
				t.Errorf("an alert called %q", r.Alert)
			}
			names[r.Alert] = true
			if r.Labels.Severity != "critical" && r.Labels.Severity != "warning" || len(r.Annotations.Summary) < 20 || len(r.Annotations.Action) < 40 {
				t.Errorf("%s: %+v %+v", r.Alert, r.Labels, r.Annotations)
			}
			if r.For != "" && !duration.MatchString(r.For) || r.For == "" && !strings.Contains(r.Expr, "increase(") {
				t.Errorf("%s: for %q", r.Alert, r.For)
			}
			for _, m := range regexp.MustCompile(`\$labels\.(\w+)`).FindAllStringSubmatch(r.Annotations.Summary, -1) {
				// An aggregation drops the labels it does not name.
				if by := regexp.MustCompile(`\bby \(([^)]*)\)`).FindStringSubmatch(r.Expr); by != nil && !slices.Contains(strings.Split(by[1], ", "), m[1]) {
					t.Errorf("%s: the summary names the label %s, which the expression drops", r.Alert, m[1])
				}
			}
		}
	}
	if len(names) < 10 {
		t.Errorf("%d alerts", len(names))
	}
}

func readDashboard(t *testing.T) (d dashboard) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "docs", "grafana", "switchboard.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

func readAlerts(t *testing.T) (a alerts) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "docs", "alerts.yml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalWithOptions(b, &a, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	return a
}
