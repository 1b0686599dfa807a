-- Addresses besides its own of which a link knows that they are out: where the lead was before, and what rows named. It is an index over the
-- consent that the links hold as JSON; the link decides.

-- +goose Up
CREATE TABLE leadsync_opt_outs (
  hub_id  BIGINT NOT NULL,
  address VARCHAR(255) COLLATE "C" NOT NULL,
  portal  VARCHAR(64) COLLATE "C" NOT NULL,
  lead_id VARCHAR(255) COLLATE "C" NOT NULL,
  PRIMARY KEY (hub_id, address, portal, lead_id)
);
CREATE INDEX leadsync_opt_outs_lead ON leadsync_opt_outs (portal, lead_id);
INSERT INTO leadsync_opt_outs (hub_id, address, portal, lead_id)
  SELECT l.hub_id, a, l.portal, l.lead_id FROM leadsync_links l,
    jsonb_array_elements_text(CASE WHEN l.opt_out = '' THEN '[]' ELSE coalesce(l.opt_out::jsonb -> 'evidenced', '[]') END) AS a
    WHERE a <> l.address AND length(a) <= 255
  UNION SELECT l.hub_id, a, l.portal, l.lead_id FROM leadsync_links l,
    jsonb_each(CASE WHEN l.opt_out = '' THEN '{}' ELSE coalesce(l.opt_out::jsonb -> 'left', '{}') END) AS f, jsonb_array_elements_text(f.value) AS a
    WHERE a <> l.address AND length(a) <= 255;

-- +goose Down
DROP TABLE leadsync_opt_outs;
