-- Which events of the application a change stands above: its rows with a higher id were not known when the change was decided, so a
-- change of a field that one of them carries is not to be applied. The index serves the rows of one lead.

-- +goose NO TRANSACTION
-- +goose Up
ALTER TABLE lead_inbox ADD COLUMN /*M! IF NOT EXISTS */ above_id BIGINT, ADD INDEX /*M! IF NOT EXISTS */ lead_inbox_lead (portal, lead_id(191));

-- +goose Down
ALTER TABLE lead_inbox DROP INDEX lead_inbox_lead, DROP COLUMN above_id;
