package store

import (
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"gorm.io/gorm/schema"

	"switchboard/store/storetest/pgtest"
)

// tables lists every row type.
var tables = []any{receiptRow{}, threadRow{}, ticketRow{}, eventRow{}, messageRow{}, customerRow{}, identityRow{}, accountRow{},
	teamRow{}, linkRow{}, keyRow{}, settingRow{}, leaseRow{}, cursorRow{}, turnRow{}, revisionRow{}, groupRow{}, keptRow{}, retiredRow{}, contactRow{}, canaryRow{}, canaryReceiptRow{}, sendingRow{}}

// The migrations are written by hand; this is what keeps them and the rows the
// same, column by column, on both databases.
func TestRowsAndMigrationsAgree(t *testing.T) {
	for _, url := range []string{filepath.Join(t.TempDir(), "books.db"), pgtest.New(t)} {
		s, err := Open(t.Context(), Options{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		if err := s.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Run(s.Dialect(), func(t *testing.T) {
			known := []string{"goose_db_version", "ticket_numbers"}
			for _, row := range tables {
				model, err := schema.Parse(row, &sync.Map{}, s.w.NamingStrategy)
				if err != nil {
					t.Fatal(err)
				}
				known = append(known, model.Table)
				columns, err := s.w.Migrator().ColumnTypes(model.Table)
				if err != nil {
					t.Fatal(err)
				}
				var got []string
				for _, c := range columns {
					got = append(got, c.Name())
					if f := model.FieldsByDBName[c.Name()]; f != nil {
						pointer := f.FieldType.Kind().String() == "ptr"
						if nullable, ok := c.Nullable(); ok && !inPrimaryKey(model, c.Name()) && nullable != pointer {
							t.Errorf("%s.%s: nullable %v in the migration, %v in the row", model.Table, c.Name(), nullable, pointer)
						}
					}
				}
				want := slices.Clone(model.DBNames)
				slices.Sort(want)
				slices.Sort(got)
				if !slices.Equal(got, want) {
					t.Errorf("%s: migration has %v, row has %v", model.Table, got, want)
				}
			}
			all, err := s.w.Migrator().GetTables()
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range all {
				if !slices.Contains(known, name) && name != "sqlite_sequence" {
					t.Errorf("table %s has no row", name)
				}
			}
		})
	}
}

// inPrimaryKey reports whether a column is in the primary key, which is never null
// whatever SQLite's table definition says.
func inPrimaryKey(model *schema.Schema, column string) bool {
	return slices.Contains(model.PrimaryFieldDBNames, column)
}
