//go:build chaosnext

package store

import (
	"embed"
	"io/fs"
	"testing/fstest"
)

//go:embed migrations
var migrationFiles embed.FS

// nextMigration is what the next version of Switchboard would bring: a column
// that this version does not know and an index that is built beside the work.
// The chaos run rolls a fleet over to it while it is at work.
var nextMigration = map[string]string{
	Postgres: `-- +goose NO TRANSACTION
-- +goose Up
ALTER TABLE tickets ADD COLUMN IF NOT EXISTS next_version text;
ALTER TABLE ledger ADD COLUMN IF NOT EXISTS next_version text;
ALTER TABLE messages ADD COLUMN IF NOT EXISTS next_version text;
CREATE INDEX CONCURRENTLY IF NOT EXISTS messages_next_version ON messages (next_version) WHERE next_version IS NOT NULL;
`,
	SQLite: `-- +goose Up
ALTER TABLE tickets ADD COLUMN next_version text;
ALTER TABLE ledger ADD COLUMN next_version text;
ALTER TABLE messages ADD COLUMN next_version text;
CREATE INDEX messages_next_version ON messages (next_version) WHERE next_version IS NOT NULL;
`,
}

// migrations holds one folder of migrations for each dialect, and the next one.
func migrations(dialect string) (fs.FS, error) {
	now, err := fs.Sub(migrationFiles, "migrations/"+dialect)
	if err != nil {
		return nil, err
	}
	all := fstest.MapFS{"99000_next.sql": {Data: []byte(nextMigration[dialect])}}
	names, err := fs.ReadDir(now, ".")
	if err != nil {
		return nil, err
	}
	for _, n := range names {
		text, err := fs.ReadFile(now, n.Name())
		if err != nil {
			return nil, err
		}
		all[n.Name()] = &fstest.MapFile{Data: text}
	}
	return all, nil
}
