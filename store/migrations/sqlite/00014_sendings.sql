-- +goose Up
-- Answers somebody took to send and has not told the end of: who has it, and how
-- many took it so since an end was told last.
CREATE TABLE sendings (
  message_id text NOT NULL PRIMARY KEY,
  holder     text NOT NULL,
  begun      integer NOT NULL
) WITHOUT ROWID;

-- +goose Down
DROP TABLE sendings;
