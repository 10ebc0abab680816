package bench

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"switchboard/workers/broker/program"
)

// postgres is a private PostgreSQL, or one that was there already.
type postgres struct {
	process *program.Process // nil: not ours, its CPU is not known
	url     string           // of its first database
	version string
	made    int
}

// patience bounds each wait for a server to start or stop.
const patience = 60 * time.Second

// startPostgres makes a cluster in dir with the settings it comes with (fsync
// on) and starts it on loopback. It keeps the times of commits, from which
// latencies are read, and the files of its log, as one in use does.
func startPostgres(ctx context.Context, dir string) (*postgres, error) {
	initdb, ok := program.Find("initdb")
	if !ok {
		return nil, errors.New("bench: PostgreSQL is not installed (Debian package postgresql): install it, name one with --database, or measure with --embedded")
	}
	account := unprivileged()
	if err := give(dir, account); err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	password, data := rand.Text(), filepath.Join(dir, "data")
	secret := filepath.Join(dir, "password")
	if err := os.WriteFile(secret, []byte(password+"\n"), 0o600); err != nil {
		return nil, err
	}
	if err := give(secret, account); err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	log := filepath.Join(dir, "initdb.log")
	run, err := program.Start(ctx, program.Options{Path: initdb, Dir: dir, Log: log, User: account,
		Args: []string{"-D", data, "-U", "postgres", "-E", "UTF8", "--locale=C", "-A", "password", "--pwfile=" + secret, "--no-sync"}})
	if err != nil {
		return nil, err
	}
	select {
	case <-run.Done():
	case <-ctx.Done():
		run.Kill()
		return nil, ctx.Err()
	}
	if run.Err() != nil {
		return nil, fmt.Errorf("bench: initdb: %w: %s", run.Err(), program.Tail(log, 2000))
	}
	p := &postgres{}
	for try := 0; ; try++ { // another program may take the port
		port := program.FreePort()
		p.url = (&url.URL{Scheme: "postgres", User: url.UserPassword("postgres", password), Host: "127.0.0.1:" + strconv.Itoa(port),
			Path: "/postgres", RawQuery: "sslmode=disable"}).String()
		p.process, err = program.Start(ctx, program.Options{
			Path: filepath.Join(filepath.Dir(initdb), "postgres"), Dir: dir, Log: filepath.Join(dir, "log"), User: account,
			Args: []string{"-D", data, "-p", strconv.Itoa(port), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=",
				"-c", "timezone=UTC", "-c", "track_commit_timestamp=on", "-c", "min_wal_size=1GB", "-c", "max_wal_size=2GB"},
			StartTimeout: patience, Grace: patience, Death: syscall.SIGQUIT,
			Ready: func(ctx context.Context) error { return p.exec(ctx, "SELECT 1") },
		})
		if err == nil || try == 4 || !errors.Is(err, program.ErrExited) {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	if err := p.age(ctx); err != nil {
		return nil, err
	}
	return p, p.ask(ctx, "SHOW server_version", &p.version)
}

// walSegments is how many files of 16 MB a server has to write its log into that
// has been running for a while: min_wal_size. max_wal_size is twice that: a round
// writes 0.6 GB, about what begins a checkpoint by default, in some rounds within
// the reading at half load and in some after it.
const walSegments = 64

// age brings a new server to the state of one that has been running: it writes
// its log over files that are there, and it has used its shared memory. A new one
// makes and zeroes each file first, a tenth of its CPU time, and is given each page
// of that memory by the kernel: no server in use spends that.
func (p *postgres) age(ctx context.Context) error {
	for range walSegments {
		if err := p.exec(ctx, "SELECT pg_logical_emit_message(false, 'bench', ''), pg_switch_wal()"); err != nil {
			return fmt.Errorf("bench: %w", err)
		}
	}
	for _, sql := range []string{
		"CREATE TABLE used (page text)",
		"ALTER TABLE used ALTER page SET STORAGE PLAIN", // not compressed: a row fills a page
		"INSERT INTO used SELECT repeat('x', 7000) FROM generate_series(1, (SELECT setting::int FROM pg_settings WHERE name = 'shared_buffers'))",
		"DROP TABLE used",
	} {
		if err := p.exec(ctx, sql); err != nil {
			return fmt.Errorf("bench: %w", err)
		}
	}
	return p.checkpoint(ctx)
}

// stop ends the server. Nothing in it is kept.
func (p *postgres) stop() {
	if p != nil && p.process != nil {
		_ = p.process.StopWith(syscall.SIGQUIT)
	}
}

func (p *postgres) exec(ctx context.Context, sql string) error {
	conn, err := pgx.Connect(ctx, p.url)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	_, err = conn.Exec(ctx, sql)
	return err
}

func (p *postgres) ask(ctx context.Context, sql string, into any) error {
	conn, err := pgx.Connect(ctx, p.url)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return conn.QueryRow(ctx, sql).Scan(into)
}

// database makes a new, empty database and returns its URL; drop removes it.
// What was written before is brought to disk first, so that one reading does
// not pay for another.
func (p *postgres) database(ctx context.Context) (at string, drop func(context.Context) error, err error) {
	p.made++
	name := fmt.Sprintf("bench_%d_%d", os.Getpid(), p.made)
	if err := p.exec(ctx, "CREATE DATABASE "+name); err != nil {
		return "", nil, fmt.Errorf("bench: make a database: %w", err)
	}
	u, err := url.Parse(p.url)
	if err != nil {
		return "", nil, err
	}
	u.Path = "/" + name
	return u.String(), func(ctx context.Context) error {
		if err := p.exec(ctx, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)"); err != nil {
			return fmt.Errorf("bench: drop a database: %w", err)
		}
		return nil
	}, nil
}

// checkpoint writes out what is still in memory.
func (p *postgres) checkpoint(ctx context.Context) error {
	if p == nil || p.process == nil {
		return nil
	}
	return p.exec(ctx, "CHECKPOINT")
}

// unprivileged names the account for a server that refuses to run as root; empty
// when we are not root.
func unprivileged() string {
	if os.Getuid() != 0 {
		return ""
	}
	for _, name := range []string{"postgres", "nobody"} {
		if _, err := user.Lookup(name); err == nil {
			return name
		}
	}
	return ""
}

// give hands a file or folder of ours to an account.
func give(path, account string) error {
	if account == "" {
		return nil
	}
	u, err := user.Lookup(account)
	if err != nil {
		return err
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return err
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return err
	}
	return os.Chown(path, uid, gid)
}
