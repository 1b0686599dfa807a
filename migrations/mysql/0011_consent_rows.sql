-- Rows that speak of consent are a third kind of reading beside live (0) and backfill (1), so that neither lane ever passes over a backlog
-- of the other: backfill is 2 for them. The table is written anew once.

-- +goose NO TRANSACTION
-- +goose Up
ALTER TABLE lead_outbox MODIFY COLUMN backfill TINYINT GENERATED ALWAYS AS
  (CASE WHEN event_type IN ('lead.unsubscribed', 'lead.resubscribed') THEN 2 WHEN lane = 'backfill' THEN 1 ELSE 0 END) STORED INVISIBLE;

-- +goose Down
ALTER TABLE lead_outbox MODIFY COLUMN backfill TINYINT GENERATED ALWAYS AS (CASE WHEN lane = 'backfill' THEN 1 ELSE 0 END) STORED INVISIBLE;
