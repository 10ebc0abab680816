package match

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/expr-lang/expr"
)

// builtins are the functions of the language that stay. All others are taken
// away: they read the clock, loop, allocate, or are of no use in a condition.
var builtins = []string{"len", "lower", "upper", "trim", "any", "all", "none", "date", "duration"}

// function is one of ours: how it runs, and its type as a nil function
// pointer. Arguments may be of any type where a custom field is passed.
type function struct {
	run      func(args ...any) (any, error)
	typeHint any
}

var functions = map[string]function{
	"has":       {runHas, new(func([]string, string) bool)},
	"icontains": {runIContains, new(func(string, string) bool)},
	"domain":    {runDomain, new(func(string) string)},
	"same":      {runSame, new(func(string, string) bool)},
}

func functionNames() []string {
	return slices.Sorted(slices.Values(slices.AppendSeq(slices.Clone(builtins), maps.Keys(functions))))
}

// options are the compiler's settings. They are made anew for each
// compilation because the compiler keeps state in them.
func options() []expr.Option {
	list := []expr.Option{
		expr.Env(new(Env)),
		expr.AsBool(),
		expr.MaxNodes(MaxNodes),
		expr.DisableAllBuiltins(),
		expr.Patch(ease{}),
	}
	for _, name := range builtins {
		list = append(list, expr.EnableBuiltin(name))
	}
	for name, f := range functions {
		list = append(list, expr.Function(name, f.run, f.typeHint))
	}
	return list
}

// runHas is has(list, word): is the word in the list, without regard to case.
func runHas(args ...any) (any, error) {
	word, err := text("has", args[1])
	if err != nil {
		return false, err
	}
	switch list := args[0].(type) {
	case nil:
		return false, nil
	case []string:
		return hasWord(list, word), nil
	case []any:
		for _, item := range list {
			if s, ok := item.(string); ok && strings.EqualFold(s, word) {
				return true, nil
			}
		}
		return false, nil
	default:
		return false, fmt.Errorf("has wants a list of words, got %s", kindOf(list))
	}
}

func hasWord(list []string, word string) bool {
	for _, item := range list {
		if strings.EqualFold(item, word) {
			return true
		}
	}
	return false
}

// runIContains is icontains(text, part): contains, without regard to case.
func runIContains(args ...any) (any, error) {
	whole, err := text("icontains", args[0])
	if err != nil {
		return false, err
	}
	part, err := text("icontains", args[1])
	if err != nil {
		return false, err
	}
	return containsFold(whole, part), nil
}

// runDomain is domain(address): what follows the last @, in lower case, or "".
func runDomain(args ...any) (any, error) {
	address, err := text("domain", args[0])
	if err != nil {
		return "", err
	}
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return "", nil
	}
	return strings.ToLower(strings.TrimRight(address[at+1:], "> ")), nil
}

// runSame is same(a, b): equal without regard to case, and to whether words
// are joined by _, - or a blank, so that IN_PROGRESS is "in progress".
func runSame(args ...any) (any, error) {
	a, err := text("same", args[0])
	if err != nil {
		return false, err
	}
	b, err := text("same", args[1])
	if err != nil {
		return false, err
	}
	return sameWords(a, b), nil
}

func sameWords(a, b string) bool {
	return strings.EqualFold(a, b) || strings.EqualFold(joiner.Replace(a), joiner.Replace(b))
}

var joiner = strings.NewReplacer("-", "_", " ", "_")

// text takes a custom field that is not set for "".
func text(name string, arg any) (string, error) {
	switch s := arg.(type) {
	case string:
		return s, nil
	case nil:
		return "", nil
	}
	return "", fmt.Errorf("%s wants text, got %s", name, kindOf(arg))
}

// containsFold searches without regard to case. Short ASCII parts, which are
// nearly all, are searched for without copying the text.
func containsFold(whole, part string) bool {
	if part == "" {
		return true
	}
	for i := range len(part) {
		if part[i] >= 0x80 || i >= 64 {
			return strings.Contains(strings.ToLower(whole), strings.ToLower(part))
		}
	}
	first := lowerASCII(part[0])
	for i := 0; i+len(part) <= len(whole); i++ {
		if lowerASCII(whole[i]) == first && equalFoldASCII(whole[i:i+len(part)], part) {
			return true
		}
	}
	return false
}

func equalFoldASCII(a, b string) bool {
	for i := range len(a) {
		if lowerASCII(a[i]) != lowerASCII(b[i]) {
			return false
		}
	}
	return true
}

func lowerASCII(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
