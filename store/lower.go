package store

import (
	"database/sql/driver"
	"strings"
	"sync"

	lite "github.com/glebarez/go-sqlite"
)

// foldAll makes lower on SQLite fold the case of all letters, as PostgreSQL's does:
// its own knows those of ASCII (SQLite, Built-In Scalar SQL Functions, lower). What
// people write is compared by it and nothing else; no index is made of it. It holds
// for connections that are opened afterwards.
var foldAll = sync.OnceValue(func() error {
	return lite.RegisterDeterministicScalarFunction("lower", 1, func(_ *lite.FunctionContext, args []driver.Value) (driver.Value, error) {
		if text, ok := args[0].(string); ok {
			return strings.ToLower(text), nil
		}
		return args[0], nil
	})
})
