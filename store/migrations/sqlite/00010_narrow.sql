-- +goose Up
-- An event is found by its ticket and number.
CREATE TABLE events_by_ticket (
  id        text NOT NULL,
  ticket_id text NOT NULL,
  seq       integer NOT NULL,
  kind      text NOT NULL,
  actor     text NOT NULL,
  at        datetime NOT NULL,
  data      text NOT NULL,
  PRIMARY KEY (ticket_id, seq)
) WITHOUT ROWID;
INSERT INTO events_by_ticket SELECT id, ticket_id, seq, kind, actor, at, data FROM events;
DROP TABLE events;
ALTER TABLE events_by_ticket RENAME TO events;

-- +goose Down
CREATE TABLE events_by_id (
  id        text PRIMARY KEY,
  ticket_id text NOT NULL,
  seq       integer NOT NULL,
  kind      text NOT NULL,
  actor     text NOT NULL,
  at        datetime NOT NULL,
  data      text NOT NULL
);
INSERT INTO events_by_id SELECT id, ticket_id, seq, kind, actor, at, data FROM events;
DROP TABLE events;
ALTER TABLE events_by_id RENAME TO events;
CREATE UNIQUE INDEX events_ticket ON events (ticket_id, seq);
