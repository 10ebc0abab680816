package configs

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"switchboard/pipeline/desk"
	"switchboard/pipeline/match"
)

// Condition is the expression of a rule, route or SLA, in the language of
// [match]. An empty one is always true. ${NAME} has no meaning in it.
type Condition string

func (c *Condition) decodeNode(d *decoder, n *node, f field) {
	switch n.kind {
	case text:
		*c = Condition(n.text)
	case boolean:
		*c = Condition(strings.ToLower(n.text))
	default:
		d.mismatch(n, f.key, "a condition, as a text")
	}
}

// condition compiles the condition at a place; nil is always true. An error is
// noted where it is inside the value.
func (k *compiler) condition(p place, c Condition) *match.Program {
	if strings.TrimSpace(string(c)) == "" {
		return nil
	}
	program, err := match.Compile(string(c))
	if err == nil {
		return program
	}
	n, found := (*node)(nil), false
	if k.root != nil {
		n, found = k.find(p)
	}
	var e *match.Error
	if errors.As(err, &e) && found && n.kind == text {
		line, column := k.src.inside(n, offset(n.text, e.Line, e.Column-1))
		k.at(line, column, "%s", e.Message)
		return nil
	}
	k.path(p, "%s", plainWords(err))
	return nil
}

// decodeNode reads a target: one duration for every priority, or a mapping.
func (t *Target) decodeNode(d *decoder, n *node, f field) {
	if n.kind != mapping {
		t.Default = d.target(n, f.key)
		return
	}
	known := []string{"default", "low", "medium", "high", "urgent"}
	for _, e := range n.entries {
		to := map[string]*time.Duration{"default": &t.Default, "low": &t.Low, "medium": &t.Medium,
			"high": &t.High, "urgent": &t.Urgent}[e.key]
		if to == nil {
			d.unknown(e, known)
			continue
		}
		*to = d.target(e.value, e.key)
	}
}

// target reads a duration of opening hours. A day is refused: nobody can tell
// whether 24 hours or one working day was meant.
func (d *decoder) target(n *node, key string) (t time.Duration) {
	s, _, ok := d.expand(n)
	if !ok || n.kind == null {
		return 0
	}
	if n.kind != text {
		d.node(n, "%s must be a duration such as 30m or 8h", key)
		return 0
	}
	if days.MatchString(s) {
		d.node(n, "%s counts opening hours, so a day is not clear; write hours, such as 24h", key)
		return 0
	}
	t, err := ParseDuration(s)
	switch {
	case err != nil:
		d.node(n, "%s: %s: %s", key, quote(s), err)
	case t < time.Second:
		d.node(n, "%s must be at least 1s", key)
	}
	return t
}

// target returns the compiled form of a target.
func (t Target) target(m desk.Metric) (desk.Target, bool) {
	out := desk.Target{Metric: m, Default: t.Default, By: map[desk.Priority]time.Duration{}}
	for p, d := range map[desk.Priority]time.Duration{desk.Low: t.Low, desk.Medium: t.Medium, desk.High: t.High, desk.Urgent: t.Urgent} {
		if d > 0 {
			out.By[p] = d
		}
	}
	return out, out.Default > 0 || len(out.By) > 0
}

// String is the form of the file.
func (t Target) String() string {
	if t == (Target{Default: t.Default}) {
		return t.Default.String()
	}
	return fmt.Sprintf("{default: %s, low: %s, medium: %s, high: %s, urgent: %s}", t.Default, t.Low, t.Medium, t.High, t.Urgent)
}
