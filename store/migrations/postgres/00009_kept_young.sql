-- +goose Up
-- When a receipt last brought these bytes, microseconds since 1970: mails and their parts are kept here too, and what
-- comes again must not be removed as nobody's.
ALTER TABLE kept ADD COLUMN at bigint NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE kept DROP COLUMN at;
