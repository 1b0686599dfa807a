-- The key by which pending rows are found by the address they carry, so that a page of pull does not read all that wait. An address that
-- holds anything but printable ASCII has the key '': how such ones are compared is not SQL's to say, and each is read. The column is
-- not stored, so that the table is not written anew.

-- +goose NO TRANSACTION
-- +goose Up
ALTER TABLE lead_outbox ADD COLUMN /*M! IF NOT EXISTS */ address_key VARCHAR(255) GENERATED ALWAYS AS
  (CASE WHEN email REGEXP '[^ -~]' THEN '' ELSE lower(left(trim(email), 255)) END) VIRTUAL INVISIBLE, ALGORITHM=INSTANT;

-- +goose Down
ALTER TABLE lead_outbox DROP COLUMN address_key;
