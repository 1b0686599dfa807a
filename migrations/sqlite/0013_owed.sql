-- How many values of a lead were left out and are owed to HubSpot; NULL = none. The index finds those leads, and counts them, however many
-- links there are.

-- +goose Up
ALTER TABLE leadsync_links ADD COLUMN owed BIGINT;
CREATE INDEX leadsync_links_owed ON leadsync_links (portal, hub_id, lead_id, owed) WHERE owed IS NOT NULL;

-- +goose Down
DROP INDEX leadsync_links_owed;
ALTER TABLE leadsync_links DROP COLUMN owed;
