package store

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"switchboard/pipeline/desk"
)

// in is the condition that col is one of values. It has one parameter whatever
// their number, so that there are two statements at most: a single value lets an
// index give the order too.
func (s *Store) in(col string, values []string) clause.Expr {
	if len(values) == 1 {
		return gorm.Expr(col+" = ?", values[0])
	}
	if s.dialect == Postgres {
		return gorm.Expr(col+" = ANY(?)", &values)
	}
	return gorm.Expr(col+" IN (SELECT value FROM json_each(?))", mustJSON(values))
}

// pair is a key of two columns.
type pair struct{ a, b string }

// inPairs is the condition that (colA, colB) is one of the pairs, with a fixed
// number of parameters.
func (s *Store) inPairs(colA, colB string, pairs []pair) clause.Expr {
	if s.dialect == Postgres {
		as, bs := make([]string, len(pairs)), make([]string, len(pairs))
		for i, p := range pairs {
			as[i], bs[i] = p.a, p.b
		}
		return gorm.Expr("("+colA+", "+colB+") IN (SELECT * FROM unnest(?::text[], ?::text[]))", &as, &bs)
	}
	list := make([][2]string, len(pairs))
	for i, p := range pairs {
		list[i] = [2]string{p.a, p.b}
	}
	return gorm.Expr("("+colA+", "+colB+") IN (SELECT value ->> 0, value ->> 1 FROM json_each(?))", mustJSON(list))
}

// found is what a query reads from to find the rows of a table by pairs of two
// columns, as a table named at: pair by pair, through the index that begins with
// the two. Left alone, PostgreSQL compares all rows with all pairs as long as its
// statistics say that the table is small. That no pair is there twice is up to the
// caller. columns are those that the query names.
func (s *Store) found(table, colA, colB, columns string, pairs []pair) clause.Expr {
	in := s.inPairs(colA, colB, pairs)
	same := func(t string) string { return t + "." + colA + " = k.a AND " + t + "." + colB + " = k.b" }
	if s.dialect == Postgres {
		return gorm.Expr("unnest(?::text[], ?::text[]) AS k (a, b) CROSS JOIN LATERAL (SELECT "+columns+" FROM "+table+" WHERE "+same(table)+" OFFSET 0) AS at", in.Vars...)
	}
	return gorm.Expr("(SELECT value ->> 0 AS a, value ->> 1 AS b FROM json_each(?)) AS k CROSS JOIN "+table+" AS at ON "+same("at"), in.Vars...)
}

// once are the pairs without repetition, in the order in which they come.
func once(pairs []pair) []pair {
	had := make(map[pair]struct{}, len(pairs))
	return slices.DeleteFunc(slices.Clone(pairs), func(p pair) bool {
		_, twice := had[p]
		had[p] = struct{}{}
		return twice
	})
}

// entriesAt is the condition that a row of messages has one of the scopes and
// external IDs. Its text, external_id <> ” included, lets both databases use
// the partial index; PostgreSQL has no other way, even in a plan it makes while
// the table is empty and keeps.
func (s *Store) entriesAt(pairs []pair) clause.Expr {
	in := s.inPairs("scope", "external_id", pairs)
	if s.dialect == Postgres {
		return gorm.Expr(`messages.ctid = ANY(ARRAY(SELECT at.ctid FROM unnest(?::text[], ?::text[]) AS k (scope, external_id)
			CROSS JOIN LATERAL (SELECT m.ctid FROM messages m WHERE m.scope = k.scope AND m.external_id = k.external_id
				AND m.external_id <> '' OFFSET 0) AS at))`, in.Vars...)
	}
	return gorm.Expr(in.SQL+" AND external_id <> ''", in.Vars...)
}

// forUpdate locks the rows a query finds until the transaction ends. On SQLite
// the transaction already holds the whole file.
func (s *Store) forUpdate(tx *gorm.DB) *gorm.DB {
	if s.dialect == Postgres {
		return tx.Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate})
	}
	return tx
}

// maxKey is the longest key an index holds as it is.
const maxKey = 512

// key is the form in which a string that a stranger chose is stored where an
// index needs it: clean, and not longer than PostgreSQL's index rows allow (a
// third of a page). A longer one is cut and carries its digest, so that two
// long ones stay as different as they are.
func key(s string) string {
	s = desk.Clean(s)
	if len(s) <= maxKey {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	return desk.Cut(s, maxKey-65) + "#" + hex.EncodeToString(sum[:])
}

// micro is the precision and zone in which times are kept.
func micro(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// microp is micro for a column that may be null: so is the zero time.
func microp(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = micro(t)
	return &t
}

// microAt is micro for a pointer.
func microAt(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	return microp(*t)
}

// timeOf is the time of a column that may be null.
func timeOf(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

// timeAt is a copy of a column that may be null, in UTC.
func timeAt(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	u := t.UTC()
	return &u
}

// mustJSON encodes strings and times, which cannot fail.
func mustJSON[T string | [2]string | outcome](list []T) string {
	if list == nil {
		return "[]"
	}
	b, err := json.Marshal(list)
	if err != nil {
		panic(err)
	}
	return string(b)
}
