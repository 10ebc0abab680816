-- +goose Up
-- What waits, source by source: a flood of one source must not hide what waits in another.
CREATE INDEX ledger_backlog ON ledger (source, accepted_at) WHERE state = 'accepted';
DROP INDEX ledger_waiting;

-- +goose Down
CREATE INDEX ledger_waiting ON ledger (accepted_at) WHERE state = 'accepted';
DROP INDEX ledger_backlog;
