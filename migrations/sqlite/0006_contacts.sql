-- What leadsync itself knows of contacts besides the links, and what operators said of them. Nothing that an application writes gets in
-- here, so it can stand as evidence where something is destroyed.
--
-- kind had: the lead `owner` had the contact in this account, with the addresses (JSON) that it had meanwhile.
-- kind found: the contact was there before the lead was linked to it.
-- kind asked: a create of ours for the lead, at, had no answer; addresses (JSON) are those that it may have made a contact under.
-- kind also, leave: an operator's word about the contact for one delete or erase; owner is its outbox id.
-- kind touch: how many contacts (n) a delete or erase was let touch, at; owner is its outbox id, contact_id is empty.

-- +goose Up
CREATE TABLE leadsync_contacts (
  portal     VARCHAR(64) NOT NULL,
  hub_id     BIGINT NOT NULL,
  kind       VARCHAR(16) NOT NULL,
  owner      VARCHAR(255) NOT NULL,
  contact_id VARCHAR(64) NOT NULL,
  addresses  TEXT NOT NULL DEFAULT '',
  n          BIGINT NOT NULL DEFAULT 0,
  at         BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (portal, hub_id, kind, owner, contact_id)
);

-- +goose Down
DROP TABLE leadsync_contacts;
