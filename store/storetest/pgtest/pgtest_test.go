package pgtest_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"switchboard/store/storetest/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Main(m)) }

// ask runs a query that returns one text.
func ask(t *testing.T, dsn, sql string) string {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	var text string
	if err := conn.QueryRow(context.Background(), sql).Scan(&text); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return text
}

// do runs a statement.
func do(t *testing.T, dsn, sql string) {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(context.Background(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func TestNew(t *testing.T) {
	first, second := pgtest.New(t), pgtest.New(t)
	if first == second {
		t.Fatal("the same database twice")
	}
	do(t, first, "CREATE TABLE x AS SELECT 'first' AS v")
	if got := ask(t, second, "SELECT count(*)::text FROM pg_class WHERE relname = 'x'"); got != "0" {
		t.Errorf("a table of one database is in the other")
	}
	for sql, want := range map[string]string{
		"SHOW fsync": "on", "SHOW synchronous_commit": "on", "SHOW server_encoding": "UTF8", "SHOW timezone": "UTC",
		"SELECT lower('ÜBER')": "über",
	} {
		if got := ask(t, first, sql); got != want {
			t.Errorf("%s = %q, want %q", sql, got, want)
		}
	}
	fast := pgtest.New(t, pgtest.NoFsync(), pgtest.Param("work_mem", "8MB"))
	if got := ask(t, fast, "SHOW fsync") + ask(t, fast, "SHOW work_mem"); got != "off8MB" {
		t.Errorf("fsync and work_mem = %q", got)
	}
}

func TestParallel(t *testing.T) {
	for i := range 4 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			if got := ask(t, pgtest.New(t), "SELECT 'yes'"); got != "yes" {
				t.Error(got)
			}
		})
	}
}

// TestDropped: the database goes with its test, also when a connection is left
// open.
func TestDropped(t *testing.T) {
	server := pgtest.Start(t)
	outer := server.Database(t)
	var inner string
	t.Run("inner", func(t *testing.T) {
		inner = server.Database(t)
		conn, err := pgx.Connect(context.Background(), inner)
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.Ping(context.Background()); err != nil { // and left open
			t.Fatal(err)
		}
	})
	if conn, err := pgx.Connect(context.Background(), inner); err == nil {
		_ = conn.Close(context.Background())
		t.Error("the database outlived its test")
	}
	if got := ask(t, outer, "SELECT 'yes'"); got != "yes" {
		t.Error(got)
	}
}

func TestHurt(t *testing.T) {
	server := pgtest.Start(t)
	dsn := server.Database(t)
	do(t, dsn, "CREATE TABLE x AS SELECT 'kept' AS v")
	for _, hurt := range []struct {
		name string
		do   func()
	}{
		{"restart", func() {}},
		{"stop", func() { server.Stop(t) }},
		{"crash", func() { server.Crash(t) }},
	} {
		hurt.do()
		if hurt.name != "restart" {
			if conn, err := pgx.Connect(context.Background(), dsn); err == nil {
				_ = conn.Close(context.Background())
				t.Errorf("%s: it still answers", hurt.name)
			}
		}
		server.Restart(t)
		if got := ask(t, dsn, "SELECT v FROM x"); got != "kept" {
			t.Errorf("%s: v = %q", hurt.name, got)
		}
	}
}

// TestNothingIsLeft kills a test binary with a running server and sees the
// server and its folder go.
func TestNothingIsLeft(t *testing.T) {
	if os.Getenv("PGTEST_VICTIM") != "" {
		dsn := pgtest.New(t)
		fmt.Println("folder " + ask(t, dsn, "SHOW data_directory"))
		select {}
	}
	_ = pgtest.New(t) // skips where there is no PostgreSQL
	victim := exec.Command(os.Args[0], "-test.run=^TestNothingIsLeft$")
	victim.Env = append(os.Environ(), "PGTEST_VICTIM=1", "SWITCHBOARD_REQUIRE_SERVICES=1")
	out, err := victim.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	data, ok := strings.CutPrefix(strings.TrimSpace(line), "folder ")
	if !ok {
		t.Fatalf("the victim says %q", line)
	}
	if err := victim.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = victim.Wait()
	deadline := time.Now().Add(2 * time.Minute)
	for {
		if _, err := os.Stat(filepath.Dir(data)); os.IsNotExist(err) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is still there", data)
		}
	}
}
