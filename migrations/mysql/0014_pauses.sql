-- Lanes that an operator paused by hand.

-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS leadsync_pauses (
  portal  VARCHAR(64) NOT NULL,
  lane    VARCHAR(32) NOT NULL,
  since   BIGINT NOT NULL,
  by_whom VARCHAR(255) NOT NULL DEFAULT '',
  PRIMARY KEY (portal, lane)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE %COLLATION%;

-- +goose Down
DROP TABLE IF EXISTS leadsync_pauses;
