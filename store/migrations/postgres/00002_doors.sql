-- +goose Up
-- What the other doors need: messages that are edited and taken back, answers that wait for their next try,
-- groups of messages, customers that were merged.
ALTER TABLE messages
  ADD COLUMN edited_at  timestamptz,
  ADD COLUMN deleted_at timestamptz,
  ADD COLUMN revisions  integer NOT NULL DEFAULT 0,
  ADD COLUMN follow     boolean NOT NULL DEFAULT false, -- the other side must hear of the latest revision
  ADD COLUMN send_after timestamptz;
CREATE INDEX messages_following ON messages (id) WHERE follow;

-- The words a message had before, and what was done to it.
CREATE TABLE revisions (
  message_id text COLLATE "C" NOT NULL,
  n          integer NOT NULL,
  act        text NOT NULL,
  text       text NOT NULL,
  actor      text NOT NULL,
  at         timestamptz NOT NULL,
  PRIMARY KEY (message_id, n)
);

-- The ticket of a group's latest message.
CREATE TABLE message_groups (
  scope     text COLLATE "C" NOT NULL,
  key       text COLLATE "C" NOT NULL,
  ticket_id text COLLATE "C" NOT NULL,
  at        timestamptz NOT NULL,
  PRIMARY KEY (scope, key)
);

ALTER TABLE customers ADD COLUMN merged_into text COLLATE "C" NOT NULL DEFAULT '';
CREATE INDEX customers_merged ON customers (merged_into) WHERE merged_into <> '';

-- +goose Down
DROP TABLE revisions, message_groups;
DROP INDEX customers_merged;
ALTER TABLE customers DROP COLUMN merged_into;
DROP INDEX messages_following;
ALTER TABLE messages DROP COLUMN edited_at, DROP COLUMN deleted_at, DROP COLUMN revisions, DROP COLUMN follow, DROP COLUMN send_after;
