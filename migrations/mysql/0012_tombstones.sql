-- Who was erased, as keyed hashes: of the lead id, of its contacts and of its addresses; lead_hash is the lead that a row belongs to, so
-- that one person's can be forgotten. purged_at is when HubSpot last had something to erase of the lead, 0 = the erase has begun.

-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS leadsync_tombstones (
  portal    VARCHAR(64) NOT NULL,
  hub_id    BIGINT NOT NULL,
  kind      VARCHAR(16) NOT NULL,
  hash      VARCHAR(64) NOT NULL,
  lead_hash VARCHAR(64) NOT NULL,
  erased_at BIGINT NOT NULL DEFAULT 0,
  purged_at BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (portal, hub_id, kind, hash, lead_hash)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE %COLLATION%;

-- +goose Down
DROP TABLE IF EXISTS leadsync_tombstones;
