package store

import (
	"fmt"
	"math/bits"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/schema"
)

// What an insert does about rows that are there already.
const doNothing = "ON CONFLICT DO NOTHING" // leaves them alone; the caller compares the number of rows

// insertMax is the most rows one statement inserts; insertParams is the most
// parameters it has on SQLite, whose driver looks for each of them among all.
const (
	insertMax    = 256
	insertParams = 512
)

// insert inserts rows and returns how many went in. On PostgreSQL a statement
// has one array for each column, so that a table has one statement text, planned
// once, whatever the number of rows; the arrays are unnested side by side in the
// list of columns, not in FROM, where each would be written to a store of its
// own first. On SQLite the lengths of statements are powers of two.
func insert[T schema.Tabler](tx *gorm.DB, rows []T, conflict string) (n int64, err error) {
	if len(rows) == 0 {
		return 0, nil
	}
	l, err := layoutOf[T](tx.NamingStrategy)
	if err != nil {
		return 0, err
	}
	most := insertMax
	lite := tx.Name() == SQLite
	if lite {
		most = powerOfTwo(max(insertParams/len(l.columns), 1))
	}
	for len(rows) > 0 {
		k := min(len(rows), most)
		var res *gorm.DB
		if lite {
			k = min(powerOfTwo(k), most)
			res = tx.Exec(l.values(k, conflict), params(l, rows[:k])...)
		} else {
			res = tx.Exec(l.unnest(conflict), arrays(l, rows[:k])...)
		}
		if res.Error != nil {
			return n, res.Error
		}
		n += res.RowsAffected
		rows = rows[k:]
	}
	return n, nil
}

// powerOfTwo is the greatest power of two that is not above n, which is at
// least 1.
func powerOfTwo(n int) int { return 1 << (bits.Len(uint(n)) - 1) }

// insertNew inserts rows that must all be new. When somebody else made one of
// them meanwhile the transaction fails and runs again (see isDuplicate). To ask
// for no conflict costs PostgreSQL a second look into every unique index and a
// lock for each row.
func insertNew[T schema.Tabler](tx *gorm.DB, rows []T) error {
	_, err := insert(tx, rows, "")
	return err
}

// rewrite writes the named columns of rows that are there and locked over what
// they are, found by their ID: one statement for many.
func rewrite[T schema.Tabler](tx *gorm.DB, rows []T, columns string) error {
	if len(rows) == 0 {
		return nil
	}
	if tx.Name() == SQLite {
		_, err := insert(tx, rows, saved(columns, ""))
		return err
	}
	l, err := layoutOf[T](tx.NamingStrategy)
	if err != nil {
		return err
	}
	l = l.only(columns)
	for len(rows) > 0 {
		k := min(len(rows), insertMax)
		if err := tx.Exec(l.update(), arrays(l, rows[:k])...).Error; err != nil {
			return err
		}
		rows = rows[k:]
	}
	return nil
}

// layout is how a row type lies in its table. It is made once for each type.
type layout struct {
	table   string
	columns []column
	texts   sync.Map // of statements, by their conflict clause and number of rows
	parts   sync.Map // *layout by the names of the columns it has
}

type column struct {
	name  string
	array string // the type of an array of it, on PostgreSQL
	field int
	lane  func(n int) lane
}

// lane gathers one column of many rows. take is given the address of a field;
// bytes is the most the column takes on its way to PostgreSQL.
type lane interface {
	take(i int, field any)
	array() any
	roomy(bytes int) any // the array, with room for all columns
	bytes() int
}

type laneOf[T any] struct {
	values []T
	size   func(T) int
}

func (l *laneOf[T]) take(i int, field any) { l.values[i] = *field.(*T) }
func (l *laneOf[T]) array() any            { return &l.values }
func (l *laneOf[T]) roomy(n int) any       { return &roomy[T]{l.values, n} }
func (l *laneOf[T]) bytes() int            { return listBytes(l.values, l.size) }

func lanesOf[T any](size func(T) int) func(n int) lane {
	return func(n int) lane { return &laneOf[T]{make([]T, n), size} }
}

// kinds are the types of columns there are.
var kinds = map[reflect.Type]struct {
	array string
	lane  func(int) lane
}{
	reflect.TypeFor[string]():     {"text[]", lanesOf(textBytes)},
	reflect.TypeFor[*string]():    {"text[]", lanesOf(textAtBytes)},
	reflect.TypeFor[int]():        {"bigint[]", lanesOf(wordBytes[int])},
	reflect.TypeFor[int64]():      {"bigint[]", lanesOf(wordBytes[int64])},
	reflect.TypeFor[bool]():       {"boolean[]", lanesOf(wordBytes[bool])},
	reflect.TypeFor[[]byte]():     {"bytea[]", lanesOf(blobBytes)},
	reflect.TypeFor[time.Time]():  {"timestamptz[]", lanesOf(wordBytes[time.Time])},
	reflect.TypeFor[*time.Time](): {"timestamptz[]", lanesOf(wordBytes[*time.Time])},
}

