-- The outbox. One statement a file: MariaDB and MySQL cannot undo DDL, so a migration that fails half way must be repeatable.
-- %COLLATION% becomes a binary collation that does not pad ('Ab', 'aB' and 'Ab ' are three leads): utf8mb4_nopad_bin on MariaDB,
-- utf8mb4_0900_bin on MySQL.
--
-- Nothing the application writes is UNIQUE or checked, so that a row is accepted however bad it is. It is judged when it is read.
-- The times are UTC whatever the session's time zone; UNIX_TIMESTAMP(NOW(3)) would repeat an hour when summer time ends.
--
-- There are no partial indexes here. A reader that asks for one state still never passes over rows of another, because portal and
-- state stand in front:
--   ready    the rows of a lane that wait for nothing (not_before NULL) in id order, and those of a time in order of that time;
--   lead     a prefix of lead_id, because one of 10,000 characters must not fail an insert;
--   settled  counts by reason, and retention.
-- backfill is not part of the contract: any word but 'backfill' is live, and only a column can say so in an index.

-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS lead_outbox (
  id             BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  portal         VARCHAR(64) NOT NULL DEFAULT 'default',
  event_id       LONGTEXT,
  lead_id        LONGTEXT,
  event_type     LONGTEXT,
  email          LONGTEXT,
  properties     LONGTEXT NOT NULL DEFAULT ('{}'),
  lane           VARCHAR(32) NOT NULL DEFAULT 'live',
  occurred_at    BIGINT DEFAULT (TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', UTC_TIMESTAMP(3)) DIV 1000),
  created_at     BIGINT NOT NULL DEFAULT (TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', UTC_TIMESTAMP(3)) DIV 1000),
  state          VARCHAR(32) NOT NULL DEFAULT 'pending',
  reason         VARCHAR(32),
  note           LONGTEXT,
  attempts       BIGINT NOT NULL DEFAULT 0,
  not_before     BIGINT,
  contact_id     LONGTEXT,
  correlation_id LONGTEXT,
  settled_at     BIGINT,
  backfill       TINYINT GENERATED ALWAYS AS (CASE WHEN lane = 'backfill' THEN 1 ELSE 0 END) STORED INVISIBLE,
  KEY lead_outbox_ready (portal, state, backfill, not_before, id),
  KEY lead_outbox_lead (portal, lead_id(255), state, id),
  KEY lead_outbox_event (portal, event_id(255)),
  KEY lead_outbox_settled (portal, state, reason, settled_at)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE %COLLATION%;

-- +goose Down
DROP TABLE IF EXISTS lead_outbox;
