-- How far each pull stream has come in a HubSpot account; position is JSON.

-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS leadsync_streams (
  portal     VARCHAR(64) NOT NULL,
  hub_id     BIGINT NOT NULL,
  stream     VARCHAR(32) NOT NULL,
  position   LONGTEXT NOT NULL DEFAULT ('{}'),
  updated_at BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (portal, hub_id, stream)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE %COLLATION%;

-- +goose Down
DROP TABLE IF EXISTS leadsync_streams;
