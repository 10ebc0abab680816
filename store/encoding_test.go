package store

import (
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"switchboard/pipeline/desk"
	"switchboard/store/storetest/pgtest"
)

// A database that cannot hold every character is refused at once and in words, and
// not one message after the other.
func TestDatabaseOfAnotherEncoding(t *testing.T) {
	at, err := url.Parse(pgtest.New(t))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), at.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	for _, encoding := range []string{"LATIN1", "SQL_ASCII"} {
		name := "books_" + strings.ToLower(encoding)
		if _, err := conn.Exec(t.Context(), "CREATE DATABASE "+name+" TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C' ENCODING '"+encoding+"'"); err != nil {
			t.Fatal(err)
		}
		at.Path = "/" + name
		s, err := Open(t.Context(), Options{URL: at.String()})
		if err == nil {
			s.Close()
		}
		if !desk.IsPermanent(err) || !strings.Contains(err.Error(), `the database "`+name+`" has the encoding `+encoding) {
			t.Errorf("%s: %v", encoding, err)
		}
		if _, err := conn.Exec(t.Context(), "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	}
}
