-- +goose Up
-- Whoever names a customer asks whether the record was merged: of many that are asked for, nearly none is.
CREATE INDEX customers_gone ON customers (id) WHERE merged_into <> '';

-- +goose Down
DROP INDEX customers_gone;
