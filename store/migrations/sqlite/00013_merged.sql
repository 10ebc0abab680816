-- +goose Up
-- SQLite goes by the key of the customers all the same.
SELECT 1;

-- +goose Down
SELECT 1;
