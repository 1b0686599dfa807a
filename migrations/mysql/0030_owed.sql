-- How many values of a lead were left out and are owed to HubSpot; NULL = none. The index finds those leads, and counts them, however many
-- links there are.

-- +goose NO TRANSACTION
-- +goose Up
ALTER TABLE leadsync_links ADD COLUMN /*M! IF NOT EXISTS */ owed BIGINT,
  ADD COLUMN /*M! IF NOT EXISTS */ owes TINYINT GENERATED ALWAYS AS (CASE WHEN owed IS NOT NULL THEN 1 END) VIRTUAL INVISIBLE;

-- +goose Down
ALTER TABLE leadsync_links DROP COLUMN owes, DROP COLUMN owed;
