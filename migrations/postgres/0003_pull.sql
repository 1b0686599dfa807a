-- How far each pull stream has come in a HubSpot account (position is JSON), and what is known of contacts without a lead: with
-- pull.unknown: inbox they are told once, and what was told stands here.

-- +goose Up
CREATE TABLE leadsync_streams (
  portal     VARCHAR(64) COLLATE "C" NOT NULL,
  hub_id     BIGINT NOT NULL,
  stream     VARCHAR(32) NOT NULL,
  position   TEXT NOT NULL DEFAULT '{}',
  updated_at BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (portal, hub_id, stream)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

CREATE TABLE leadsync_strangers (
  portal     VARCHAR(64) COLLATE "C" NOT NULL,
  hub_id     BIGINT NOT NULL,
  contact_id VARCHAR(255) COLLATE "C" NOT NULL,
  state      VARCHAR(32) NOT NULL DEFAULT '',
  address    TEXT COLLATE "C" NOT NULL DEFAULT '',
  consent    VARCHAR(32) NOT NULL DEFAULT '',
  fields     TEXT NOT NULL DEFAULT '{}',
  updated_at BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (portal, hub_id, contact_id)
);

-- What the application reads: the acknowledged rows before it may be many.
CREATE INDEX lead_inbox_new ON lead_inbox (portal, id) WHERE acked_at IS NULL;

-- +goose Down
DROP INDEX lead_inbox_new;
DROP TABLE leadsync_strangers;
DROP TABLE leadsync_streams;
