-- +goose Up
-- How each source's canaries are doing: whose turn it was to send, and which was last heard of.
CREATE TABLE canaries (
  source     text COLLATE "C" PRIMARY KEY,
  turn       bigint NOT NULL,
  since_at   timestamptz NOT NULL,
  sent_at    timestamptz,
  heard_at   timestamptz,
  settled_at timestamptz
);

-- Canaries that ended in the ledger and are to be removed from it.
CREATE TABLE canary_receipts (
  id         text COLLATE "C" PRIMARY KEY,
  settled_at timestamptz NOT NULL
);
CREATE INDEX canary_receipts_settled ON canary_receipts (settled_at, id);

-- +goose Down
DROP TABLE canaries, canary_receipts;
