package store

import (
	"encoding/binary"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// textsCodec sends lists of strings to PostgreSQL in one piece. pgx's own way
// boxes each string and lets the buffer of a statement grow by doubling: half of
// all that a filing group would allocate.
type textsCodec struct{ *pgtype.ArrayCodec }

// registerTexts makes a connection use it.
func registerTexts(c *pgx.Conn) {
	m := c.TypeMap()
	if t, ok := m.TypeForOID(pgtype.TextArrayOID); ok {
		if plain, ok := t.Codec.(*pgtype.ArrayCodec); ok {
			m.RegisterType(&pgtype.Type{Name: t.Name, OID: t.OID, Codec: textsCodec{plain}})
		}
	}
}

// PlanEncode is part of [pgtype.Codec].
func (c textsCodec) PlanEncode(m *pgtype.Map, oid uint32, format int16, value any) pgtype.EncodePlan {
	if _, ok := value.(*[]string); ok && format == pgtype.BinaryFormatCode {
		return textsPlan{}
	}
	return c.ArrayCodec.PlanEncode(m, oid, format, value)
}

type textsPlan struct{}

// Encode writes an array of one dimension: its dimensions, whether it has nulls,
// the type, length and first index, then each value after its length (PostgreSQL,
// src/backend/utils/adt/arrayfuncs.c, array_recv).
func (textsPlan) Encode(value any, buf []byte) ([]byte, error) {
	list := *value.(*[]string)
	size := 20 + 4*len(list)
	for _, s := range list {
		size += len(s)
	}
	buf = slices.Grow(buf, size)
	put := func(n int) { buf = binary.BigEndian.AppendUint32(buf, uint32(n)) }
	if len(list) == 0 {
		put(0)
		put(0)
		put(pgtype.TextOID)
		return buf, nil
	}
	put(1)
	put(0)
	put(pgtype.TextOID)
	put(len(list))
	put(1)
	for _, s := range list {
		put(len(s))
		buf = append(buf, s...)
	}
	return buf, nil
}
