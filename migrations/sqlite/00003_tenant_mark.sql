-- +goose Up
-- A code and an access token remember the tenant's tokens_not_before of the moment
-- at which they were stored. They are good as long as it is still the same: which
-- of two happened first is not left to the clocks of two machines. What a tenant
-- that was resumed once has issued before this migration ends with it.
ALTER TABLE codes ADD COLUMN tenant_mark INTEGER;
ALTER TABLE access_tokens ADD COLUMN tenant_mark INTEGER;
