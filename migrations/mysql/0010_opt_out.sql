-- The rest of a link's consent as JSON, and when the unsubscribe lane has work for the link without any row (NULL = it has none).
--
-- On MariaDB the statement can be repeated after a migration that died half way. MySQL knows no IF NOT EXISTS here: one that died between
-- the statement and its line in the list of versions says "Duplicate column name", and an INSERT of version 10 into leadsync_schema heals it.

-- +goose NO TRANSACTION
-- +goose Up
ALTER TABLE leadsync_links ADD COLUMN /*M! IF NOT EXISTS */ opt_out LONGTEXT NOT NULL DEFAULT (''),
  ADD COLUMN /*M! IF NOT EXISTS */ opt_out_due BIGINT,
  ADD KEY /*M! IF NOT EXISTS */ leadsync_links_opt_out (portal, hub_id, opt_out_due);

-- +goose Down
ALTER TABLE leadsync_links DROP KEY leadsync_links_opt_out, DROP COLUMN opt_out_due, DROP COLUMN opt_out;
