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
	insertParams = 256
)

// insert inserts rows and returns how many went in. On PostgreSQL a statement
// has one array for each column, so that a table has one statement text, planned
// once, whatever the number of rows; the arrays are unnested side by side in the
// list of columns, not in FROM, where each would be written to a store of its
// own first. On SQLite the lengths of statements are powers of two. Columns that
// are blank in all rows, as most are, stand in the text (see [layout.blanks]).
func insert[T schema.Tabler](tx *gorm.DB, rows []T, conflict string) (n int64, err error) {
	if len(rows) == 0 {
		return 0, nil
	}
	l, err := layoutOf[T](tx.NamingStrategy)
	if err != nil {
		return 0, err
	}
	lite := tx.Name() == SQLite
	for len(rows) > 0 {
		k := min(len(rows), insertMax)
		blank := blanksOf(l, rows[:k])
		var res *gorm.DB
		if lite {
			k = min(powerOfTwo(k), powerOfTwo(max(insertParams/max(len(l.columns)-blank.count(), 1), 1)))
			res = tx.Exec(l.values(k, blank, conflict), params(l, rows[:k], blank)...)
		} else {
			lists, done := spacious(arrays(l, rows[:k], blank))
			res = tx.Exec(l.unnest(blank, conflict), lists...)
			done()
		}
		if res.Error != nil {
			return n, res.Error
		}
		n += res.RowsAffected
		rows = rows[k:]
	}
	return n, nil
}

// insertion is the statement of [insert] on PostgreSQL, for up to insertMax rows,
// with its parameters: to be part of a larger one.
func insertion[T schema.Tabler](db *gorm.DB, rows []T, conflict string) (text string, values []any, err error) {
	l, err := layoutOf[T](db.NamingStrategy)
	if err != nil {
		return "", nil, err
	}
	blank := blanksOf(l, rows)
	return l.unnest(blank, conflict), arrays(l, rows, blank), nil
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
		blank := blanksOf(l, rows[:k])
		lists, done := spacious(arrays(l, rows[:k], blank))
		err := tx.Exec(l.update(blank), lists...).Error
		done()
		if err != nil {
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
	texts   sync.Map // of statements, by what tells them apart
	parts   sync.Map // *layout by the names of the columns it has
	blanks  blankSets
}

type column struct {
	name  string
	field int
	kind
}

// kind is how values of a Go type lie in a column.
type kind struct {
	array string // the type of an array of it, on PostgreSQL
	blank string // how the value it mostly has is written in SQL, "" when there is none
	is    func(field any) bool
	lane  func(n int) lane
}

// lane gathers one column of many rows. take is given the address of a field.
type lane interface {
	take(i int, field any)
	array() any
}

type laneOf[T any] struct{ values []T }

func (l *laneOf[T]) take(i int, field any) { l.values[i] = *field.(*T) }
func (l *laneOf[T]) array() any            { return &l.values }

func laneFor[T any](n int) lane { return &laneOf[T]{make([]T, n)} }

// kinds are the types of columns there are.
var kinds = map[reflect.Type]kind{
	reflect.TypeFor[string]():     {"text[]", "''", blank[string], laneFor[string]},
	reflect.TypeFor[*string]():    {"text[]", "NULL", blank[*string], laneFor[*string]},
	reflect.TypeFor[int]():        {"bigint[]", "0", blank[int], laneFor[int]},
	reflect.TypeFor[int64]():      {"bigint[]", "0", blank[int64], laneFor[int64]},
	reflect.TypeFor[bool]():       {"boolean[]", "false", blank[bool], laneFor[bool]},
	reflect.TypeFor[[]byte]():     {"bytea[]", "NULL", func(field any) bool { return *field.(*[]byte) == nil }, laneFor[[]byte]},
	reflect.TypeFor[time.Time]():  {"timestamptz[]", "", func(any) bool { return false }, laneFor[time.Time]},
	reflect.TypeFor[*time.Time](): {"timestamptz[]", "NULL", blank[*time.Time], laneFor[*time.Time]},
}

// blank reports whether the field at an address has the zero value.
func blank[T comparable](field any) bool {
	var zero T
	return *field.(*T) == zero
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
		l.columns = append(l.columns, column{f.DBName, f.StructField.Index[0], kind})
	}
	if len(l.columns) > maxColumns {
		return nil, fmt.Errorf("store: %s has more than %d columns", l.table, maxColumns)
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

func (l *layout) update(skip blanks) string {
	return l.text(skip, func() string {
		var set, from []string
		for i, c := range l.columns {
			if c.name != "id" {
				set = append(set, `"`+c.name+`" = o."`+c.name+`"`)
			}
			from = append(from, c.list(skip.has(i))+` AS "`+c.name+`"`)
		}
		return "UPDATE " + l.table + " SET " + strings.Join(set, ", ") + " FROM (SELECT " + strings.Join(from, ", ") + ") AS o WHERE " + l.table + ".id = o.id"
	})
}

// list is the column of a statement for many rows on PostgreSQL: a parameter, or
// the blank of its type.
func (c *column) list(blank bool) string {
	if blank {
		return c.blank + "::" + strings.TrimSuffix(c.array, "[]")
	}
	return "unnest(?::" + c.array + ")"
}

func (l *layout) unnest(skip blanks, conflict string) string {
	return l.text([2]any{skip, conflict}, func() string {
		args := make([]string, len(l.columns))
		for i, c := range l.columns {
			args[i] = c.list(skip.has(i))
		}
		return l.head() + "SELECT " + strings.Join(args, ", ") + " " + conflict
	})
}

func (l *layout) values(rows int, skip blanks, conflict string) string {
	return l.text([3]any{rows, skip, conflict}, func() string {
		args := make([]string, len(l.columns))
		for i, c := range l.columns {
			if args[i] = "?"; skip.has(i) {
				args[i] = c.blank
			}
		}
		// The space keeps GORM from writing bytes as a list.
		row := "( " + strings.Join(args, ", ") + ")"
		return l.head() + "VALUES " + strings.TrimSuffix(strings.Repeat(row+", ", rows), ", ") + " " + conflict
	})
}

// arrays are the rows as one array for each column that is not skipped.
func arrays[T any](l *layout, rows []T, skip blanks) []any {
	lanes := make([]lane, 0, len(l.columns)-skip.count())
	fields := make([]int, 0, cap(lanes))
	for i, c := range l.columns {
		if !skip.has(i) {
			lanes, fields = append(lanes, c.lane(len(rows))), append(fields, c.field)
		}
	}
	for n := range rows {
		row := reflect.ValueOf(&rows[n]).Elem()
		for i, field := range fields {
			lanes[i].take(n, row.Field(field).Addr().Interface())
		}
	}
	out := make([]any, len(lanes))
	for i, l := range lanes {
		out[i] = l.array()
	}
	return out
}

// params are the values of the rows one after the other, without the columns
// that are skipped.
func params[T any](l *layout, rows []T, skip blanks) []any {
	out := make([]any, 0, len(rows)*(len(l.columns)-skip.count()))
	for n := range rows {
		row := reflect.ValueOf(&rows[n]).Elem()
		for i, c := range l.columns {
			if !skip.has(i) {
				out = append(out, row.Field(c.field).Interface())
			}
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
