package configs

import (
	"github.com/goccy/go-yaml/token"
)

// manyKeys finds where a mapping begins to have more than maxKeys keys, or nil. The
// parser needs the square of their number (its parseMap), so this is asked of the tokens,
// which cost no more than the file is long.
func manyKeys(tokens token.Tokens) *token.Token {
	type open struct{ column, keys int }
	var blocks []open // mappings written in lines, from the outermost in
	var flows []int   // what is written in brackets: the keys of a mapping, below 0 for a list
	within := func(column int) {
		for len(blocks) > 0 && blocks[len(blocks)-1].column > column {
			blocks = blocks[:len(blocks)-1]
		}
	}
	for _, t := range tokens {
		switch t.Type {
		case token.DocumentHeaderType, token.DocumentEndType:
			blocks, flows = nil, nil
		case token.MappingStartType:
			flows = append(flows, 1)
		case token.SequenceStartType:
			flows = append(flows, -1)
		case token.MappingEndType, token.SequenceEndType:
			flows = flows[:max(len(flows)-1, 0)]
		case token.CollectEntryType:
			after := t.Next != nil && t.Next.Type == token.MappingEndType // nothing comes after the last comma
			if last := len(flows) - 1; last >= 0 && flows[last] > 0 && !after {
				if flows[last]++; flows[last] > maxKeys {
					return t
				}
			}
		case token.SequenceEntryType:
			if len(flows) == 0 { // each entry has mappings of its own
				within(t.Position.Column)
			}
		case token.MappingValueType:
			if len(flows) > 0 || t.Prev == nil {
				break
			}
			column := t.Prev.Position.Column
			if within(column); len(blocks) == 0 || blocks[len(blocks)-1].column < column {
				blocks = append(blocks, open{column: column})
			}
			b := &blocks[len(blocks)-1]
			if b.keys++; b.keys > maxKeys {
				return t.Prev
			}
		}
	}
	return nil
}
