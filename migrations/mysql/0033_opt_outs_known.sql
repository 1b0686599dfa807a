-- What the links know at the upgrade.

-- +goose NO TRANSACTION
-- +goose Up
INSERT IGNORE INTO leadsync_opt_outs (hub_id, address, portal, lead_id)
  SELECT l.hub_id, e.a, l.portal, l.lead_id FROM leadsync_links l,
    JSON_TABLE(CASE WHEN l.opt_out = '' THEN '{}' ELSE l.opt_out END, '$.evidenced[*]' COLUMNS (a VARCHAR(255) CHARACTER SET utf8mb4 PATH '$')) AS e
    WHERE l.opt_out <> '' AND e.a IS NOT NULL
  UNION SELECT l.hub_id, f.a, l.portal, l.lead_id FROM leadsync_links l,
    JSON_TABLE(CASE WHEN l.opt_out = '' THEN '{}' ELSE l.opt_out END, '$.left.*[*]' COLUMNS (a VARCHAR(255) CHARACTER SET utf8mb4 PATH '$')) AS f
    WHERE l.opt_out <> '' AND f.a IS NOT NULL;

-- +goose Down
DO 0;
