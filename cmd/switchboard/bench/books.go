package bench

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	_ "github.com/glebarez/sqlite" // the driver "sqlite"
	_ "github.com/jackc/pgx/v5/stdlib"
)

// ledger reads the books from outside, over one connection of its own.
type ledger struct {
	db       *sql.DB
	postgres bool
}

// openLedger opens the books at a URL as the config has it.
func openLedger(ctx context.Context, at string) (*ledger, error) {
	l := &ledger{postgres: strings.HasPrefix(at, "postgres")}
	driver := "pgx"
	if !l.postgres {
		driver, at = "sqlite", "file:"+strings.TrimPrefix(at, "sqlite:")+"?mode=ro&_pragma=busy_timeout(5000)"
	}
	var err error
	if l.db, err = sql.Open(driver, at); err != nil {
		return nil, fmt.Errorf("bench: open the books: %w", err)
	}
	l.db.SetMaxOpenConns(1)
	// Look by the index for what waits, however the tables are guessed to be. Without
	// jit = off the price that forbids a scan makes the server compile the query,
	// which takes longer than all the rest.
	if l.postgres {
		if _, err := l.db.ExecContext(ctx, "SET enable_seqscan = off; SET jit = off"); err != nil {
			l.db.Close()
			return nil, fmt.Errorf("bench: open the books: %w", err)
		}
	}
	return l, nil
}

func (l *ledger) close() { l.db.Close() }

func (l *ledger) count(ctx context.Context, query string) (n int, err error) {
	if err = l.db.QueryRowContext(ctx, query).Scan(&n); err != nil {
		err = fmt.Errorf("bench: read the books: %w", err)
	}
	return n, err
}

// waits is whether a message is accepted and not settled, which is cheap by the
// index however many are settled.
func (l *ledger) waits(ctx context.Context) (bool, error) {
	n, err := l.count(ctx, "SELECT count(*) FROM (SELECT 1 FROM ledger WHERE state = 'accepted' LIMIT 1) AS w")
	return n > 0, err
}

// audit is what the books hold in the end.
type audit struct {
	Filed    int `json:"filed"`    // receipts filed
	Other    int `json:"other"`    // receipts that ended otherwise, or did not end
	Tickets  int `json:"tickets"`  //
	Messages int `json:"messages"` //
	Empty    int `json:"empty"`    // tickets without a message
}

func (l *ledger) audit(ctx context.Context) (a audit, err error) {
	for _, q := range []struct {
		into *int
		sql  string
	}{
		{&a.Filed, "SELECT count(*) FROM ledger WHERE state = 'filed'"},
		{&a.Other, "SELECT count(*) FROM ledger WHERE state <> 'filed'"},
		{&a.Tickets, "SELECT count(*) FROM tickets"},
		{&a.Messages, "SELECT count(*) FROM messages"},
		{&a.Empty, "SELECT count(*) FROM tickets WHERE NOT EXISTS (SELECT 1 FROM messages WHERE messages.ticket_id = tickets.id)"},
	} {
		if *q.into, err = l.count(ctx, q.sql); err != nil {
			return a, err
		}
	}
	return a, nil
}

// check compares the books with what was acknowledged.
func (a audit) check(acknowledged, threads int) error {
	if a.Filed != acknowledged || a.Other != 0 || a.Messages != acknowledged || a.Empty != 0 || a.Tickets != threads {
		return fmt.Errorf("bench: the books are wrong: %d messages in %d conversations were acknowledged; filed %d, otherwise %d, messages %d, tickets %d, of these empty %d",
			acknowledged, threads, a.Filed, a.Other, a.Messages, a.Tickets, a.Empty)
	}
	return nil
}

// commits calls each with the number in the external ID PREFIX-NUMBER of every
// filed message and the instant its filing was committed, as PostgreSQL noted it
// (track_commit_timestamp). PostgreSQL takes that time just before it flushes
// the commit to disk.
func (l *ledger) commits(ctx context.Context, prefix string, each func(n int, at time.Time)) error {
	rows, err := l.db.QueryContext(ctx, "SELECT external_id, pg_xact_commit_timestamp(xmin) FROM ledger WHERE state = 'filed' AND external_id LIKE '%"+prefix+"-%'")
	if err != nil {
		return fmt.Errorf("bench: read the times of commits: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		var at sql.NullTime
		if err := rows.Scan(&id, &at); err != nil {
			return fmt.Errorf("bench: read the times of commits: %w", err)
		}
		var n int
		_, number, ok := strings.Cut(id[strings.LastIndexByte(id, ':')+1:], prefix+"-")
		if !ok || !at.Valid {
			continue
		}
		if _, err := fmt.Sscanf(number, "%d", &n); err == nil {
			each(n, at.Time)
		}
	}
	return rows.Err()
}
