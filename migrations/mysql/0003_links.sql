-- What HubSpot is known to hold of each lead. One contact has one lead: holds is the contact while the link holds it, else NULL, and
-- a unique key takes any number of NULLs. A passive or purged link keeps its contact in contact_id without holding it.

-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS leadsync_links (
  portal         VARCHAR(64) NOT NULL,
  hub_id         BIGINT NOT NULL,
  lead_id        VARCHAR(255) NOT NULL,
  state          VARCHAR(32) NOT NULL DEFAULT '',
  contact_id     VARCHAR(255) NOT NULL DEFAULT '',
  address        LONGTEXT NOT NULL DEFAULT (''),
  consent        VARCHAR(32) NOT NULL DEFAULT '',
  consent_id     BIGINT NOT NULL DEFAULT 0,
  fields         LONGTEXT NOT NULL DEFAULT ('{}'),
  applied_id     BIGINT NOT NULL DEFAULT 0,
  closed_at_id   BIGINT NOT NULL DEFAULT 0,
  second_look_at BIGINT,
  updated_at     BIGINT NOT NULL DEFAULT 0,
  holds          VARCHAR(255) GENERATED ALWAYS AS (CASE WHEN state IN ('linked', 'gone') AND contact_id <> '' THEN contact_id END) STORED INVISIBLE,
  PRIMARY KEY (portal, hub_id, lead_id),
  UNIQUE KEY leadsync_links_contact (hub_id, holds),
  KEY leadsync_links_known (hub_id, contact_id),
  KEY leadsync_links_address (hub_id, address(255)),
  KEY leadsync_links_look (portal, hub_id, second_look_at)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE %COLLATION%;

-- +goose Down
DROP TABLE IF EXISTS leadsync_links;
