-- What operators did and see: lanes that were paused by hand, and the last requests about each lead.
--
-- leadsync_requests names a lead by its keyed hash alone, so that nothing in it has to be erased with a person. It is a memory for
-- `leadsync explain`, written behind the work and bounded; nothing is decided by it.

-- +goose Up
CREATE TABLE leadsync_pauses (
  portal  VARCHAR(64) NOT NULL,
  lane    VARCHAR(32) NOT NULL,
  since   BIGINT NOT NULL,
  by_whom VARCHAR(255) NOT NULL DEFAULT '',
  PRIMARY KEY (portal, lane)
);

CREATE TABLE leadsync_requests (
  id             INTEGER PRIMARY KEY AUTOINCREMENT,
  portal         VARCHAR(64) NOT NULL,
  lead_hash      VARCHAR(32) NOT NULL,
  started_at     BIGINT NOT NULL,
  elapsed        BIGINT NOT NULL,
  op             VARCHAR(32) NOT NULL,
  status         BIGINT NOT NULL DEFAULT 0,
  answer         VARCHAR(64) NOT NULL DEFAULT '',
  correlation_id VARCHAR(64) NOT NULL DEFAULT ''
);
CREATE INDEX leadsync_requests_lead ON leadsync_requests (portal, lead_hash, id);
CREATE INDEX leadsync_requests_age ON leadsync_requests (portal, started_at);

-- +goose Down
DROP TABLE leadsync_requests;
DROP TABLE leadsync_pauses;
