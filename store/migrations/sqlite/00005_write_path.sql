-- +goose Up
-- Small raw requests by their SHA-256, written with the ledger row they belong to.
CREATE TABLE kept (
  digest blob NOT NULL PRIMARY KEY,
  bytes  blob NOT NULL
);

-- One index finds a message by its external ID, whether asked by source or by scope.
CREATE UNIQUE INDEX ledger_external ON ledger (external_id, source, fingerprint);
DROP INDEX ledger_message;
DROP INDEX ledger_seen;

-- +goose Down
CREATE UNIQUE INDEX ledger_message ON ledger (source, external_id, fingerprint);
CREATE INDEX ledger_seen ON ledger (scope, external_id);
DROP INDEX ledger_external;
DROP TABLE kept;
