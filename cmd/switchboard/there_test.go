package main

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"switchboard/store"
	"switchboard/store/storetest/pgtest"
)

// TestLookingChangesNoBooks: what only reads leaves books of an older version as they
// are, and says which schema they have; and it makes none in an empty database.
func TestLookingChangesNoBooks(t *testing.T) {
	looks := map[string][]string{
		"explain": {"explain", "1"}, "keys list": {"keys", "list"}, "top": {"top", "--once"}, "audit": {"audit", "--no-blobs"},
		"rules test": {"rules", "test"}, "replay": {"replay", "--state", "failed", "--dry-run"}, "inspect": {"inspect", "acme"},
		"replay --drop": {"replay", "--state", "failed", "--drop", "noise", "--dry-run"}, "resend": {"resend", "--since", "1h", "--dry-run"},
	}
	for _, dialect := range []string{"sqlite", "postgres"} {
		t.Run(dialect, func(t *testing.T) {
			dir := t.TempDir()
			url := "sqlite:" + filepath.Join(dir, "books.db")
			driver, dsn := "sqlite", filepath.Join(dir, "books.db")
			if dialect == "postgres" {
				url = pgtest.New(t)
				c, err := pgx.ParseConfig(url)
				if err != nil {
					t.Fatal(err)
				}
				driver, dsn = "pgx", stdlib.RegisterConnConfig(c)
			}
			config, data := filepath.Join(dir, "switchboard.yaml"), filepath.Join(dir, "data")
			for file, text := range map[string]string{config: "database: { url: \"file:url\" }\nredis: { mode: embedded }\n", filepath.Join(dir, "url"): url} {
				if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			direct, err := sql.Open(driver, dsn)
			if err != nil {
				t.Fatal(err)
			}
			defer direct.Close()
			if err := direct.PingContext(t.Context()); err != nil {
				t.Fatal(err)
			}
			if dialect == "sqlite" {
				if err := os.WriteFile(dsn, nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			tables := func() string {
				t.Helper()
				q := "SELECT name FROM sqlite_master ORDER BY 1"
				if dialect == "postgres" {
					q = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1"
				}
				return column(t, direct, q)
			}
			refused := func(want string) {
				t.Helper()
				before := tables()
				for name, args := range looks {
					code, out, says := command(t, strings.NewReader("Subject: x\n\ny\n"), append(args, "--config", config, "--data", data)...)
					if code == 0 || out != "" || says != "switchboard: "+want+": run `switchboard migrate`\n" {
						t.Errorf("%s: exit code %d, %q, %q", name, code, out, says)
					}
					if after := tables(); after != before {
						t.Fatalf("%s made of %q %q", name, before, after)
					}
				}
			}
			s, err := store.Open(t.Context(), store.Options{URL: url})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			_, needs, err := s.Schema(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			refused(fmt.Sprintf("the books have no tables yet, this version needs schema %d", needs))
			if err := s.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			for _, q := range []string{"DROP TABLE sendings", "DELETE FROM goose_db_version WHERE version_id > 13"} {
				if _, err := direct.ExecContext(t.Context(), q); err != nil {
					t.Fatal(err)
				}
			}
			refused(fmt.Sprintf("the books have schema 13, this version needs %d", needs))
			if err := s.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			for _, newer := range []bool{false, true} {
				if newer { // a fleet is brought up to date beside us
					if _, err := direct.ExecContext(t.Context(), fmt.Sprintf("INSERT INTO goose_db_version (version_id, is_applied) VALUES (%d, true)", needs+1)); err != nil {
						t.Fatal(err)
					}
				}
				for _, name := range []string{"keys list", "replay", "resend", "audit"} {
					if code, _, says := command(t, nil, append(looks[name], "--config", config, "--data", data)...); code != 0 {
						t.Errorf("%s: exit code %d: %s", name, code, says)
					}
				}
			}
			if entries, err := filepath.Glob(filepath.Join(data, "*")); err != nil || len(entries) != 1 { // the folder of blobs
				t.Errorf("in the data folder is %v, %v", entries, err)
			}
		})
	}
}

// column is the first column of a query's answer, a blank between the rows.
func column(t *testing.T, db *sql.DB, query string) string {
	t.Helper()
	rows, err := db.QueryContext(context.WithoutCancel(t.Context()), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var v string
		if err := rows.Scan(&v); err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, " ")
}
