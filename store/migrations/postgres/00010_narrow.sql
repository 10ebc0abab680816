-- +goose Up
-- What one message costs: fewer indexes, and rows that can change in place.

-- A draft of any length lies out of line from the start, so that ending a receipt does not write it a second time; nothing
-- else of the row ever does. The room is for the trail.
ALTER TABLE ledger
  ALTER COLUMN id SET STORAGE MAIN, ALTER COLUMN source SET STORAGE MAIN, ALTER COLUMN scope SET STORAGE MAIN,
  ALTER COLUMN external_id SET STORAGE MAIN, ALTER COLUMN fingerprint SET STORAGE MAIN, ALTER COLUMN thread_key SET STORAGE MAIN,
  ALTER COLUMN raw_digest SET STORAGE MAIN, ALTER COLUMN state SET STORAGE MAIN, ALTER COLUMN reason SET STORAGE MAIN,
  ALTER COLUMN ticket_id SET STORAGE MAIN, ALTER COLUMN message_id SET STORAGE MAIN, ALTER COLUMN trail SET STORAGE MAIN,
  SET (toast_tuple_target = 1024);

-- A reply changes its ticket and, most often, nothing an index holds.
ALTER TABLE tickets SET (fillfactor = 70);

-- An event is found by its ticket and number.
ALTER TABLE events DROP CONSTRAINT events_pkey;
DROP INDEX events_ticket;
ALTER TABLE events ADD CONSTRAINT events_ticket PRIMARY KEY (ticket_id, seq);

-- +goose Down
ALTER TABLE events DROP CONSTRAINT events_ticket;
ALTER TABLE events ADD PRIMARY KEY (id);
CREATE UNIQUE INDEX events_ticket ON events (ticket_id, seq);
ALTER TABLE tickets RESET (fillfactor);
ALTER TABLE ledger RESET (toast_tuple_target);
