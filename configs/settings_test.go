package configs

import (
	"strings"
	"testing"
)

// TestDatabaseURL: what is meant for PostgreSQL and is not in the form the store
// knows is refused, and never becomes a file of that name; nothing of a password is
// said.
func TestDatabaseURL(t *testing.T) {
	for _, good := range []string{"postgres://sb:hunter2@h/db", "postgresql://h,i/db?sslmode=disable", "sqlite:/var/lib/sb.db",
		"sqlite:books.db", "/var/lib/sb.db", "books.db", `C:\books\sb.db`} {
		if _, err := Parse("c.yaml", []byte("database: { url: '${DB}' }\n"), env("DB", good)); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{"host=127.0.0.1 port=5432 password=hunter2", "user = sb password = 'hunter2' dbname=sb", "POSTGRES://sb:hunter2@h/db",
		"postgres:sb:hunter2@h/db", " postgres://sb:hunter2@h/db", "sqlite3:x.db", "SQLite:x.db", "mysql://h/db"} {
		_, err := Parse("c.yaml", []byte("database: { url: '${DB}' }\n"), env("DB", bad))
		if err == nil {
			t.Errorf("%q is taken for the path of a file", bad)
		} else if s := err.Error(); !strings.HasPrefix(s, "c.yaml:1:18: a database is ") || strings.Contains(s, "hunter2") {
			t.Errorf("%q: %s", bad, s)
		}
	}
}

// TestPasswordInDatabaseURL: what a password ends too early, with a character that means
// something in a URL, would be taken for a host or a database, and logged as such.
func TestPasswordInDatabaseURL(t *testing.T) {
	for password, good := range map[string]bool{"hunter2": true, "hun:ter2": true, "hun%40ter2": true, "hun%2Fter2": true, "hun?ter2": true,
		"hun@ter2": false, "hun/ter2": false, "12/ter2": false, "hun/t@er2": false, "hun@t/er2": false} {
		for _, scheme := range []string{"postgres", "postgresql"} {
			_, err := Parse("c.yaml", []byte("database: { url: '"+scheme+"://sb:${P}@h:5432,i/db?application_name=a@b' }\n"), env("P", password))
			if good != (err == nil) {
				t.Errorf("%s: %v", password, err)
			}
			if err != nil && (!strings.HasPrefix(err.Error(), "c.yaml:1:18: ") || strings.Contains(err.Error(), "er2") || strings.Contains(err.Error(), "hun")) {
				t.Errorf("%s: %v", password, err)
			}
		}
	}
	for _, good := range []string{"postgres://h/db", "postgres:///db?host=/run/pg", "postgres://sb@h/db", "postgres://h:5432/db?options=a@b", "postgres://[::1]:5432/db"} {
		if _, err := Parse("c.yaml", []byte("database: { url: '"+good+"' }\n"), nil); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
}
