-- Pending rows by address, made while inserts go on.

-- +goose NO TRANSACTION
-- +goose Up
ALTER TABLE lead_outbox ADD KEY /*M! IF NOT EXISTS */ lead_outbox_address (portal, state, address_key), ALGORITHM=INPLACE, LOCK=NONE;

-- +goose Down
ALTER TABLE lead_outbox DROP KEY lead_outbox_address;
