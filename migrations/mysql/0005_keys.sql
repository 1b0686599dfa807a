-- Sealed keys that the instances of one database share.

-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS leadsync_keys (
  name  VARCHAR(64) NOT NULL PRIMARY KEY,
  value LONGTEXT NOT NULL
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE %COLLATION%;

-- +goose Down
DROP TABLE IF EXISTS leadsync_keys;
