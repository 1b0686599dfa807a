-- One row for each portal that ever had a daemon; the lease stands in it.

-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS leadsync_portals (
  portal         VARCHAR(64) NOT NULL PRIMARY KEY,
  hub_id         BIGINT NOT NULL DEFAULT 0,
  base_url       LONGTEXT NOT NULL DEFAULT (''),
  owner          LONGTEXT NOT NULL DEFAULT (''),
  lease_until    BIGINT NOT NULL DEFAULT 0,
  epoch          BIGINT NOT NULL DEFAULT 0,
  clean          BOOLEAN NOT NULL DEFAULT TRUE,
  high_id        BIGINT NOT NULL DEFAULT 0,
  high_seen_at   BIGINT NOT NULL DEFAULT 0,
  daily_day      VARCHAR(32) NOT NULL DEFAULT '',
  daily_reserved BIGINT NOT NULL DEFAULT 0,
  status         LONGTEXT NOT NULL DEFAULT (''),
  status_at      BIGINT NOT NULL DEFAULT 0,
  started_at     BIGINT NOT NULL DEFAULT 0
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE %COLLATION%;

-- +goose Down
DROP TABLE IF EXISTS leadsync_portals;
