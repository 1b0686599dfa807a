-- The brake of deletes: a row for each delete or erase that may go, at = when it was allowed, 0 = by a person. The row with the outbox
-- id 0 means that they are paused since then.

-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS leadsync_deletes (
  portal    VARCHAR(64) NOT NULL,
  outbox_id BIGINT NOT NULL,
  at        BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (portal, outbox_id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE %COLLATION%;

-- +goose Down
DROP TABLE IF EXISTS leadsync_deletes;
