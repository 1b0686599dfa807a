-- Pending rows by the address they carry, so that a page of pull does not read all that wait. An address that holds anything but printable
-- ASCII has the key '': how such ones are compared is not SQL's to say, and each is read.
--
-- A text of 4 KiB is no address; to match a pattern against 100 MB takes half a minute, and each write of the row would do it.
--
-- The application's own SQLite evaluates the expression: nothing newer than 3.9 stands in it.

-- +goose Up
CREATE INDEX lead_outbox_address ON lead_outbox (portal, CASE WHEN length(CAST(email AS BLOB)) > 4096 THEN '' WHEN CAST(email AS TEXT) GLOB '*[^ -~]*'
  OR length(CAST(email AS TEXT)) <> length(CAST(email AS BLOB)) THEN '' ELSE substr(lower(trim(CAST(email AS TEXT))), 1, 255) END)
  WHERE state = 'pending' AND email IS NOT NULL;

-- +goose Down
DROP INDEX lead_outbox_address;
