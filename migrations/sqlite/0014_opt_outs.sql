-- Addresses besides its own of which a link knows that they are out: where the lead was before, and what rows named. It is an index over the
-- consent that the links hold as JSON; the link decides.

-- +goose Up
CREATE TABLE leadsync_opt_outs (
  hub_id  BIGINT NOT NULL,
  address VARCHAR(255) NOT NULL,
  portal  VARCHAR(64) NOT NULL,
  lead_id VARCHAR(255) NOT NULL,
  PRIMARY KEY (hub_id, address, portal, lead_id)
);
CREATE INDEX leadsync_opt_outs_lead ON leadsync_opt_outs (portal, lead_id);
INSERT OR IGNORE INTO leadsync_opt_outs (hub_id, address, portal, lead_id)
  SELECT l.hub_id, e.value, l.portal, l.lead_id FROM leadsync_links l, json_each(l.opt_out, '$.evidenced') e
    WHERE l.opt_out <> '' AND e.value <> l.address AND length(e.value) <= 255
  UNION SELECT l.hub_id, a.value, l.portal, l.lead_id FROM leadsync_links l, json_each(l.opt_out, '$.left') f, json_each(f.value) a
    WHERE l.opt_out <> '' AND a.value <> l.address AND length(a.value) <= 255;

-- +goose Down
DROP TABLE leadsync_opt_outs;
