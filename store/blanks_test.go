package store

import (
	"reflect"
	"testing"
	"time"

	"gorm.io/gorm"

	"switchboard/store/storetest/pgtest"
)

// blankRow has a column of every kind.
type blankRow struct {
	ID   string `gorm:"primaryKey"`
	S    string
	Sp   *string
	N    int
	M    int64
	B    bool
	Raw  []byte
	At   time.Time
	Then *time.Time
}

func (blankRow) TableName() string { return "blank_rows" }

func TestBlankColumnsReadBack(t *testing.T) {
	text, at := "x", time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)
	full := blankRow{ID: "full", S: "s", Sp: &text, N: 1, M: 2, B: true, Raw: []byte{1}, At: at, Then: &at}
	bare := blankRow{ID: "bare", At: at}
	for name, url := range map[string]string{Postgres: pgtest.New(t), SQLite: "sqlite:" + t.TempDir() + "/b.db"} {
		t.Run(name, func(t *testing.T) {
			s, err := Open(t.Context(), Options{URL: url})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			at := map[string]string{Postgres: "timestamptz", SQLite: "datetime"}[name]
			table := func(tx *gorm.DB) error {
				return tx.Exec(`CREATE TABLE blank_rows (id text PRIMARY KEY, s text NOT NULL, sp text, n bigint NOT NULL, m bigint NOT NULL,
				b boolean NOT NULL, raw ` + map[string]string{Postgres: "bytea", SQLite: "blob"}[name] + `, at ` + at + ` NOT NULL, "then" ` + at + `)`).Error
			}
			if err := s.write(t.Context(), table); err != nil {
				t.Fatal(err)
			}
			half := full
			half.ID, half.S, half.Then, half.Raw = "half", "", nil, nil
			for _, rows := range [][]blankRow{{bare}, {full, bare}, {half}, {full, half, bare}, {bare, bare}} {
				write := func(tx *gorm.DB) error {
					if err := tx.Exec("DELETE FROM blank_rows").Error; err != nil {
						return err
					}
					_, err := insert(tx, rows, doNothing)
					return err
				}
				if err := s.write(t.Context(), write); err != nil {
					t.Fatal(err)
				}
				for _, want := range rows {
					got, err := find[blankRow](s.read(t.Context()), "", s.in("id", []string{want.ID}), "")
					if err != nil || len(got) != 1 {
						t.Fatal(len(got), err)
					}
					got[0].At = got[0].At.UTC()
					if got[0].Then != nil {
						*got[0].Then = got[0].Then.UTC()
					}
					if len(got[0].Raw) == 0 {
						got[0].Raw = nil
					}
					if !reflect.DeepEqual(got[0], want) {
						t.Errorf("%+v came back as %+v", want, got[0])
					}
				}
			}
		})
	}
}

func TestBlankSetsAreBounded(t *testing.T) {
	var s blankSets
	for n := range blanks(3 * maxBlankSets) {
		if got := s.admit(n); got != n && (got != 0 || n < maxBlankSets) {
			t.Errorf("set %b became %b", n, got)
		}
	}
	if got := s.admit(1); len(s.known) != maxBlankSets || got != 1 {
		t.Errorf("%d sets, a known one became %b", len(s.known), got)
	}
}
