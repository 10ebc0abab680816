package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
	"gorm.io/gorm"

	"switchboard/pipeline/desk"
)

// failed names the operation an error comes from; nil stays nil. Whoever asks while
// no connection can be had hears desk.ErrUnavailable, whatever the reason: what he
// asked for reached nobody, a password that was changed is no message's fault.
func failed(op string, err error) error {
	var refused *pgconn.ConnectError
	if errors.As(err, &refused) && !unavailable(err) {
		return fmt.Errorf("store: %s: %w: %w", op, desk.ErrUnavailable, err)
	}
	return opening(op, err)
}

// opening is failed for who opens the books: it tells apart what waiting cures, and
// a wrong password is none of that.
func opening(op string, err error) error {
	switch {
	case err == nil:
		return nil
	case unavailable(err):
		return fmt.Errorf("store: %s: %w: %w", op, desk.ErrUnavailable, err)
	case refuses(err):
		return desk.Permanent(fmt.Errorf("store: %s: %w", op, err))
	}
	return fmt.Errorf("store: %s: %w", op, err)
}

// refuses reports that the database will never take the values it was given: a
// character it does not know, a time that it cannot hold, a row or key that is too
// large. Asked again it says the same.
func refuses(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		switch class(pg) {
		case "22", // data exception
			"54": // program limit exceeded
			return true
		}
		return pg.Code == "23502" || pg.Code == "23514" // a NULL, a check
	}
	var lite sqliteError
	return errors.As(err, &lite) && lite.Code()&0xff == 18 // TOOBIG
}

// class is the class of an SQLSTATE.
func class(pg *pgconn.PgError) string { return desk.Cut(pg.Code, 2) }

// notFound turns GORM's word for no row into ours.
func notFound(what string, err error) error {
	if errors.Is(err, gorm.ErrRecordNotFound) {
		err = desk.ErrNotFound
	}
	return failed(what, err)
}

// stalePlan reports that a prepared statement's result would have other columns
// than when it was prepared (PostgreSQL, plancache.c): somebody upgraded the
// schema meanwhile. pgx prepares it anew the next time.
func stalePlan(pg *pgconn.PgError) bool {
	return pg.Code == "0A000" && strings.Contains(pg.Message, "cached plan")
}

// unavailable reports errors that say nothing about what was asked, only that
// the database cannot answer now: no connection, a cut one, a server that
// starts or stops, no free slot, a full disk, a file somebody else holds.
// Waiting cures them, and no message is to blame.
func unavailable(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		switch class(pg) {
		case "08", // connection exception
			"53", // insufficient resources: connections, memory, disk
			"57": // operator intervention: shutdown, crash, cannot connect now, query cancelled
			return true
		case "58": // system error: I/O
			return true
		}
		// Read-only: a standby after a failover. Or a table was changed since the
		// connection prepared this statement, which it then forgets.
		// Cut for its idleness: this process slept in the middle of a transaction.
		// Or somebody held a lock for longer than the server's lock_timeout lets us wait.
		return pg.Code == "25006" || pg.Code == "25P03" || pg.Code == "55P03" || stalePlan(pg)
	}
	var lite sqliteError
	if errors.As(err, &lite) {
		switch lite.Code() & 0xff {
		case 5, 6, 10, 13, 14: // BUSY, LOCKED, IOERR, FULL, CANTOPEN
			return true
		}
		return false
	}
	var refused *pgconn.ConnectError
	var network net.Error
	switch {
	case errors.As(err, &refused), errors.As(err, &network):
		return true
	case errors.Is(err, driver.ErrBadConn), errors.Is(err, sql.ErrConnDone), errors.Is(err, sql.ErrTxDone),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed),
		errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.ECONNREFUSED),
		errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return true
	}
	// pgconn has no type for a connection that was cut while it was used.
	return strings.HasSuffix(err.Error(), "conn closed") || strings.Contains(err.Error(), "sql: database is closed")
}
