package store

import (
	"encoding/binary"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// columnCodec sends lists of values to PostgreSQL in one piece. pgx's own way
// boxes each value and lets the buffer of a statement grow by doubling: half of
// all that a filing group would allocate.
type columnCodec struct {
	*pgtype.ArrayCodec
	element uint32 // OID of the type of one value
}

// registerColumns makes a connection use it.
func registerColumns(c *pgx.Conn) {
	m := c.TypeMap()
	for array, element := range map[uint32]uint32{pgtype.TextArrayOID: pgtype.TextOID, pgtype.ByteaArrayOID: pgtype.ByteaOID,
		pgtype.Int8ArrayOID: pgtype.Int8OID, pgtype.BoolArrayOID: pgtype.BoolOID, pgtype.TimestamptzArrayOID: pgtype.TimestamptzOID} {
		if t, ok := m.TypeForOID(array); ok {
			if plain, ok := t.Codec.(*pgtype.ArrayCodec); ok {
				m.RegisterType(&pgtype.Type{Name: t.Name, OID: t.OID, Codec: columnCodec{plain, element}})
			}
		}
	}
}

// roomy is the first list of a statement; its memory has room for all of them and
// serves other statements afterwards.
type roomy[T any] struct {
	list []T
	*load
}

// load is the memory in which the lists of a statement are laid out, one after the
// other, before pgx copies them into its message.
type load struct {
	bytes int // that all lists take
	crate *crate
}

type crate struct{ b []byte }

var crates = sync.Pool{New: func() any { return &crate{} }}

// leastCrate is the room of the smallest crate, keepCrate of the largest that is
// used again. pgx goes on using a buffer of up to 256 bytes for the connection's
// next statements and forgets a larger one: it must never be given a small one
// that others will use.
const (
	leastCrate = 4 << 10
	keepCrate  = 2 << 20
)

// spacious makes the first of a statement's lists one that has room for all; done
// gives its memory back when the statement was run.
func spacious(lists []any) (all []any, done func()) {
	l := &load{}
	for _, list := range lists {
		l.bytes += sizeOf(list)
	}
	if len(lists) > 0 {
		lists[0] = l.under(lists[0])
	}
	return lists, l.unload
}

// laidOut is how many bytes the lists take at most.
func (l *load) laidOut() int { return l.bytes }

func (l *load) unload() {
	if l.crate != nil && cap(l.crate.b) <= keepCrate {
		crates.Put(l.crate)
	}
	l.crate = nil
}

// room is memory that begins with what buf holds and has room for the lists.
func (l *load) room(buf []byte) []byte {
	if l.crate == nil {
		l.crate = crates.Get().(*crate)
	}
	l.crate.b = append(slices.Grow(l.crate.b[:0], max(len(buf)+l.bytes, leastCrate)), buf...)
	return l.crate.b
}

// under is a list that is laid out in the load. The lists are of many types
// because pgx remembers its plans by them.
func (l *load) under(list any) any {
	switch list := list.(type) {
	case *[]string:
		return &roomy[string]{*list, l}
	case *[]*string:
		return &roomy[*string]{*list, l}
	case *[][]byte:
		return &roomy[[]byte]{*list, l}
	case *[]int:
		return &roomy[int]{*list, l}
	case *[]int64:
		return &roomy[int64]{*list, l}
	case *[]bool:
		return &roomy[bool]{*list, l}
	case *[]time.Time:
		return &roomy[time.Time]{*list, l}
	case *[]*time.Time:
		return &roomy[*time.Time]{*list, l}
	}
	return list
}

// sizeOf is how many bytes a list takes at most, 0 when pgx writes it its own way.
func sizeOf(list any) int {
	switch l := list.(type) {
	case *[]string:
		return listBytes(*l, textBytes)
	case *[]*string:
		return listBytes(*l, textAtBytes)
	case *[][]byte:
		return listBytes(*l, blobBytes)
	case *[]int:
		return listBytes(*l, wordBytes[int])
	case *[]int64:
		return listBytes(*l, wordBytes[int64])
	case *[]bool:
		return listBytes(*l, wordBytes[bool])
	case *[]time.Time:
		return listBytes(*l, wordBytes[time.Time])
	case *[]*time.Time:
		return listBytes(*l, wordBytes[*time.Time])
	}
	return 0
}

// PlanEncode is part of [pgtype.Codec].
func (c columnCodec) PlanEncode(m *pgtype.Map, oid uint32, format int16, value any) pgtype.EncodePlan {
	if format != pgtype.BinaryFormatCode {
		return c.ArrayCodec.PlanEncode(m, oid, format, value)
	}
	switch c.element {
	case pgtype.TextOID:
		switch value.(type) {
		case *[]string, *roomy[string]:
			return columnPlan[string]{c.element, putText}
		case *[]*string, *roomy[*string]:
			return columnPlan[*string]{c.element, putTextAt}
		}
	case pgtype.ByteaOID:
		switch value.(type) {
		case *[][]byte, *roomy[[]byte]:
			return columnPlan[[]byte]{c.element, putBlob}
		}
	case pgtype.Int8OID:
		switch value.(type) {
		case *[]int, *roomy[int]:
			return columnPlan[int]{c.element, putNumber[int]}
		case *[]int64, *roomy[int64]:
			return columnPlan[int64]{c.element, putNumber[int64]}
		}
	case pgtype.BoolOID:
		switch value.(type) {
		case *[]bool, *roomy[bool]:
			return columnPlan[bool]{c.element, putBool}
		}
	case pgtype.TimestamptzOID:
		switch value.(type) {
		case *[]time.Time, *roomy[time.Time]:
			return columnPlan[time.Time]{c.element, putTime}
		case *[]*time.Time, *roomy[*time.Time]:
			return columnPlan[*time.Time]{c.element, putTimeAt}
		}
	}
	return c.ArrayCodec.PlanEncode(m, oid, format, value)
}

// columnPlan writes a list of values of one type. put appends one after its
// length, or a length of -1 for null.
type columnPlan[T any] struct {
	element uint32
	put     func([]byte, T) []byte
}

// Encode writes an array of one dimension: its dimensions, whether it has nulls,
// the type, length and first index, then each value after its length (PostgreSQL,
// src/backend/utils/adt/arrayfuncs.c, array_recv).
func (p columnPlan[T]) Encode(value any, buf []byte) ([]byte, error) {
	var list []T
	if r, ok := value.(*roomy[T]); ok {
		list, buf = r.list, r.room(buf)
	} else {
		list, buf = *value.(*[]T), slices.Grow(buf, sizeOf(value))
	}
	word := func(n uint32) { buf = binary.BigEndian.AppendUint32(buf, n) }
	if len(list) == 0 {
		word(0)
		word(0)
		word(p.element)
		return buf, nil
	}
	word(1)
	nulls := len(buf)
	word(0)
	word(p.element)
	word(uint32(len(list)))
	word(1)
	for _, v := range list {
		before := len(buf)
		if buf = p.put(buf, v); len(buf) == before {
			word(null)
			buf[nulls+3] = 1
		}
	}
	return buf, nil
}

// null is the length of a value that is null.
const null = ^uint32(0)

// listBytes is the most a list takes.
func listBytes[T any](list []T, bytes func(T) int) int {
	n := 20 + 4*len(list)
	for _, v := range list {
		n += bytes(v)
	}
	return n
}

func textBytes(s string) int { return len(s) }

func textAtBytes(s *string) int {
	if s == nil {
		return 0
	}
	return len(*s)
}

func blobBytes(b []byte) int { return len(b) }

func wordBytes[T any](T) int { return 8 }

// The puts append nothing for null.

func putText(buf []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint32(buf, uint32(len(s))), s...)
}

func putTextAt(buf []byte, s *string) []byte {
	if s == nil {
		return buf
	}
	return putText(buf, *s)
}

func putBlob(buf []byte, b []byte) []byte {
	if b == nil {
		return buf
	}
	return append(binary.BigEndian.AppendUint32(buf, uint32(len(b))), b...)
}

func putNumber[T int | int64](buf []byte, n T) []byte {
	return binary.BigEndian.AppendUint64(append(buf, 0, 0, 0, 8), uint64(n))
}

func putBool(buf []byte, b bool) []byte {
	if b {
		return append(buf, 0, 0, 0, 1, 1)
	}
	return append(buf, 0, 0, 0, 1, 0)
}

// epoch is where PostgreSQL's microseconds begin: 2000-01-01.
const epoch = 946_684_800_000_000

func putTime(buf []byte, t time.Time) []byte {
	return binary.BigEndian.AppendUint64(append(buf, 0, 0, 0, 8), uint64(t.UnixMicro()-epoch))
}

func putTimeAt(buf []byte, t *time.Time) []byte {
	if t == nil {
		return buf
	}
	return putTime(buf, *t)
}
