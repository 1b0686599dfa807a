-- Pending rows by the address they carry, so that a page of pull does not read all that wait. An address that holds anything but printable
-- ASCII has the key '': how such ones are compared is not SQL's to say, and each is read.
--
-- Made while inserts go on. What is left of a try that was cut is not valid, and goes first.

-- +goose NO TRANSACTION
-- +goose Up
DROP INDEX CONCURRENTLY IF EXISTS lead_outbox_address;
CREATE INDEX CONCURRENTLY lead_outbox_address ON lead_outbox (portal, (CASE WHEN email COLLATE "C" ~ '[^ -~]' THEN ''
  ELSE substr(lower(btrim(email) COLLATE "C"), 1, 255) END))
  WHERE state = 'pending' AND email IS NOT NULL;

-- +goose Down
DROP INDEX CONCURRENTLY IF EXISTS lead_outbox_address;
