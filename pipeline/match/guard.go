package match

import (
	"fmt"
	"regexp/syntax"
	"slices"
	"strings"
	"time"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
)

// Limits of one condition. Without them a line of config could keep a worker
// busy for minutes: the language has a budget for memory but none for time.
const (
	MaxSource       = 8 << 10 // bytes; also bounds how deep brackets may nest
	MaxNodes        = 200     // parts of the expression: names, constants, operators, calls
	MaxPattern      = 500     // bytes of one pattern
	maxInstructions = 2000    // of all compiled patterns together
	maxSums         = 16      // uses of +, each of which may copy the whole text
)

// guard parses a condition and refuses everything that is not on its list. It
// runs before types are checked and before anything is folded or evaluated.
// What it lets through costs at most (parts) times (text) when run, or (parts)
// times (list) times (short strings) inside any, all and none.
func guard(src string) error {
	config := conf.CreateNew()
	for _, option := range options() {
		option(config)
	}
	tree, err := parser.ParseWithConfig(src, config)
	if err != nil {
		return explainError(err)
	}
	g := guardian{source: tree.Source}
	g.visit(tree.Node, false)
	if g.err != nil {
		return g.err
	}
	return nil
}

type guardian struct {
	source       file.Source
	instructions int
	sums         int
	err          *Error // the first refusal
}

func (g *guardian) refuse(node ast.Node, format string, args ...any) {
	if g.err == nil {
		bound := (&file.Error{Location: node.Location(), Message: fmt.Sprintf(format, args...)}).Bind(g.source)
		g.err = &Error{Message: bound.Message, Line: bound.Line, Column: bound.Column + 1}
	}
}

// visit checks a node and what is below it. loop says whether the node is
// evaluated once for every item of a list.
func (g *guardian) visit(node ast.Node, loop bool) {
	if node == nil || g.err != nil {
		return
	}
	switch n := node.(type) {
	case *ast.NilNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.StringNode, *ast.PointerNode:
	case *ast.IdentifierNode:
		g.name(n, loop)
	case *ast.UnaryNode:
		g.visit(n.Node, loop)
	case *ast.BinaryNode:
		g.binary(n, loop)
	case *ast.ChainNode:
		g.visit(n.Node, loop)
	case *ast.MemberNode:
		g.visit(n.Node, loop)
		g.visit(n.Property, loop)
		g.headerName(n)
	case *ast.SliceNode:
		g.visit(n.Node, loop)
		g.visit(n.From, loop)
		g.visit(n.To, loop)
	case *ast.CallNode:
		g.call(n, loop)
	case *ast.BuiltinNode:
		g.builtin(n, loop)
	case *ast.PredicateNode:
		if loop {
			g.refuse(n, "any, all and none cannot be used inside one another")
		}
		g.visit(n.Node, true)
	case *ast.ConditionalNode:
		g.visit(n.Cond, loop)
		g.visit(n.Exp1, loop)
		g.visit(n.Exp2, loop)
	case *ast.ArrayNode:
		for _, item := range n.Nodes {
			g.visit(item, loop)
		}
	case *ast.VariableDeclaratorNode:
		g.refuse(n, "let is not available in conditions")
	case *ast.SequenceNode:
		g.refuse(n, "a condition is a single expression; ; is not available")
	case *ast.MapNode:
		g.refuse(n, "{...} is not available in conditions")
	default:
		g.refuse(n, "this is not available in conditions")
	}
}

// name refuses the whole environment, which has no types, and long values in
// loops, which would be searched once for each item.
func (g *guardian) name(n *ast.IdentifierNode, loop bool) {
	switch n.Value {
	case "$env":
		g.refuse(n, "$env is not available in conditions")
	case "text", "description", "headers", "fields":
		if loop {
			g.refuse(n, "%s is not available inside any, all and none", n.Value)
		}
	}
}

func (g *guardian) binary(n *ast.BinaryNode, loop bool) {
	switch n.Operator {
	case "..":
		g.refuse(n, "ranges (..) are not available in conditions")
	case "+":
		if g.sums++; loop || g.sums > maxSums {
			g.refuse(n, "+ is not available inside any, all and none, and at most %d times elsewhere", maxSums)
		}
	case "matches":
		g.pattern(n)
	}
	g.visit(n.Left, loop)
	g.visit(n.Right, loop)
}

// pattern wants a constant of limited size and cost. A Go pattern takes time
// in proportion to its instructions times the text, never more (RE2).
func (g *guardian) pattern(n *ast.BinaryNode) {
	constant, ok := n.Right.(*ast.StringNode)
	if !ok {
		g.refuse(n.Right, "the pattern after matches must be a text in quotes")
		return
	}
	if len(constant.Value) > MaxPattern {
		g.refuse(n.Right, "the pattern is longer than %d bytes", MaxPattern)
		return
	}
	parsed, err := syntax.Parse(constant.Value, syntax.Perl)
	if err != nil {
		g.refuse(n.Right, "the pattern is not valid: %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		return
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		g.refuse(n.Right, "the pattern is not valid: %v", err)
		return
	}
	if g.instructions += len(program.Inst); g.instructions > maxInstructions {
		g.refuse(n.Right, "the patterns are too costly; use fewer repetitions such as {100}")
	}
}

// call refuses methods of values, and functions that are not on the list.
func (g *guardian) call(n *ast.CallNode, loop bool) {
	callee, ok := n.Callee.(*ast.IdentifierNode)
	if !ok {
		g.refuse(n, "only functions can be called: %s", strings.Join(functionNames(), ", "))
		return
	}
	if _, known := functions[callee.Value]; !known {
		g.refuse(n, "unknown function %s%s; there are %s", callee.Value,
			suggest(callee.Value, functionNames()), strings.Join(functionNames(), ", "))
	}
	for _, argument := range n.Arguments {
		g.visit(argument, loop)
	}
}

// builtin refuses what the compiler cannot be told to leave out: functions
// with a predicate, such as filter and reduce, are part of its grammar.
func (g *guardian) builtin(n *ast.BuiltinNode, loop bool) {
	if !slices.Contains(builtins, n.Name) {
		g.refuse(n, "%s is not available in conditions; there are %s", n.Name, strings.Join(functionNames(), ", "))
		return
	}
	if n.Name == "date" || n.Name == "duration" {
		g.constantTime(n)
	}
	for _, argument := range n.Arguments {
		g.visit(argument, loop)
	}
}

// constantTime wants date("2026-03-01") or an RFC 3339 instant, and
// duration("1h30m"), so that neither reads zone files nor fails when run.
func (g *guardian) constantTime(n *ast.BuiltinNode) {
	value := ""
	if len(n.Arguments) == 1 {
		if constant, ok := n.Arguments[0].(*ast.StringNode); ok {
			value = constant.Value
		}
	}
	if n.Name == "duration" {
		if _, err := time.ParseDuration(value); err != nil {
			g.refuse(n, `want duration("1h30m")`)
		}
		return
	}
	_, errDay := time.Parse(time.DateOnly, value)
	_, errInstant := time.Parse(time.RFC3339, value)
	if errDay != nil && errInstant != nil {
		g.refuse(n, `want date("2026-03-01") or date("2026-03-01T09:00:00Z")`)
	}
}

// headerName wants headers["name"], so that the name can be put in lower case.
func (g *guardian) headerName(n *ast.MemberNode) {
	if of, ok := n.Node.(*ast.IdentifierNode); !ok || of.Value != "headers" {
		return
	}
	if _, ok := n.Property.(*ast.StringNode); !ok {
		g.refuse(n, `the name of a header must be a text in quotes, as in headers["x-spam-flag"]`)
	}
}
