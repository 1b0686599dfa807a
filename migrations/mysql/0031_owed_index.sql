-- Links that owe HubSpot a value, by lead.

-- +goose NO TRANSACTION
-- +goose Up
ALTER TABLE leadsync_links ADD KEY /*M! IF NOT EXISTS */ leadsync_links_owed (portal, hub_id, owes, lead_id, owed);

-- +goose Down
ALTER TABLE leadsync_links DROP KEY leadsync_links_owed;
