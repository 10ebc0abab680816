// Package match compiles and runs the conditions of rules and routes, such as
//
//	channel == "email" and fromDomain in ["acme.com", "acme.de"] and not auto
//
// In goes the text of a condition and, for each message, an *Env that says
// what a condition may see; out comes true or false, or an *Error with a
// position in the text. Explain tells which clause decided.
//
// It promises purity (no clock, no I/O, nothing in the Env is changed), that
// a Program may be used by any number of goroutines, that nothing panics, and
// that every run is bounded: a condition is a single expression without
// assignments, ranges or loops inside loops, its size and its patterns are
// limited, and what it reads of a message is cut to fixed sizes. The limits
// are constants in guard.go and env.go.
//
// The language is that of github.com/expr-lang/expr ("Language Definition")
// with most of it taken away by guard.go, and these rules added by ease.go: a
// comparison with a custom field that is not set is false; channel, status,
// priority and type compare without regard to case; header names too.
//
// It may not know what a rule does when it matches, and imports nothing of
// ours.
//
// To add a name: one field with an `expr` tag in env.go. To add a function:
// one line in functions.go.
package match

import (
	"fmt"
	"maps"
	"sync"
	"unicode/utf8"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/vm"
)

// memoryBudget bounds what one run may allocate, in the units of the virtual
// machine (elements of lists).
const memoryBudget = 100_000

// Program is a compiled condition, safe for concurrent use.
type Program struct {
	source  string
	direct  test // the condition as Go functions; nil when it needs the machine
	code    *vm.Program
	clauses []clause // what Explain reports on; nil when there is only one
	joint   string   // "and" or "or" between the clauses
	reads   names
}

// names are the names of an Env that a condition reads.
type names map[string]bool

// Visit is part of [ast.Visitor].
func (n names) Visit(node *ast.Node) {
	if id, ok := (*node).(*ast.IdentifierNode); ok {
		n[id.Value] = true
	}
}

// Reads reports whether the condition reads a name of the Env, or part of it.
func (p *Program) Reads(name string) bool { return p.reads[name] }

// Compile checks and compiles a condition. Names, types, patterns and limits
// are all checked here, so a Program that compiled fails at run time only
// over values of custom fields and indexes out of range. The error is an
// *Error.
func Compile(src string) (*Program, error) {
	p, err := compile(src)
	if err != nil {
		return nil, err
	}
	p.joint, p.clauses = split(src)
	for _, c := range p.clauses { // which are explained one by one, even what can never decide
		maps.Copy(p.reads, c.program.reads)
	}
	return p, nil
}

// compile makes a program that cannot be explained.
func compile(src string) (p *Program, err error) {
	defer func() {
		if r := recover(); r != nil {
			p, err = nil, &Error{Message: fmt.Sprintf("cannot be compiled: %v", r), Line: 1, Column: 1}
		}
	}()
	switch {
	case len(src) > MaxSource:
		return nil, &Error{Message: fmt.Sprintf("the condition is longer than %d bytes", MaxSource), Line: 1, Column: 1}
	case !utf8.ValidString(src):
		return nil, &Error{Message: "the condition is not valid UTF-8", Line: 1, Column: 1}
	}
	if err := guard(src); err != nil {
		return nil, err
	}
	code, err := expr.Compile(src, options()...)
	if err != nil {
		return nil, explainError(err)
	}
	node, reads := code.Node(), names{}
	ast.Walk(&node, reads)
	return &Program{source: src, direct: direct(node), code: code, reads: reads}, nil
}

// Source returns the text the program was compiled from.
func (p *Program) Source() string { return p.source }

// machines are virtual machines to reuse: their stacks are most of what a run
// would allocate.
var machines = sync.Pool{New: func() any { return &vm.VM{MemoryBudget: memoryBudget} }}

// Match reports whether the condition holds. It never panics; a condition
// that cannot be decided (a custom field of the wrong type, an index out of
// range) is false with an *Error. A condition that is itself a custom field
// which is not set is false.
func (p *Program) Match(env *Env) (ok bool, err error) {
	if env == nil {
		return false, &Error{Message: "nothing to match against", Line: 1, Column: 1}
	}
	defer func() {
		if r := recover(); r != nil {
			ok, err = false, &Error{Message: fmt.Sprintf("cannot be decided: %v", r), Line: 1, Column: 1}
		}
	}()
	if p.direct != nil {
		return p.direct(env.cut()), nil
	}
	machine := machines.Get().(*vm.VM)
	out, err := machine.Run(p.code, env.cut())
	clear(machine.Stack[:cap(machine.Stack)]) // keep no text of a message alive
	machines.Put(machine)
	if err != nil {
		return false, explainError(err)
	}
	switch verdict := out.(type) {
	case bool:
		return verdict, nil
	case nil:
		return false, nil
	default:
		return false, &Error{Message: fmt.Sprintf("want true or false, got %s", kindOf(out)), Line: 1, Column: 1}
	}
}
