-- What came from HubSpot, for the application.

-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS lead_inbox (
  id          BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  portal      VARCHAR(64) NOT NULL DEFAULT 'default',
  lead_id     LONGTEXT,
  contact_id  LONGTEXT,
  email       LONGTEXT,
  change_type LONGTEXT,
  properties  LONGTEXT,
  changed_at  BIGINT,
  pulled_at   BIGINT,
  acked_at    BIGINT,
  KEY lead_inbox_acked (portal, acked_at)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE %COLLATION%;

-- +goose Down
DROP TABLE IF EXISTS lead_inbox;
