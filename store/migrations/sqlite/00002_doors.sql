-- +goose Up
-- What the other doors need: messages that are edited and taken back, answers that wait for their next try,
-- groups of messages, customers that were merged.
ALTER TABLE messages ADD COLUMN edited_at datetime;
ALTER TABLE messages ADD COLUMN deleted_at datetime;
ALTER TABLE messages ADD COLUMN revisions integer NOT NULL DEFAULT 0;
ALTER TABLE messages ADD COLUMN follow boolean NOT NULL DEFAULT false; -- the other side must hear of the latest revision
ALTER TABLE messages ADD COLUMN send_after datetime;
CREATE INDEX messages_following ON messages (id) WHERE follow;

-- The words a message had before, and what was done to it.
CREATE TABLE revisions (
  message_id text NOT NULL,
  n          integer NOT NULL,
  act        text NOT NULL,
  text       text NOT NULL,
  actor      text NOT NULL,
  at         datetime NOT NULL,
  PRIMARY KEY (message_id, n)
) WITHOUT ROWID;

-- The ticket of a group's latest message.
CREATE TABLE message_groups (
  scope     text NOT NULL,
  key       text NOT NULL,
  ticket_id text NOT NULL,
  at        datetime NOT NULL,
  PRIMARY KEY (scope, key)
) WITHOUT ROWID;

ALTER TABLE customers ADD COLUMN merged_into text NOT NULL DEFAULT '';
CREATE INDEX customers_merged ON customers (merged_into) WHERE merged_into <> '';

-- +goose Down
DROP TABLE revisions;
DROP TABLE message_groups;
DROP INDEX customers_merged;
ALTER TABLE customers DROP COLUMN merged_into;
DROP INDEX messages_following;
ALTER TABLE messages DROP COLUMN edited_at;
ALTER TABLE messages DROP COLUMN deleted_at;
ALTER TABLE messages DROP COLUMN revisions;
ALTER TABLE messages DROP COLUMN follow;
ALTER TABLE messages DROP COLUMN send_after;
