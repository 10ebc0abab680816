package store

import (
	"context"

	"switchboard/pipeline/desk"
)

// acceptAtOnce writes the rows and what they bring along in one statement, which is
// a transaction of its own: a sender waits for one answer of PostgreSQL instead of
// four. It is not done where that needs more than a statement: on SQLite, with a
// cursor, when there is very much of it, and when two messages bring the same.
//
// As a rule nothing of a group is there already, and to allow for it costs
// PostgreSQL a second look into every unique index and a lock for each row. So the
// group is written as if all were new. A unique key that objects undoes all of it;
// then, and for a while, the statement allows for what is there.
func (s *Store) acceptAtOnce(ctx context.Context, cursor *desk.Cursor, rs []desk.Receipt, rows []receiptRow, first map[message]string) (had map[message]string, done bool, err error) {
	if s.dialect != Postgres || cursor != nil || len(rows) > insertMax {
		return nil, false, nil
	}
	all, err := gifts(fresh(rs, first, nil))
	if err != nil {
		return nil, true, err
	}
	kept, by := keptRows(all)
	if len(kept) != len(all) || len(kept) > insertMax {
		return nil, false, nil
	}
	hopeful := s.caution.Add(-1) < 0
	err = s.repeat(ctx, func() error {
		db := s.w.WithContext(ctx)
		conflict, keep := doNothing, keepFresh
		if hopeful {
			conflict, keep = "", keepAll
		}
		ledger, values, err := insertion(db, rows, conflict)
		if err != nil {
			return err
		}
		l, err := layoutOf[keptRow](db.NamingStrategy)
		if err != nil {
			return err
		}
		if values = append(values, arrays(l, kept, 0)...); !hopeful {
			values = append(values, &by)
		}
		values, done := spacious(values)
		defer done()
		var n int
		// Not GORM's Scan, which writes the statement out with all its values.
		err = db.Raw("WITH fresh AS ("+ledger+" RETURNING id), brought AS ("+keep+") SELECT count(*) FROM fresh", values...).Row().Scan(&n)
		if hopeful && isDuplicate(err) {
			hopeful = false
			s.caution.Store(cautious)
		}
		if had = nil; err == nil && n != len(rows) {
			had, err = s.inLedger(db, rows)
		}
		return err
	})
	return had, true, err
}

// cautious is how many groups are not taken to be new after one that was not.
const cautious = 200

// keepAll writes what the rows of fresh bring along, after these; keepFresh what
// those bring along that are new.
const (
	keepAll = `INSERT INTO kept (digest, bytes, at) SELECT b.digest, b.bytes, b.at
	FROM (SELECT unnest(?::bytea[]) AS digest, unnest(?::bytea[]) AS bytes, unnest(?::bigint[]) AS at) AS b
	WHERE (SELECT count(*) FROM fresh) > 0`
	keepFresh = `INSERT INTO kept (digest, bytes, at) SELECT b.digest, b.bytes, b.at
	FROM (SELECT unnest(?::bytea[]) AS digest, unnest(?::bytea[]) AS bytes, unnest(?::bigint[]) AS at, unnest(?::text[]) AS receipt) AS b
	WHERE b.receipt = ANY(ARRAY(SELECT id FROM fresh)) ` + lockKept
)
