package store

import (
	"reflect"
	"slices"
	"strings"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/schema"
)

// find reads the rows of T's table that a condition names, as a query of GORM's
// that asks for nothing but the columns (all when empty, their names with spaces
// between) and fills the struct's fields itself. rest is what follows the
// condition. GORM finds out anew for every row where each value goes; the hot
// paths read a hundred rows of forty columns at a time.
func find[T schema.Tabler](db *gorm.DB, columns string, where clause.Expr, rest string) ([]T, error) {
	l, err := layoutOf[T](db.NamingStrategy)
	if err != nil {
		return nil, err
	}
	head := l.text("select "+columns, func() string {
		var names []string
		for _, c := range l.picked(columns) {
			names = append(names, `"`+c.name+`"`)
		}
		return "SELECT " + strings.Join(names, ", ") + " FROM " + l.table + " WHERE "
	})
	rows, err := db.Raw(head+where.SQL+" "+rest, where.Vars...).Rows()
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var row T
	fields := l.fields(reflect.ValueOf(&row).Elem(), columns)
	out := make([]T, 0, expected(where))
	for rows.Next() {
		if err := rows.Scan(fields...); err != nil {
			return nil, err
		}
		out = append(out, row)
	}
	return out, rows.Err()
}

// expected is how many rows a condition finds when each of its values finds one,
// as values of one column mostly do; 0 when nobody knows.
func expected(where clause.Expr) int {
	if len(where.Vars) == 1 {
		if list, ok := where.Vars[0].(*[]string); ok {
			return len(*list)
		}
	}
	return 0
}

// picked are the named columns, in the table's order; all when none is named.
func (l *layout) picked(columns string) []column {
	if columns == "" {
		return l.columns
	}
	names := strings.Fields(columns)
	var out []column
	for _, c := range l.columns {
		if slices.Contains(names, c.name) {
			out = append(out, c)
		}
	}
	return out
}

// fields are the addresses of the fields of picked columns.
func (l *layout) fields(row reflect.Value, columns string) []any {
	picked := l.picked(columns)
	out := make([]any, len(picked))
	for i, c := range picked {
		out[i] = row.Field(c.field).Addr().Interface()
	}
	return out
}

// locked is the end of a statement that locks what it finds, in the order of a
// column, until the transaction ends. On SQLite the transaction already holds the
// whole file.
func (s *Store) locked(column string) string {
	if s.dialect == Postgres {
		return "ORDER BY " + column + " FOR UPDATE"
	}
	return "ORDER BY " + column
}
