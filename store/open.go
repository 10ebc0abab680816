package store

import (
	"database/sql"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/glebarez/sqlite"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

// gormConfig is what both dialects share. GORM's logger stays silent because it
// prints values, and values are strangers' words. Statements are not prepared
// by GORM: inside transactions that means preparing them over and over, and pgx
// keeps its own cache.
func gormConfig() *gorm.Config {
	return &gorm.Config{
		SkipDefaultTransaction: true,
		PrepareStmt:            false,
		Logger:                 logger.Discard,
		DisableAutomaticPing:   true,
	}
}

func (s *Store) openPostgres(o Options) error {
	g, err := gorm.Open(postgres.Open(o.URL), gormConfig())
	if err != nil {
		return err
	}
	db, err := g.DB()
	if err != nil {
		return err
	}
	n := o.MaxConns
	if n <= 0 {
		n = 16
	}
	db.SetMaxOpenConns(n)
	db.SetMaxIdleConns(n)
	db.SetConnMaxIdleTime(5 * time.Minute)
	s.dialect, s.w, s.r = Postgres, g, g
	return nil
}

// sqlitePragmas: write-ahead log so that readers never wait; FULL so that a
// commit is on disk when it returns ("accepted means kept" holds through a
// power cut); five seconds of patience with other processes.
const sqlitePragmas = "_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=foreign_keys(1)"

// openSQLite opens one connection that writes (more only get in each other's
// way) and four that read.
func (s *Store) openSQLite(path string) error {
	path = strings.TrimPrefix(path, "//")
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
	if s.w, err = open("&_txlock=immediate", 1); err != nil {
		return err
	}
	if s.r, err = open("&_pragma=query_only(1)", 4); err != nil {
		s.Close()
		return err
	}
	s.dialect = SQLite
	return nil
}
