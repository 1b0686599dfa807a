-- The OAuth grant of a portal, one row each. access_token and refresh_token are sealed; without the token key file they are noise.
--
-- generation rises with every new pair and is the fence of every write. lease_owner and lease_until say who refreshes at the
-- moment; an owner that stands there after its time is one that never said how its refresh ended.

-- +goose Up
CREATE TABLE leadsync_tokens (
  portal        VARCHAR(64) COLLATE "C" NOT NULL PRIMARY KEY,
  generation    BIGINT NOT NULL,
  client_id     VARCHAR(255) NOT NULL DEFAULT '',
  hub_id        BIGINT NOT NULL DEFAULT 0,
  access_token  TEXT NOT NULL,
  refresh_token TEXT NOT NULL,
  expires_at    BIGINT NOT NULL DEFAULT 0,
  life          BIGINT NOT NULL DEFAULT 0,
  scopes        TEXT NOT NULL,
  granted_at    BIGINT NOT NULL DEFAULT 0,
  refreshed_at  BIGINT NOT NULL DEFAULT 0,
  forced_at     BIGINT NOT NULL DEFAULT 0,
  lease_owner   VARCHAR(255) NOT NULL DEFAULT '',
  lease_until   BIGINT NOT NULL DEFAULT 0,
  needs_login   VARCHAR(64) NOT NULL DEFAULT '',
  tried_at      BIGINT NOT NULL DEFAULT 0
);

-- +goose Down
DROP TABLE leadsync_tokens;
