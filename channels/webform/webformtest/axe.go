package webformtest

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"switchboard/workers/broker/program/programtest"
)

// AxeVariable names the environment variable with the path of axe.min.js, of the
// npm package axe-core 4.
const AxeVariable = "SWITCHBOARD_AXE"

// Finding is one thing axe-core found wrong.
type Finding struct {
	ID     string   `json:"id"`
	Impact string   `json:"impact"` // minor, moderate, serious or critical
	Help   string   `json:"help"`
	Nodes  []string `json:"nodes"` // where, as HTML and why
}

func (f Finding) String() string {
	s := fmt.Sprintf("%s: %s (%s)", f.Impact, f.Help, f.ID)
	for _, n := range f.Nodes {
		s += "\n\t" + n
	}
	return s
}

// Axe reads axe-core, or ends the test.
func Axe(t testing.TB) string {
	t.Helper()
	places := []string{os.Getenv(AxeVariable)}
	for _, up := range []string{".", "..", "../..", "../../.."} {
		places = append(places, filepath.Join(up, "node_modules", "axe-core", "axe.min.js"))
	}
	for _, p := range places {
		if p == "" {
			continue
		}
		if data, err := os.ReadFile(p); err == nil {
			return string(data)
		}
	}
	programtest.Missing(t, AxeVariable+" does not name axe.min.js (npm package axe-core 4)")
	return ""
}

// Check runs axe-core in the page and returns everything it found wrong by WCAG
// 2.2 A and AA and its own best practices. It comes in through the debugger, so
// the page's Content-Security-Policy has no say in it.
func (p *Page) Check(axe string) []Finding {
	p.t.Helper()
	var out []Finding
	p.Eval(axe+";true", nil)
	p.Eval(`axe.run(document, {resultTypes: ["violations"], runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}).then((r) =>
		r.violations.map((v) => ({id: v.id, impact: v.impact, help: v.help, nodes: v.nodes.map((n) => n.html + " - " + n.failureSummary)})))`, &out)
	return out
}
