package configs

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// The limits of a config file.
const (
	maxFile  = 1 << 20 // bytes
	maxNodes = 100_000 // values, those reached through aliases counted again
	maxDepth = 64      // lists and mappings inside each other
	maxKeys  = 1000    // keys of one mapping
)

type kind string

const (
	null    kind = "nothing"
	text    kind = "a text"
	number  kind = "a number"
	boolean kind = "true or false"
	list    kind = "a list"
	mapping kind = "a mapping (key: value)"
)

type style byte

const (
	plain style = iota
	single
	double
	block // literal or folded; line and col are those of the | or >
)

// node is a YAML value with its place in the file.
type node struct {
	kind      kind
	line, col int
	text      string // of a scalar, decoded; of a number or boolean as written
	style     style
	items     []*node
	entries   []entry
	size      int // nodes in it, itself included
}

type entry struct {
	key       string
	line, col int
	value     *node
}

func (n *node) entry(key string) *entry {
	for i := range n.entries {
		if n.entries[i].key == key {
			return &n.entries[i]
		}
	}
	return nil
}

// parse reads one YAML document into nodes. It returns nil after noting a
// problem when there is no tree to speak of.
func parse(r *report, data []byte) (root *node) {
	defer func() {
		if p := recover(); p != nil {
			r.at(1, 1, "this is not YAML that can be read (%.100v)", p)
			root = nil
		}
	}()
	switch {
	case len(data) > maxFile:
		r.at(1, 1, "the file is larger than %d bytes", maxFile)
		return nil
	case tooDeep(data):
		r.at(1, 1, "lists and mappings are nested more than %d deep", maxDepth)
		return nil
	}
	tokens := lexer.Tokenize(string(data))
	if t := manyKeys(tokens); t != nil {
		r.at(t.Position.Line, max(t.Position.Column, 1), "this mapping has more than %d keys", maxKeys)
		return nil
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		syntax(r, err)
		return nil
	}
	b := builder{r: r, anchors: map[string]*node{}}
	empty := &node{kind: mapping, line: 1, col: 1, size: 1}
	for _, doc := range file.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.CommentType {
			continue
		}
		if root != nil {
			t := doc.Body.GetToken()
			r.at(t.Position.Line, 1, "a second document begins here; a config is one YAML document")
			return root
		}
		root = b.build(doc.Body, 0)
	}
	if root == nil || root.kind == null {
		return empty
	}
	return root
}

// syntax notes an error of the YAML parser: its message and place, without the
// excerpt of the file it prints, which may hold anything.
func syntax(r *report, err error) {
	var e yaml.Error
	if errors.As(err, &e) && e.GetToken() != nil && e.GetToken().Position != nil {
		p := e.GetToken().Position
		message := e.GetMessage()
		if strings.Contains(r.src.line(p.Line), "${") {
			message += "; inside [ ] and { } write \"${NAME}\" in quotes"
		}
		r.at(p.Line, max(p.Column, 1), "this is not YAML: %s", message)
		return
	}
	r.at(1, 1, "this is not YAML: %s", strings.SplitN(err.Error(), "\n", 2)[0])
}

// tooDeep guards the parser's recursion: brackets opened and not closed, and
// runs of "- - - -" or "? ? ?" on one line.
func tooDeep(data []byte) bool {
	open, run := 0, 0
	for _, c := range data {
		switch c {
		case '[', '{':
			open++
		case ']', '}':
			open = max(open-1, 0)
		}
		switch c {
		case '-', '?', ':':
			run++
		case ' ', '\t':
		default:
			run = 0
		}
		if open > 20*maxDepth || run > 20*maxDepth {
			return true
		}
	}
	return false
}

type builder struct {
	r       *report
	anchors map[string]*node
	nodes   int
}

