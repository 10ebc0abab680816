package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// promWords are words of PromQL that are no metric where no parenthesis follows
// (Prometheus documentation, "Operators").
var promWords = []string{"by", "without", "on", "ignoring", "group_left", "group_right", "and", "or", "unless", "bool", "offset", "inf", "nan"}

// promFunctions are the functions and aggregations our expressions may use.
var promFunctions = []string{"sum", "min", "max", "avg", "count", "topk", "rate", "increase", "histogram_quantile", "absent", "time", "clamp_min"}

// promMetrics reads an expression far enough to name its metrics, and refuses
// what cannot be PromQL: an open bracket or string, an unknown function, a
// character that has no meaning there, an operator without a right side.
func promMetrics(expr string) (metrics []string, err error) {
	var open []byte
	labels := 0 // depth at which names are labels: inside {} and after by (...)
	grouping := false
	last := ""
	for i := 0; i < len(expr); {
		c := expr[i]
		switch {
		case c == ' ' || c == '\n':
			i++
			continue
		case c == '"' || c == '\'':
			end := strings.IndexByte(expr[i+1:], c)
			if end < 0 {
				return nil, fmt.Errorf("a string is not closed: %s", expr[i:])
			}
			if len(open) == 0 || open[len(open)-1] != '{' {
				return nil, fmt.Errorf("a string outside of a selector: %s", expr[i:])
			}
			i += end + 2
			last = "string"
			continue
		case strings.IndexByte("([{", c) >= 0:
			if c == '{' || c == '(' && grouping {
				labels = len(open) + 1
			}
			grouping = false
			open = append(open, c)
			last = "open"
		case strings.IndexByte(")]}", c) >= 0:
			pair := map[byte]byte{')': '(', ']': '[', '}': '{'}[c]
			if len(open) == 0 || open[len(open)-1] != pair || last == "operator" {
				return nil, fmt.Errorf("%q does not belong at %d", c, i)
			}
			if labels == len(open) {
				labels = 0
			}
			open = open[:len(open)-1]
			last = "value"
		case c == '$' || unicode.IsLetter(rune(c)) || c == '_':
			j := i + 1
			for j < len(expr) && (unicode.IsLetter(rune(expr[j])) || unicode.IsDigit(rune(expr[j])) || expr[j] == '_' || expr[j] == ':') {
				j++
			}
			word := expr[i:j]
			rest := strings.TrimLeft(expr[j:], " ")
			i = j
			last = "value"
			switch {
			case labels > 0 || len(open) > 0 && open[len(open)-1] == '[' && word == "$__rate_interval":
			case slices.Contains(promWords, word):
				grouping = word != "bool" && word != "offset" && strings.HasPrefix(rest, "(")
				last = "word"
			case strings.HasPrefix(rest, "(") || slices.Contains(promFunctions, word): // also "sum by (x) (...)"
				if !slices.Contains(promFunctions, word) {
					return nil, fmt.Errorf("unknown function %s", word)
				}
			case c == '$':
				return nil, fmt.Errorf("%s stands where it cannot", word)
			default:
				metrics = append(metrics, word)
			}
			continue
		case unicode.IsDigit(rune(c)):
			for i < len(expr) && (unicode.IsDigit(rune(expr[i])) || strings.IndexByte(".smhdwy", expr[i]) >= 0) {
				i++
			}
			last = "value"
			continue
		case strings.IndexByte("+-*/%^<>=!~", c) >= 0:
			if last == "operator" && strings.IndexByte("=~>", c) < 0 {
				return nil, fmt.Errorf("two operators at %d", i)
			}
			last = "operator"
		case c == ',':
			last = "comma"
		default:
			return nil, fmt.Errorf("%q has no meaning at %d", c, i)
		}
		i++
	}
	if len(open) > 0 || last == "operator" || len(metrics) == 0 {
		return nil, fmt.Errorf("ends too soon: %s", expr)
	}
	return metrics, nil
}

func TestPromMetrics(t *testing.T) {
	for expr, want := range map[string]string{
		"up": "up", "sum by (a, b) (rate(x_total{c=~\"d|e\"}[5m])) > 0.5": "x_total",
		"max(a) / on (instance) b": "a b",
		"histogram_quantile(0.99, sum by (le) (rate(h_bucket[$__rate_interval])))": "h_bucket",
		"sum(rate(a[5m])": "", "rate(a[5m)]": "", `a{b="c}`: "", "wrong(a)": "", "a >": "", "a # b": "", "1": "", "a + * b": "", "a{b=\"c\"}}": "",
	} {
		got, err := promMetrics(expr)
		if (err != nil) != (want == "") || strings.Join(got, " ") != want {
			t.Errorf("%s: %v, %v, want %q", expr, got, err, want)
		}
	}
}
