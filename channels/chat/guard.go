package chat

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/vm"
)

// Limits of one expression: the language bounds memory but not time.
const (
	maxSource    = 4 << 10
	maxNodes     = 200
	maxSums      = 32
	memoryBudget = 100_000 // elements one run may allocate
)

// env is what an expression sees of a request.
type env struct {
	Body    any               `expr:"body"`    // the decoded body
	Headers map[string]string `expr:"headers"` // of the request, names in lower case
	Query   map[string]string `expr:"query"`   // of the address
	Item    any               `expr:"item"`    // the message at hand, where each finds several; else the body
	Up      []any             `expr:"up"`      // what the message stands in, nearest first
	Files   []any             `expr:"files"`   // files of a multipart form
}

// program is a compiled expression, safe for concurrent use. Nil gives nil.
type program struct {
	source string
	place  *place // what the expression is, when it is that simple
	code   *vm.Program
	asks   asks
}

// asks says what of a request an expression wants to see that has to be made
// for it.
type asks struct{ headers, query bool }

// builtins are the functions of the language that stay; any, all, none, filter
// and map take a predicate, and not one inside another.
var builtins = []string{"len", "lower", "upper", "trim", "any", "all", "none", "filter", "map"}

// compileExpr checks and compiles an expression. Access to what is not there is
// nil, at every level.
func compileExpr(src string) (p *program, err error) {
	if src == "" {
		return nil, nil
	}
	defer func() {
		if r := recover(); r != nil {
			p, err = nil, fmt.Errorf("cannot be compiled: %v", r)
		}
	}()
	if len(src) > maxSource || !utf8.ValidString(src) {
		return nil, fmt.Errorf("is longer than %d bytes or not UTF-8", maxSource)
	}
	config := conf.CreateNew()
	for _, option := range options() {
		option(config)
	}
	tree, err := parser.ParseWithConfig(src, config)
	if err != nil {
		return nil, explain(err)
	}
	g := guardian{source: tree.Source}
	g.visit(tree.Node, false)
	if g.err != nil {
		return nil, g.err
	}
	code, err := expr.Compile(src, append(options(), expr.Patch(lenient{}))...)
	if err != nil {
		return nil, explain(err)
	}
	return &program{source: src, place: placeOf(tree.Node), code: code, asks: g.asks}, nil
}

func options() []expr.Option {
	list := []expr.Option{expr.Env(new(env)), expr.AsAny(), expr.MaxNodes(maxNodes), expr.DisableAllBuiltins()}
	for _, name := range builtins {
		list = append(list, expr.EnableBuiltin(name))
	}
	for name, f := range functions {
		list = append(list, expr.Function(name, f.run, f.hint))
	}
	return list
}

// explain says where in the expression the fault is.
func explain(err error) error {
	var at *file.Error
	if errors.As(err, &at) && at.Line > 0 {
		return fmt.Errorf("%d:%d: %s", at.Line, at.Column+1, at.Message)
	}
	return errors.New(strings.TrimSpace(strings.SplitN(err.Error(), "\n", 2)[0]))
}

var machines = sync.Pool{New: func() any { return &vm.VM{MemoryBudget: memoryBudget} }}

// run evaluates. It never panics.
func (p *program) run(e *env) (out any, err error) {
	if p == nil {
		return nil, nil
	}
	if p.place != nil {
		return p.place.in(e), nil
	}
	defer func() {
		if r := recover(); r != nil {
			out, err = nil, fmt.Errorf("cannot be evaluated: %v", r)
		}
	}()
	machine := machines.Get().(*vm.VM)
	out, err = machine.Run(p.code, e)
	clear(machine.Stack[:cap(machine.Stack)])
	machines.Put(machine)
	if err != nil {
		return nil, explain(err)
	}
	return out, nil
}

// guardian refuses everything that is not on its list.
type guardian struct {
	source file.Source
	sums   int
	asks   asks
	err    error
}

func (g *guardian) refuse(node ast.Node, format string, args ...any) {
	if g.err == nil {
		bound := (&file.Error{Location: node.Location(), Message: fmt.Sprintf(format, args...)}).Bind(g.source)
		g.err = explain(bound)
	}
}

func (g *guardian) visit(node ast.Node, loop bool) {
	if node == nil || g.err != nil {
		return
	}
	all := func(nodes ...ast.Node) {
		for _, n := range nodes {
			g.visit(n, loop)
		}
	}
	switch n := node.(type) {
	case *ast.NilNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.StringNode, *ast.PointerNode:
	case *ast.IdentifierNode:
		if n.Value == "$env" || loop {
			g.refuse(n, "%s is not available here", n.Value)
		}
		g.asks.headers = g.asks.headers || n.Value == "headers"
		g.asks.query = g.asks.query || n.Value == "query"
	case *ast.UnaryNode:
		all(n.Node)
	case *ast.ChainNode:
		all(n.Node)
	case *ast.MemberNode:
		all(n.Node, n.Property)
	case *ast.ConditionalNode:
		all(n.Cond, n.Exp1, n.Exp2)
	case *ast.ArrayNode:
		all(n.Nodes...)
	case *ast.MapNode:
		all(n.Pairs...)
	case *ast.PairNode:
		all(n.Key, n.Value)
	case *ast.BinaryNode:
		switch n.Operator {
		case "..", "matches", "**":
			g.refuse(n, "%s is not available in a mapping", n.Operator)
		case "+":
			if g.sums++; loop || g.sums > maxSums {
				g.refuse(n, "+ is not available inside any, all, filter and map, and at most %d times elsewhere", maxSums)
			}
		}
		all(n.Left, n.Right)
	case *ast.PredicateNode:
		if loop {
			g.refuse(n, "any, all, filter and map cannot be used inside one another")
		}
		g.visit(n.Node, true)
	case *ast.BuiltinNode:
		if !slices.Contains(builtins, n.Name) {
			g.refuse(n, "%s is not available in a mapping; there are %s", n.Name, strings.Join(functionNames(), ", "))
		}
		all(n.Arguments...)
	case *ast.CallNode:
		callee, ok := n.Callee.(*ast.IdentifierNode)
		if !ok {
			g.refuse(n, "only functions can be called: %s", strings.Join(functionNames(), ", "))
			return
		}
		if _, known := functions[callee.Value]; !known {
			g.refuse(n, "there is no function %s; there are %s", callee.Value, strings.Join(functionNames(), ", "))
		}
		all(n.Arguments...)
	default:
		g.refuse(n, "this is not available in a mapping")
	}
}

func functionNames() []string {
	return slices.Sorted(slices.Values(slices.AppendSeq(slices.Clone(builtins), maps.Keys(functions))))
}

// lenient makes a.b and a[b] calls of at, which gives nil for what is not there
// rather than failing. It is a visitor of the compiler, called bottom up.
type lenient struct{}

// Visit rewrites one node.
func (lenient) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.MemberNode:
		ast.Patch(node, &ast.CallNode{Callee: &ast.IdentifierNode{Value: "at"}, Arguments: []ast.Node{n.Node, n.Property}})
	case *ast.ChainNode:
		ast.Patch(node, n.Node)
	}
}
