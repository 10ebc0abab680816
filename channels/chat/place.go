package chat

import "github.com/expr-lang/expr/ast"

// place is an expression that only names one, such as body.message.text or
// item.to[0].id: most are. It is walked, which costs a tenth of running it.
type place struct {
	root string
	keys []any // a string or an int each, as at takes them
}

// placeOf is the place a parsed expression is, nil when it is more.
func placeOf(node ast.Node) *place {
	switch n := node.(type) {
	case *ast.IdentifierNode:
		return &place{root: n.Value}
	case *ast.ChainNode:
		return placeOf(n.Node)
	case *ast.MemberNode:
		p := placeOf(n.Node)
		if p == nil {
			return nil
		}
		switch key := n.Property.(type) {
		case *ast.StringNode:
			p.keys = append(p.keys, key.Value)
		case *ast.IntegerNode:
			p.keys = append(p.keys, key.Value)
		default:
			return nil
		}
		return p
	}
	return nil
}

// in is what stands there; nil when nothing does.
func (p *place) in(e *env) any {
	v := e.root(p.root)
	for _, key := range p.keys {
		v = at(v, key)
	}
	return v
}

// root is a variable of an expression by its name.
func (e *env) root(name string) any {
	switch name {
	case "body":
		return e.Body
	case "item":
		return e.Item
	case "headers":
		return e.Headers
	case "query":
		return e.Query
	case "up":
		return e.Up
	case "files":
		return e.Files
	}
	return nil
}
