-- +goose Up
-- What watching needs: answers that failed are counted without reading all messages, and an answer knows the trace it
-- belongs to (W3C traceparent; empty while traces are off).
ALTER TABLE messages ADD COLUMN trace text NOT NULL DEFAULT '';
CREATE INDEX messages_failed ON messages (id) WHERE send_state = 'failed';

-- +goose Down
DROP INDEX messages_failed;
ALTER TABLE messages DROP COLUMN trace;
