-- Addresses besides its own of which a link knows that they are out: where the lead was before, and what rows named. It is an index over the
-- consent that the links hold as JSON; the link decides.

-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS leadsync_opt_outs (
  hub_id  BIGINT NOT NULL,
  address VARCHAR(255) NOT NULL,
  portal  VARCHAR(64) NOT NULL,
  lead_id VARCHAR(255) NOT NULL,
  PRIMARY KEY (hub_id, address, portal, lead_id),
  KEY leadsync_opt_outs_lead (portal, lead_id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE %COLLATION%;

-- +goose Down
DROP TABLE IF EXISTS leadsync_opt_outs;
