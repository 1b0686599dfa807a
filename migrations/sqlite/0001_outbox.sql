-- The contract tables, and the tables of leadsync's own (leadsync_..., no contract).
--
-- The application's insert evaluates defaults and index expressions in the application's own SQLite library, which may be old:
-- only functions that every SQLite 3.9 and later knows stand here, nothing is UNIQUE and nothing is checked, so that a row is
-- accepted however bad it is. It is judged when it is read.

-- +goose Up
CREATE TABLE lead_outbox (
  id             INTEGER PRIMARY KEY AUTOINCREMENT,
  portal         VARCHAR(64) NOT NULL DEFAULT 'default',
  event_id       TEXT,
  lead_id        TEXT,
  event_type     TEXT,
  email          TEXT,
  properties     TEXT NOT NULL DEFAULT '{}',
  lane           VARCHAR(32) NOT NULL DEFAULT 'live',
  occurred_at    BIGINT DEFAULT (CAST((julianday('now')-2440587.5)*86400000 AS INTEGER)),
  created_at     BIGINT NOT NULL DEFAULT (CAST((julianday('now')-2440587.5)*86400000 AS INTEGER)),
  state          VARCHAR(32) NOT NULL DEFAULT 'pending',
  reason         VARCHAR(32),
  note           TEXT,
  attempts       BIGINT NOT NULL DEFAULT 0,
  not_before     BIGINT,
  contact_id     TEXT,
  correlation_id TEXT,
  settled_at     BIGINT
);

-- A pending row is in exactly one of the first three, so a row costs one entry however it waits. The lane has two indexes and
-- not a column in one, because any word but 'backfill' is live.
CREATE INDEX lead_outbox_live ON lead_outbox (portal, id)
  WHERE state = 'pending' AND not_before IS NULL AND lane <> 'backfill';
CREATE INDEX lead_outbox_backfill ON lead_outbox (portal, id)
  WHERE state = 'pending' AND not_before IS NULL AND lane = 'backfill';
CREATE INDEX lead_outbox_due ON lead_outbox (portal, not_before, id)
  WHERE state = 'pending' AND not_before IS NOT NULL;
-- A lead_id of 10,000 characters must not fail an insert on any dialect, so a prefix is indexed; the state stands before the id
-- so that the pending rows of a lead with a long history are found at once. The cast makes a lead_id that was bound as a blob
-- the same lead as its text.
CREATE INDEX lead_outbox_lead ON lead_outbox (portal, substr(CAST(lead_id AS TEXT), 1, 255), state, id);
CREATE INDEX lead_outbox_event ON lead_outbox (portal, substr(event_id, 1, 255)) WHERE event_id IS NOT NULL;
-- The counts of status and retention. In this order a million rows are counted without sorting them; retention takes one reason
-- after the other.
CREATE INDEX lead_outbox_settled ON lead_outbox (portal, state, reason, settled_at) WHERE state <> 'pending';

CREATE TABLE lead_inbox (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  portal      VARCHAR(64) NOT NULL DEFAULT 'default',
  lead_id     TEXT,
  contact_id  TEXT,
  email       TEXT,
  change_type TEXT,
  properties  TEXT,
  changed_at  BIGINT,
  pulled_at   BIGINT,
  acked_at    BIGINT
);
CREATE INDEX lead_inbox_acked ON lead_inbox (portal, acked_at) WHERE acked_at IS NOT NULL;

CREATE TABLE leadsync_links (
  portal         VARCHAR(64) NOT NULL,
  hub_id         BIGINT NOT NULL,
  lead_id        TEXT NOT NULL,
  state          VARCHAR(32) NOT NULL DEFAULT '',
  contact_id     TEXT NOT NULL DEFAULT '',
  address        TEXT NOT NULL DEFAULT '',
  consent        VARCHAR(32) NOT NULL DEFAULT '',
  consent_id     BIGINT NOT NULL DEFAULT 0,
  fields         TEXT NOT NULL DEFAULT '{}',
  applied_id     BIGINT NOT NULL DEFAULT 0,
  closed_at_id   BIGINT NOT NULL DEFAULT 0,
  second_look_at BIGINT,
  updated_at     BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (portal, hub_id, lead_id)
);
-- One contact has one lead. A passive or purged link keeps its contact in the row without holding it.
CREATE UNIQUE INDEX leadsync_links_contact ON leadsync_links (hub_id, contact_id)
  WHERE state IN ('linked', 'gone') AND contact_id <> '';
CREATE INDEX leadsync_links_known ON leadsync_links (hub_id, contact_id)
  WHERE state NOT IN ('linked', 'gone') AND contact_id <> '';
CREATE INDEX leadsync_links_address ON leadsync_links (hub_id, address) WHERE address <> '';
CREATE INDEX leadsync_links_look ON leadsync_links (portal, hub_id, second_look_at) WHERE second_look_at IS NOT NULL;

CREATE TABLE leadsync_portals (
  portal         VARCHAR(64) NOT NULL PRIMARY KEY,
  hub_id         BIGINT NOT NULL DEFAULT 0,
  base_url       TEXT NOT NULL DEFAULT '',
  owner          TEXT NOT NULL DEFAULT '',
  lease_until    BIGINT NOT NULL DEFAULT 0,
  epoch          BIGINT NOT NULL DEFAULT 0,
  clean          BOOLEAN NOT NULL DEFAULT TRUE,
  high_id        BIGINT NOT NULL DEFAULT 0,
  high_seen_at   BIGINT NOT NULL DEFAULT 0,
  daily_day      VARCHAR(32) NOT NULL DEFAULT '',
  daily_reserved BIGINT NOT NULL DEFAULT 0,
  status         TEXT NOT NULL DEFAULT '',
  status_at      BIGINT NOT NULL DEFAULT 0,
  started_at     BIGINT NOT NULL DEFAULT 0
);

CREATE TABLE leadsync_keys (
  name  VARCHAR(64) NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
);

-- +goose Down
DROP TABLE leadsync_keys;
DROP TABLE leadsync_portals;
DROP TABLE leadsync_links;
DROP TABLE lead_inbox;
DROP TABLE lead_outbox;
