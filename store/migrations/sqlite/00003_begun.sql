-- +goose Up
-- Conversations that we begin: by which source a message goes out, and whom a source can write to first.
ALTER TABLE messages ADD COLUMN via text NOT NULL DEFAULT '';

CREATE TABLE contacts (
  source  text NOT NULL,
  kind    text NOT NULL,
  handle  text NOT NULL,
  address text NOT NULL,
  gone    text NOT NULL,
  at      datetime NOT NULL,
  PRIMARY KEY (source, kind, handle)
) WITHOUT ROWID;
CREATE INDEX contacts_recent ON contacts (source, kind, at) WHERE gone = '';

-- +goose Down
DROP TABLE contacts;
ALTER TABLE messages DROP COLUMN via;