var layouts sync.Map // *layout by reflect.Type

func layoutOf[T schema.Tabler](names schema.Namer) (*layout, error) {
	t := reflect.TypeFor[T]()
	if l, ok := layouts.Load(t); ok {
		return l.(*layout), nil
	}
	var zero T
	model, err := schema.Parse(&zero, &sync.Map{}, names)
	if err != nil {
		return nil, err
	}
	l := &layout{table: zero.TableName()}
	for _, f := range model.Fields {
		kind, ok := kinds[f.FieldType]
		if !ok || len(f.StructField.Index) != 1 {
			return nil, fmt.Errorf("store: column %s.%s has a type inserts do not know", l.table, f.DBName)
		}
		l.columns = append(l.columns, column{f.DBName, kind.array, f.StructField.Index[0], kind.lane})
	}
	layouts.Store(t, l)
	return l, nil
}

func (l *layout) head() string {
	names := make([]string, len(l.columns))
	for i, c := range l.columns {
		names[i] = `"` + c.name + `"`
	}
	return "INSERT INTO " + l.table + " (" + strings.Join(names, ", ") + ") "
}

// text returns a statement's text, made once.
func (l *layout) text(key any, make func() string) string {
	if s, ok := l.texts.Load(key); ok {
		return s.(string)
	}
	s := make()
	l.texts.Store(key, s)
	return s
}

// only is the layout of the ID and the named columns.
func (l *layout) only(columns string) *layout {
	if some, ok := l.parts.Load(columns); ok {
		return some.(*layout)
	}
	some := &layout{table: l.table}
	names := append(strings.Fields(columns), "id")
	for _, c := range l.columns {
		if slices.Contains(names, c.name) {
			some.columns = append(some.columns, c)
		}
	}
	l.parts.Store(columns, some)
	return some
}

func (l *layout) update() string {
	return l.text("update", func() string {
		var set, from []string
		for _, c := range l.columns {
			if c.name != "id" {
				set = append(set, `"`+c.name+`" = o."`+c.name+`"`)
			}
			from = append(from, "unnest(?::"+c.array+`) AS "`+c.name+`"`)
		}
		return "UPDATE " + l.table + " SET " + strings.Join(set, ", ") + " FROM (SELECT " + strings.Join(from, ", ") + ") AS o WHERE " + l.table + ".id = o.id"
	})
}

func (l *layout) unnest(conflict string) string {
	return l.text(conflict, func() string {
		args := make([]string, len(l.columns))
		for i, c := range l.columns {
			args[i] = "unnest(?::" + c.array + ")"
		}
		return l.head() + "SELECT " + strings.Join(args, ", ") + " " + conflict
	})
}

func (l *layout) values(rows int, conflict string) string {
	return l.text([2]any{rows, conflict}, func() string {
		// The space keeps GORM from writing bytes as a list.
		row := "( " + strings.TrimSuffix(strings.Repeat("?, ", len(l.columns)), ", ") + ")"
		return l.head() + "VALUES " + strings.TrimSuffix(strings.Repeat(row+", ", rows), ", ") + " " + conflict
	})
}

// arrays are the rows as one array for each column.
func arrays[T any](l *layout, rows []T) []any {
	lanes := make([]lane, len(l.columns))
	for i, c := range l.columns {
		lanes[i] = c.lane(len(rows))
	}
	for n := range rows {
		row := reflect.ValueOf(&rows[n]).Elem()
		for i, c := range l.columns {
			lanes[i].take(n, row.Field(c.field).Addr().Interface())
		}
	}
	out := make([]any, len(lanes))
	bytes := 0
	for i, l := range lanes {
		out[i] = l.array()
		bytes += l.bytes()
	}
	out[0] = lanes[0].roomy(bytes)
	return out
}

// params are the values of the rows one after the other.
func params[T any](l *layout, rows []T) []any {
	out := make([]any, 0, len(rows)*len(l.columns))
	for n := range rows {
		row := reflect.ValueOf(&rows[n]).Elem()
		for _, c := range l.columns {
			out = append(out, row.Field(c.field).Interface())
		}
	}
	return out
}

// saved is the conflict clause that writes the named columns over those of the
// row that is there, and rest, if any, after them.
func saved(columns, rest string) string {
	var set []string
	for _, c := range strings.Fields(columns) {
		set = append(set, c+" = excluded."+c)
	}
	if rest != "" {
		set = append(set, rest)
	}
	return "ON CONFLICT (id) DO UPDATE SET " + strings.Join(set, ", ")
}
