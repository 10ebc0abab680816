//go:build !chaosnext

package store

import (
	"embed"
	"io/fs"
)

//go:embed migrations
var migrationFiles embed.FS

// migrations holds one folder of migrations for each dialect.
func migrations(dialect string) (fs.FS, error) { return fs.Sub(migrationFiles, "migrations/"+dialect) }
