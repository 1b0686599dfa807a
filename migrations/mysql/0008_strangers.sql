-- What is known of contacts without a lead: with pull.unknown: inbox they are told once, and what was told stands here.

-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS leadsync_strangers (
  portal     VARCHAR(64) NOT NULL,
  hub_id     BIGINT NOT NULL,
  contact_id VARCHAR(255) NOT NULL,
  state      VARCHAR(32) NOT NULL DEFAULT '',
  address    LONGTEXT NOT NULL DEFAULT (''),
  consent    VARCHAR(32) NOT NULL DEFAULT '',
  fields     LONGTEXT NOT NULL DEFAULT ('{}'),
  updated_at BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (portal, hub_id, contact_id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE %COLLATION%;

-- +goose Down
DROP TABLE IF EXISTS leadsync_strangers;
