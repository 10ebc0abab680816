package store

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/glebarez/sqlite"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"switchboard/pipeline/desk"
)

// gormConfig is what both dialects share. GORM's logger stays silent because it
// prints values, and values are strangers' words. Statements are not prepared
// by GORM: inside transactions that means preparing them over and over, and pgx
// keeps its own cache. Queries name their columns: what is cached must go on
// working when a newer version of us, beside this one, adds a column.
func gormConfig() *gorm.Config {
	return &gorm.Config{
		SkipDefaultTransaction: true,
		PrepareStmt:            false,
		QueryFields:            true,
		Logger:                 logger.Discard,
		DisableAutomaticPing:   true,
	}
}

// keyedPlans are settings of each connection to PostgreSQL. Everything hot here
// finds rows by key through an index. A plan that reads a table from end to end
// looks cheaper while the table is small, and stays cached while it grows; so
// such plans are only for queries that have no index. What is switched off costs
// so much in a plan's estimate that PostgreSQL would compile it to machine code
// each time (jit); statements this short never earn that back. Keys do not repeat
// within a statement: there is nothing to remember of one (memoize, which
// PostgreSQL knows since version 14).
const keyedPlans = "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off; " +
	"SELECT set_config(name, 'off', false) FROM pg_settings WHERE name = 'enable_memoize'"

func (s *Store) openPostgres(o Options) error {
	config, err := pgx.ParseConfig(o.URL)
	if err != nil {
		return err
	}
	n := o.MaxConns
	if n <= 0 {
		n = 16
	}
	s.patient = config
	config = impatiently(config, o.Timeout)
	config.Tracer = envelopes{}
	wake := idleness(o.Idle)
	g, err := poolPostgres(config, n, wake+keyedPlans)
	if err != nil {
		return err
	}
	s.dialect, s.w, s.r = Postgres, g, g
	s.turns, err = poolPostgres(config, 1, wake+"SET synchronous_commit = off")
	return err
}

// canWriteAll refuses a database whose encoding has not every character: what a
// customer writes in another script could not be kept, one message at a time.
func (s *Store) canWriteAll(ctx context.Context) error {
	var name, encoding string
	err := s.read(ctx).Raw("SELECT current_database(), current_setting('server_encoding')").Row().Scan(&name, &encoding)
	if err != nil {
		return opening("encoding", err)
	}
	if encoding != "UTF8" {
		return desk.Permanent(fmt.Errorf("store: the database %q has the encoding %s, which cannot hold every message; move it into one made by: CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0", name, encoding))
	}
	return nil
}

// idleness is the statement that bounds how long a transaction waits for us. The rows
// of a process that sleeps, or of a machine that is gone, would stay locked for as long
// as it sleeps, or until the kernel gives the connection up, which takes hours: nobody
// could take its mailbox over, or file what it was filing.
func idleness(most time.Duration) string {
	return fmt.Sprintf("SET idle_in_transaction_session_timeout = %d; ", most.Milliseconds())
}

// poolPostgres opens up to n connections, each set up by a statement of its own.
func poolPostgres(config *pgx.ConnConfig, n int, setUp string) (*gorm.DB, error) {
	db := stdlib.OpenDB(*config, stdlib.OptionAfterConnect(func(ctx context.Context, c *pgx.Conn) error {
		registerColumns(c)
		_, err := c.Exec(ctx, setUp, pgx.QueryExecModeSimpleProtocol)
		return err
	}))
	db.SetMaxOpenConns(n)
	db.SetMaxIdleConns(n)
	db.SetConnMaxIdleTime(5 * time.Minute)
	g, err := gorm.Open(postgres.New(postgres.Config{Conn: db}), gormConfig())
	if err != nil {
		db.Close()
	}
	return g, err
}

// sqlitePragmas: write-ahead log so that readers never wait; FULL so that a
// commit is on disk when it returns ("accepted means kept" holds through a
// power cut); five seconds of patience with other processes.
const sqlitePragmas = "_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=foreign_keys(1)"

// writerPragmas are those of the one connection that writes. The pages it changes
// over and over (the ends of tables and indexes) are copied from the log into the
// file every 4000 pages, 16 MiB, instead of every 1000, so that a page is copied
// once for four times as many changes; until then a start has that much more to
// read. Only this connection's cache survives a commit, those of readers end with
// it: so it has 32 MiB of it, not 2. What a statement that fails would have to undo
// is kept in memory, not in files of its own.
const writerPragmas = "&_txlock=immediate&_pragma=wal_autocheckpoint(4000)&_pragma=cache_size(-32768)&_pragma=temp_store(MEMORY)"

// openSQLite opens one connection that writes (more only get in each other's
// way) and four that read.
func (s *Store) openSQLite(path string) error {
	if err := foldAll(); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	open := func(extra string, conns int) (*gorm.DB, error) {
		dsn := (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath()}).String() + "?" + sqlitePragmas + extra
		db, err := sql.Open(sqlite.DriverName, dsn)
		if err != nil {
			return nil, err
		}
		db.SetMaxOpenConns(conns)
		db.SetMaxIdleConns(conns)
		g, err := gorm.Open(&sqlite.Dialector{Conn: db}, gormConfig())
		if err != nil {
			db.Close()
		}
		return g, err
	}
	if s.w, err = open(writerPragmas, 1); err != nil {
		return err
	}
	if s.r, err = open("&_pragma=query_only(1)", 4); err != nil {
		s.Close()
		return err
	}
	s.dialect = SQLite
	return nil
}
