-- +goose Up
-- How far retention came with each kind of row, and the highest ID it took away.
CREATE TABLE retention (
  name    text COLLATE "C" PRIMARY KEY,
  place   text COLLATE "C" NOT NULL,
  highest text COLLATE "C" NOT NULL,
  at      timestamptz NOT NULL
);
-- Tickets that may be retired, in the order in which they were resolved. A ticket that is open is not in it.
CREATE INDEX tickets_resolved ON tickets (resolved_at, id) WHERE resolved_at IS NOT NULL;

-- +goose Down
DROP INDEX tickets_resolved;
DROP TABLE retention;
