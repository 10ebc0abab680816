-- +goose Up
-- How each source's canaries are doing: whose turn it was to send, and which was last heard of.
CREATE TABLE canaries (
  source     text NOT NULL PRIMARY KEY,
  turn       integer NOT NULL,
  since_at   datetime NOT NULL,
  sent_at    datetime,
  heard_at   datetime,
  settled_at datetime
) WITHOUT ROWID;

-- Canaries that ended in the ledger and are to be removed from it.
CREATE TABLE canary_receipts (
  id         text NOT NULL PRIMARY KEY,
  settled_at datetime NOT NULL
) WITHOUT ROWID;
CREATE INDEX canary_receipts_settled ON canary_receipts (settled_at, id);

-- +goose Down
DROP TABLE canaries;
DROP TABLE canary_receipts;
