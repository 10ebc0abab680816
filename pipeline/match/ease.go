package match

import (
	"reflect"
	"strings"

	"github.com/expr-lang/expr/ast"
)

// ease rewrites a condition that passed the guard so that it means what its
// author meant:
//
//   - channel, status, priority and type compare with constants by same(): how
//     they are written on the wire is not the author's concern;
//   - constant header names are put in lower case, as Env.Headers has them;
//   - an order (<, <=, >, >=) with a custom field that is not set is false, and
//     such a field counts as false among and, or, not and ?:.
//
// It is a visitor of the compiler, which calls it bottom up on typed nodes.
type ease struct{}

// Visit rewrites one node.
func (ease) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.BinaryNode:
		switch n.Operator {
		case "==", "!=":
			easeEqual(node, n)
		case "in":
			easeIn(node, n)
		case "<", "<=", ">", ">=":
			easeOrder(node, n)
		case "and", "&&", "or", "||":
			easeTruth(&n.Left)
			easeTruth(&n.Right)
		}
	case *ast.UnaryNode:
		if n.Operator == "not" || n.Operator == "!" {
			easeTruth(&n.Node)
		}
	case *ast.ConditionalNode:
		easeTruth(&n.Cond)
	case *ast.PredicateNode:
		easeTruth(&n.Node)
	case *ast.MemberNode:
		if name, ok := n.Property.(*ast.StringNode); ok && isNamed(n.Node, "headers") {
			name.Value = strings.ToLower(name.Value)
		}
	}
}

// easeEqual makes priority == "high" into same(priority, "high").
func easeEqual(node *ast.Node, n *ast.BinaryNode) {
	name, constant := n.Left, n.Right
	if _, ok := name.(*ast.StringNode); ok {
		name, constant = constant, name
	}
	if _, ok := constant.(*ast.StringNode); !ok || !isEnumeration(name) {
		return
	}
	replace(node, negateIf(n.Operator == "!=", same(name, constant)))
}

// easeIn makes priority in ["high", "urgent"] into same(...) or same(...).
func easeIn(node *ast.Node, n *ast.BinaryNode) {
	if name, ok := n.Left.(*ast.StringNode); ok && isNamed(n.Right, "headers") {
		name.Value = strings.ToLower(name.Value)
	}
	list, ok := n.Right.(*ast.ArrayNode)
	if !ok || !isEnumeration(n.Left) || len(list.Nodes) == 0 {
		return
	}
	var either ast.Node
	for _, item := range list.Nodes {
		if _, ok := item.(*ast.StringNode); !ok {
			return
		}
		if one := same(n.Left, item); either == nil {
			either = one
		} else {
			either = typed(&ast.BinaryNode{Operator: "or", Left: either, Right: one}, item)
		}
	}
	replace(node, either)
}

// easeOrder makes fields.seats > 10 into fields.seats != nil and fields.seats > 10.
func easeOrder(node *ast.Node, n *ast.BinaryNode) {
	var whole ast.Node = n
	for _, operand := range []ast.Node{n.Right, n.Left} {
		if isUntyped(operand) {
			empty := &ast.NilNode{}
			empty.SetLocation(operand.Location())
			set := typed(&ast.BinaryNode{Operator: "!=", Left: operand, Right: empty}, operand)
			whole = typed(&ast.BinaryNode{Operator: "and", Left: set, Right: whole}, operand)
		}
	}
	if whole != ast.Node(n) {
		n.SetType(reflect.TypeFor[bool]())
		replace(node, whole)
	}
}

// easeTruth makes fields.urgent into fields.urgent == true.
func easeTruth(node *ast.Node) {
	if isUntyped(*node) {
		yes := &ast.BoolNode{Value: true}
		yes.SetLocation((*node).Location())
		replace(node, typed(&ast.BinaryNode{Operator: "==", Left: *node, Right: yes}, *node))
	}
}

// isUntyped reports whether a value is known only at run time: a custom field
// or part of one. An unknown name is not; the compiler has yet to refuse it.
func isUntyped(node ast.Node) bool {
	switch n := node.(type) {
	case *ast.MemberNode:
		return n.Type().Kind() == reflect.Interface && (isNamed(n.Node, "fields") || isUntyped(n.Node))
	case *ast.ChainNode:
		return isUntyped(n.Node)
	case *ast.PointerNode:
		return n.Type().Kind() == reflect.Interface
	}
	return false
}

// isEnumeration reports whether a node is one of the names whose values are
// words of a fixed set.
func isEnumeration(node ast.Node) bool {
	return isNamed(node, "channel") || isNamed(node, "status") || isNamed(node, "priority") || isNamed(node, "type")
}

func isNamed(node ast.Node, name string) bool {
	n, ok := node.(*ast.IdentifierNode)
	return ok && n.Value == name
}

func same(name, constant ast.Node) ast.Node {
	callee := &ast.IdentifierNode{Value: "same"}
	callee.SetLocation(name.Location())
	return typed(&ast.CallNode{Callee: callee, Arguments: []ast.Node{name, constant}}, constant)
}

func negateIf(negate bool, node ast.Node) ast.Node {
	if !negate {
		return node
	}
	return typed(&ast.UnaryNode{Operator: "not", Node: node}, node)
}

// typed marks a new node as true or false, and as standing where another is.
func typed(node, at ast.Node) ast.Node {
	node.SetType(reflect.TypeFor[bool]())
	node.SetLocation(at.Location())
	return node
}

// replace puts a node in the place of another and keeps its own type.
func replace(node *ast.Node, with ast.Node) {
	with.SetLocation((*node).Location())
	*node = with
}
