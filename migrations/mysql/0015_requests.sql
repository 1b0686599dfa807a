-- The last requests about each lead, a memory for `leadsync explain`: written behind the work, bounded, and decided by nothing. A lead
-- is named by its keyed hash alone, so that nothing here has to be erased with a person.

-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS leadsync_requests (
  id             BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  portal         VARCHAR(64) NOT NULL,
  lead_hash      VARCHAR(32) NOT NULL,
  started_at     BIGINT NOT NULL,
  elapsed        BIGINT NOT NULL,
  op             VARCHAR(32) NOT NULL,
  status         BIGINT NOT NULL DEFAULT 0,
  answer         VARCHAR(64) NOT NULL DEFAULT '',
  correlation_id VARCHAR(64) NOT NULL DEFAULT '',
  KEY leadsync_requests_lead (portal, lead_hash, id),
  KEY leadsync_requests_age (portal, started_at)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE %COLLATION%;

-- +goose Down
DROP TABLE IF EXISTS leadsync_requests;