func (b *builder) build(from ast.Node, depth int) *node {
	n := &node{kind: null, size: 1}
	if from == nil {
		return n
	}
	t := from.GetToken()
	n.line, n.col = t.Position.Line, max(t.Position.Column, 1)
	if b.nodes++; b.nodes > maxNodes || depth > maxDepth {
		if b.nodes <= maxNodes+1 || depth == maxDepth+1 {
			b.r.node(n, "the file holds more than %d values, or more than %d levels", maxNodes, maxDepth)
		}
		return n
	}
	switch x := from.(type) {
	case *ast.NullNode:
	case *ast.StringNode:
		n.kind, n.text, n.style = text, x.Value, styleOf(t)
	case *ast.LiteralNode:
		n.kind, n.text, n.style = text, x.Value.Value, block
		n.line, n.col = x.Start.Position.Line, x.Start.Position.Column
	case *ast.IntegerNode, *ast.FloatNode:
		n.kind, n.text = number, t.Value
	case *ast.BoolNode:
		n.kind, n.text = boolean, t.Value
	case *ast.InfinityNode, *ast.NanNode:
		n.kind, n.text = text, t.Value
	case *ast.SequenceNode:
		n.kind = list
		for _, v := range x.Values {
			n.add(b.build(v, depth+1))
		}
	case *ast.MappingNode:
		b.mapping(n, x.Values, depth)
		if x.IsFlowStyle {
			n.line, n.col = x.Start.Position.Line, x.Start.Position.Column
		}
	case *ast.MappingValueNode:
		b.mapping(n, []*ast.MappingValueNode{x}, depth)
	case *ast.AnchorNode:
		v := b.build(x.Value, depth)
		b.anchors[x.Name.GetToken().Value] = v
		return v
	case *ast.AliasNode:
		return b.alias(n, x.Value.GetToken().Value)
	case *ast.TagNode:
		return b.tagged(x, depth)
	default:
		b.r.node(n, "this kind of YAML value (%s) has no meaning here", strings.ToLower(from.Type().String()))
	}
	return n
}

func (n *node) add(child *node) {
	n.items = append(n.items, child)
	n.size += child.size
}

func styleOf(t *token.Token) style {
	switch t.Type {
	case token.SingleQuoteType:
		return single
	case token.DoubleQuoteType:
		return double
	}
	return plain
}

func (b *builder) mapping(n *node, values []*ast.MappingValueNode, depth int) {
	n.kind = mapping
	for i, v := range values {
		key := v.Key.GetToken()
		e := entry{line: key.Position.Line, col: max(key.Position.Column, 1)}
		if i == 0 {
			n.line, n.col = e.line, e.col
		}
		switch k := v.Key.(type) {
		case *ast.MergeKeyNode:
			b.r.at(e.line, e.col, "merge keys (<<) are not supported; write the keys out")
			continue
		case ast.ScalarNode:
			e.key = fmt.Sprint(k.GetToken().Value)
		default:
			b.r.at(e.line, e.col, "a key must be a plain word")
			continue
		}
		if first := n.entry(e.key); first != nil {
			b.r.at(e.line, e.col, "the key %s is written twice; first on line %d", quote(e.key), first.line)
			continue
		}
		e.value = b.build(v.Value, depth+1)
		if e.value.line == 0 {
			e.value.line, e.value.col = e.line, e.col
		}
		n.entries = append(n.entries, e)
		n.size += e.value.size
	}
}

func (b *builder) alias(n *node, name string) *node {
	v, ok := b.anchors[name]
	if !ok {
		b.r.node(n, "there is no &%s before this", name)
		return n
	}
	if b.nodes += v.size; b.nodes > maxNodes {
		b.r.node(n, "the file holds more than %d values", maxNodes)
		return n
	}
	return v
}

func (b *builder) tagged(x *ast.TagNode, depth int) *node {
	v := b.build(x.Value, depth)
	switch tag := x.GetToken().Value; {
	case tag == "!!str" && (v.kind == number || v.kind == boolean || v.kind == text):
		v.kind = text
	case tag == "!!str" && v.kind == null:
		v.kind, v.text = text, ""
	default:
		b.r.at(x.GetToken().Position.Line, x.GetToken().Position.Column, "the tag %s has no meaning here", quote(tag))
	}
	return v
}
