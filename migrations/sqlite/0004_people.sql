-- What it takes to act on consent: more of the state on the link, and a reading of the outbox of its own. And what is left of a person
-- who was erased, and the brake of deletes.
--
-- opt_out is the rest of a link's consent as JSON. opt_out_due is when the unsubscribe lane has work for the link without any row,
-- NULL = it has none.
--
-- A pending row is still in exactly one index: rows that speak of consent leave the three of the contact lane, so that neither lane ever
-- passes over a backlog of the other. The application's own SQLite evaluates the conditions: nothing newer than 3.9 stands in them.

-- +goose Up
ALTER TABLE leadsync_links ADD COLUMN opt_out TEXT NOT NULL DEFAULT '';
ALTER TABLE leadsync_links ADD COLUMN opt_out_due BIGINT;
CREATE INDEX leadsync_links_opt_out ON leadsync_links (portal, hub_id, opt_out_due) WHERE opt_out_due IS NOT NULL;

DROP INDEX lead_outbox_live;
DROP INDEX lead_outbox_backfill;
DROP INDEX lead_outbox_due;
CREATE INDEX lead_outbox_live ON lead_outbox (portal, id)
  WHERE state = 'pending' AND not_before IS NULL AND lane <> 'backfill'
    AND coalesce(CAST(event_type AS TEXT), '') NOT IN ('lead.unsubscribed', 'lead.resubscribed');
CREATE INDEX lead_outbox_backfill ON lead_outbox (portal, id)
  WHERE state = 'pending' AND not_before IS NULL AND lane = 'backfill'
    AND coalesce(CAST(event_type AS TEXT), '') NOT IN ('lead.unsubscribed', 'lead.resubscribed');
CREATE INDEX lead_outbox_due ON lead_outbox (portal, not_before, id)
  WHERE state = 'pending' AND not_before IS NOT NULL
    AND coalesce(CAST(event_type AS TEXT), '') NOT IN ('lead.unsubscribed', 'lead.resubscribed');
CREATE INDEX lead_outbox_consent ON lead_outbox (portal, id)
  WHERE state = 'pending' AND not_before IS NULL
    AND coalesce(CAST(event_type AS TEXT), '') IN ('lead.unsubscribed', 'lead.resubscribed');
CREATE INDEX lead_outbox_consent_due ON lead_outbox (portal, not_before, id)
  WHERE state = 'pending' AND not_before IS NOT NULL
    AND coalesce(CAST(event_type AS TEXT), '') IN ('lead.unsubscribed', 'lead.resubscribed');

-- Who was erased, as keyed hashes: of the lead id, of its contacts and of its addresses; lead_hash is the lead that a row belongs to, so
-- that one person's can be forgotten. purged_at is when HubSpot last had something to erase of the lead, 0 = the erase has begun.
CREATE TABLE leadsync_tombstones (
  portal    VARCHAR(64) NOT NULL,
  hub_id    BIGINT NOT NULL,
  kind      VARCHAR(16) NOT NULL,
  hash      VARCHAR(64) NOT NULL,
  lead_hash VARCHAR(64) NOT NULL,
  erased_at BIGINT NOT NULL DEFAULT 0,
  purged_at BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (portal, hub_id, kind, hash, lead_hash)
);

-- The brake of deletes: a row for each delete or erase that may go, at = when it was allowed, 0 = by a person. The row with the outbox
-- id 0 means that they are paused since then.
CREATE TABLE leadsync_deletes (
  portal    VARCHAR(64) NOT NULL,
  outbox_id BIGINT NOT NULL,
  at        BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (portal, outbox_id)
);

-- +goose Down
DROP TABLE leadsync_deletes;
DROP TABLE leadsync_tombstones;
DROP INDEX lead_outbox_consent_due;
DROP INDEX lead_outbox_consent;
DROP INDEX lead_outbox_due;
DROP INDEX lead_outbox_backfill;
DROP INDEX lead_outbox_live;
CREATE INDEX lead_outbox_live ON lead_outbox (portal, id)
  WHERE state = 'pending' AND not_before IS NULL AND lane <> 'backfill';
CREATE INDEX lead_outbox_backfill ON lead_outbox (portal, id)
  WHERE state = 'pending' AND not_before IS NULL AND lane = 'backfill';
CREATE INDEX lead_outbox_due ON lead_outbox (portal, not_before, id)
  WHERE state = 'pending' AND not_before IS NOT NULL;
DROP INDEX leadsync_links_opt_out;
ALTER TABLE leadsync_links DROP COLUMN opt_out_due;
ALTER TABLE leadsync_links DROP COLUMN opt_out;
