-- +goose Up
-- The ID of the message whose text is the ticket's description, which is empty then; '' when it stands in its own column.
ALTER TABLE tickets ADD COLUMN described text COLLATE "C" NOT NULL DEFAULT '';

-- +goose Down
UPDATE tickets SET description = messages.body FROM messages
  WHERE messages.id = tickets.described AND tickets.described <> '' AND tickets.description = '';
ALTER TABLE tickets DROP COLUMN described;
