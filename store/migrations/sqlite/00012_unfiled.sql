-- +goose Up
-- A message that is accepted and filed never enters it: what waits has indexes of its own.
DROP INDEX ledger_unfiled;
CREATE INDEX ledger_unfiled ON ledger (state, id) WHERE state <> 'filed' AND state <> 'accepted';

-- +goose Down
DROP INDEX ledger_unfiled;
CREATE INDEX ledger_unfiled ON ledger (state, id) WHERE state <> 'filed';
