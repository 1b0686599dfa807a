-- Which events of the application a change stands above: its rows with a higher id were not known when the change was decided, so a
-- change of a field that one of them carries is not to be applied. The index serves the rows of one lead.

-- +goose Up
ALTER TABLE lead_inbox ADD COLUMN above_id BIGINT;
CREATE INDEX lead_inbox_lead ON lead_inbox (portal, lead_id);

-- +goose Down
DROP INDEX lead_inbox_lead;
ALTER TABLE lead_inbox DROP COLUMN above_id;
