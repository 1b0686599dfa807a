-- The OAuth grant of a portal, one row each. access_token and refresh_token are sealed; without the token key file they are noise.
--
-- generation rises with every new pair and is the fence of every write. lease_owner and lease_until say who refreshes at the
-- moment; an owner that stands there after its time is one that never said how its refresh ended.

-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS leadsync_tokens (
  portal        VARCHAR(64) NOT NULL PRIMARY KEY,
  generation    BIGINT NOT NULL,
  client_id     VARCHAR(255) NOT NULL DEFAULT '',
  hub_id        BIGINT NOT NULL DEFAULT 0,
  access_token  LONGTEXT NOT NULL,
  refresh_token LONGTEXT NOT NULL,
  expires_at    BIGINT NOT NULL DEFAULT 0,
  life          BIGINT NOT NULL DEFAULT 0,
  scopes        LONGTEXT NOT NULL,
  granted_at    BIGINT NOT NULL DEFAULT 0,
  refreshed_at  BIGINT NOT NULL DEFAULT 0,
  forced_at     BIGINT NOT NULL DEFAULT 0,
  lease_owner   VARCHAR(255) NOT NULL DEFAULT '',
  lease_until   BIGINT NOT NULL DEFAULT 0,
  needs_login   VARCHAR(64) NOT NULL DEFAULT '',
  tried_at      BIGINT NOT NULL DEFAULT 0
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE %COLLATION%;

-- +goose Down
DROP TABLE IF EXISTS leadsync_tokens;
