package match

import (
	"strings"
	"unicode/utf8"

	"github.com/expr-lang/expr/ast"
)

// direct turns a compiled condition into Go functions: most conditions ask for
// nothing but texts, numbers and truths of the Env, which need no virtual
// machine. What it knows it decides exactly as the machine does, and nothing of
// it can fail; of what it does not know it makes nothing, and the machine
// decides the whole condition.
func direct(node ast.Node) test { return asTest(node) }

type (
	test  func(*Env) bool
	words func(*Env) string
	count func(*Env) int
	list  func(*Env) []string
)

// asTest is a part that is true or false; nil when it is not known.
func asTest(node ast.Node) test {
	switch n := node.(type) {
	case *ast.BoolNode:
		return func(*Env) bool { return n.Value }
	case *ast.IdentifierNode:
		return truths[n.Value]
	case *ast.MemberNode:
		return truths[memberName(n)]
	case *ast.UnaryNode:
		if of := asTest(n.Node); of != nil && (n.Operator == "not" || n.Operator == "!") {
			return func(e *Env) bool { return !of(e) }
		}
	case *ast.ConditionalNode:
		if when, yes, no := asTest(n.Cond), asTest(n.Exp1), asTest(n.Exp2); when != nil && yes != nil && no != nil {
			return func(e *Env) bool {
				if when(e) {
					return yes(e)
				}
				return no(e)
			}
		}
	case *ast.BinaryNode:
		return asComparison(n)
	case *ast.CallNode:
		return asCall(n)
	}
	return nil
}

func asComparison(n *ast.BinaryNode) test {
	switch n.Operator {
	case "and", "&&":
		if a, b := asTest(n.Left), asTest(n.Right); a != nil && b != nil {
			return func(e *Env) bool { return a(e) && b(e) }
		}
		return nil
	case "or", "||":
		if a, b := asTest(n.Left), asTest(n.Right); a != nil && b != nil {
			return func(e *Env) bool { return a(e) || b(e) }
		}
		return nil
	case "in":
		return asIn(n)
	case "matches":
		constant, ok := n.Right.(*ast.StringNode)
		if a := asWords(n.Left); ok && a != nil {
			if p, err := newPattern(constant.Value); err == nil {
				return func(e *Env) bool { return p.match(a(e)) }
			}
		}
		return nil
	}
	if a, b := asWords(n.Left), asWords(n.Right); a != nil && b != nil {
		return ofWords(n.Operator, a, b)
	}
	if a, b := asCount(n.Left), asCount(n.Right); a != nil && b != nil {
		return ofCounts(n.Operator, a, b)
	}
	return nil
}

func ofWords(operator string, a, b words) test {
	switch operator {
	case "==":
		return func(e *Env) bool { return a(e) == b(e) }
	case "!=":
		return func(e *Env) bool { return a(e) != b(e) }
	case "contains":
		return func(e *Env) bool { return strings.Contains(a(e), b(e)) }
	case "startsWith":
		return func(e *Env) bool { return strings.HasPrefix(a(e), b(e)) }
	case "endsWith":
		return func(e *Env) bool { return strings.HasSuffix(a(e), b(e)) }
	}
	return nil
}

func ofCounts(operator string, a, b count) test {
	switch operator {
	case "==":
		return func(e *Env) bool { return a(e) == b(e) }
	case "!=":
		return func(e *Env) bool { return a(e) != b(e) }
	case "<":
		return func(e *Env) bool { return a(e) < b(e) }
	case "<=":
		return func(e *Env) bool { return a(e) <= b(e) }
	case ">":
		return func(e *Env) bool { return a(e) > b(e) }
	case ">=":
		return func(e *Env) bool { return a(e) >= b(e) }
	}
	return nil
}

// asIn is membership: of a constant set, of a list, of the names of headers.
func asIn(n *ast.BinaryNode) test {
	if set, ok := n.Right.(*ast.ConstantNode); ok {
		switch set := set.Value.(type) {
		case map[string]struct{}:
			if a := asWords(n.Left); a != nil {
				return func(e *Env) bool { _, in := set[a(e)]; return in }
			}
		case map[int]struct{}:
			if a := asCount(n.Left); a != nil {
				return func(e *Env) bool { _, in := set[a(e)]; return in }
			}
		}
		return nil
	}
	a := asWords(n.Left)
	if a == nil {
		return nil
	}
	if isNamed(n.Right, "headers") {
		return func(e *Env) bool { _, in := e.Headers[a(e)]; return in }
	}
	if l := asList(n.Right); l != nil {
		return func(e *Env) bool {
			want := a(e)
			for _, item := range l(e) {
				if item == want {
					return true
				}
			}
			return false
		}
	}
	return nil
}

// asCall is a function of ours that says true or false.
func asCall(n *ast.CallNode) test {
	callee, ok := n.Callee.(*ast.IdentifierNode)
	if !ok || len(n.Arguments) != 2 {
		return nil
	}
	b := asWords(n.Arguments[1])
	if b == nil {
		return nil
	}
	if callee.Value == "has" {
		l := asList(n.Arguments[0])
		if l == nil {
			return nil
		}
		return func(e *Env) bool { return hasWord(l(e), b(e)) }
	}
	a := asWords(n.Arguments[0])
	if a == nil {
		return nil
	}
	switch callee.Value {
	case "same":
		return func(e *Env) bool { return sameWords(a(e), b(e)) }
	case "icontains":
		return func(e *Env) bool { return containsFold(a(e), b(e)) }
	}
	return nil
}

// asWords is a part that is text; nil when it is not known.
func asWords(node ast.Node) words {
	switch n := node.(type) {
	case *ast.StringNode:
		return func(*Env) string { return n.Value }
	case *ast.IdentifierNode:
		return texts[n.Value]
	case *ast.MemberNode:
		if name, ok := n.Property.(*ast.StringNode); ok && isNamed(n.Node, "headers") {
			return func(e *Env) string { return e.Headers[name.Value] }
		}
		return texts[memberName(n)]
	case *ast.BuiltinNode:
		if len(n.Arguments) != 1 {
			return nil
		}
		of := asWords(n.Arguments[0])
		switch {
		case of == nil:
		case n.Name == "lower":
			return func(e *Env) string { return strings.ToLower(of(e)) }
		case n.Name == "upper":
			return func(e *Env) string { return strings.ToUpper(of(e)) }
		}
	}
	return nil
}

// asCount is a part that is a whole number; nil when it is not known.
func asCount(node ast.Node) count {
	switch n := node.(type) {
	case *ast.IntegerNode:
		return func(*Env) int { return n.Value }
	case *ast.IdentifierNode:
		return counts[n.Value]
	case *ast.BuiltinNode:
		if n.Name != "len" || len(n.Arguments) != 1 {
			return nil
		}
		if of := asWords(n.Arguments[0]); of != nil {
			return func(e *Env) int { return utf8.RuneCountInString(of(e)) }
		}
		if of := asList(n.Arguments[0]); of != nil {
			return func(e *Env) int { return len(of(e)) }
		}
	}
	return nil
}

// asList is a part that is a list of texts; nil when it is not known.
func asList(node ast.Node) list {
	if n, ok := node.(*ast.IdentifierNode); ok {
		return lists[n.Value]
	}
	return nil
}

// memberName is "customer.vip"; "" for what is not the member of a name.
func memberName(n *ast.MemberNode) string {
	of, ok := n.Node.(*ast.IdentifierNode)
	name, constant := n.Property.(*ast.StringNode)
	if !ok || !constant {
		return ""
	}
	return of.Value + "." + name.Value
}
