package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"switchboard/workers/broker/program/programtest"
)

// promtool is Prometheus' own checker ("Unit testing for rules"); Debian has it
// in the package prometheus.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	out, err := exec.Command(programtest.Need(t, "promtool", "prometheus"), args...).CombinedOutput()
	if err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// Prometheus takes the rules, and each alert fires on the trouble it is about and
// on nothing else: testdata/alerts.yml has a desk for each, and one that is well.
func TestPrometheusTakesTheAlerts(t *testing.T) {
	promtool(t, "check", "rules", filepath.Join("..", "..", "docs", "alerts.yml"))
	promtool(t, "test", "rules", filepath.Join("testdata", "alerts.yml"))

	b, err := os.ReadFile(filepath.Join("testdata", "alerts.yml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range readAlerts(t).Groups {
		for _, r := range g.Rules {
			if !strings.Contains(string(b), `alertname="`+r.Alert+`"`) {
				t.Errorf("no case in testdata/alerts.yml in which %s fires", r.Alert)
			}
		}
	}
}

// Prometheus understands every panel of the dashboard.
func TestPrometheusTakesTheDashboard(t *testing.T) {
	type rule struct {
		Record string `yaml:"record"`
		Expr   string `yaml:"expr"`
	}
	var rules []rule
	fill := strings.NewReplacer("$__rate_interval", "5m", "$source", ".*", "$job", ".*")
	for _, p := range readDashboard(t).Panels {
		for _, target := range p.Targets {
			rules = append(rules, rule{fmt.Sprintf("panel_%d_%s", p.ID, strings.ToLower(target.RefID)), fill.Replace(target.Expr)})
		}
	}
	b, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "dashboard", "rules": rules}}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "rules.yml")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "check", "rules", file)
}
