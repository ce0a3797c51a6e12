-- +goose Up
-- API keys, and what hangs on them: the tables of the PostgreSQL folder.

-- A key is found by the SHA-256 of its whole text, whoever it belongs to.
--
-- The last three columns are how keys are listed, newest first: each is a path to
-- the key's place (an id grows with time) with an index of its own, and a list is
-- ordered by one of them. No other index has that order, so that a page is read
-- from the right one whatever a planner knows or believes about who has how many
-- keys. The two live ones are NULL for a key that is revoked, or that ended so long
-- ago that cleaning up has said so (lapsed_at).
CREATE TABLE api_keys (
    tenant_id      TEXT NOT NULL,
    id             TEXT NOT NULL,
    profile        TEXT NOT NULL,
    name           TEXT NOT NULL,
    hash           BLOB NOT NULL UNIQUE,
    hint           TEXT NOT NULL,
    kid            TEXT NOT NULL, -- of a key that is a JWT
    owner_id       TEXT NOT NULL, -- '' for the tenant itself
    client_id      TEXT NOT NULL,
    parent_id      TEXT NOT NULL,
    scopes         TEXT NOT NULL,
    allowed_ips    TEXT NOT NULL,
    created_at     INTEGER NOT NULL,
    expires_at     INTEGER,
    revoked_at     INTEGER,
    revoked_reason TEXT NOT NULL,
    quarantined_at INTEGER,
    rotate_at      INTEGER,
    predecessor    TEXT NOT NULL,
    successor      TEXT NOT NULL,
    webhook_url    TEXT NOT NULL,
    webhook_secret BLOB,
    last_used_at   INTEGER,
    version        INTEGER NOT NULL,
    lapsed_at      INTEGER,
    of_owner       TEXT NOT NULL GENERATED ALWAYS AS (tenant_id || ' ' || owner_id || ' ' || id) STORED,
    live           TEXT GENERATED ALWAYS AS (
        CASE WHEN revoked_at IS NULL AND lapsed_at IS NULL THEN tenant_id || ' ' || id END) STORED,
    live_of_owner  TEXT GENERATED ALWAYS AS (
        CASE WHEN revoked_at IS NULL AND lapsed_at IS NULL THEN tenant_id || ' ' || owner_id || ' ' || id END) STORED,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX api_keys_of_owner ON api_keys (of_owner);
CREATE INDEX api_keys_live ON api_keys (live) WHERE live IS NOT NULL;
CREATE INDEX api_keys_live_of_owner ON api_keys (live_of_owner) WHERE live_of_owner IS NOT NULL;
CREATE INDEX api_keys_expiry ON api_keys (expires_at, tenant_id) WHERE revoked_at IS NULL AND lapsed_at IS NULL;
CREATE INDEX api_keys_rotation ON api_keys (rotate_at) WHERE rotate_at IS NOT NULL AND revoked_at IS NULL AND successor = '';

-- A grant that was made under a key ends with it.
ALTER TABLE grants ADD COLUMN key_id TEXT NOT NULL DEFAULT '';
CREATE INDEX grants_key ON grants (key_id, tenant_id) WHERE key_id <> '';

CREATE TABLE key_executions (
    tenant_id  TEXT NOT NULL,
    id         TEXT NOT NULL,
    key_id     TEXT NOT NULL,
    name       TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at   INTEGER,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX key_executions_key ON key_executions (key_id, tenant_id, id);
CREATE INDEX key_executions_running ON key_executions (key_id, tenant_id) WHERE ended_at IS NULL;
CREATE INDEX key_executions_end ON key_executions (ended_at, tenant_id);

-- sealed is the secret of key_id, until somebody has it.
CREATE TABLE key_deliveries (
    tenant_id  TEXT NOT NULL,
    key_id     TEXT NOT NULL,
    old_key_id TEXT NOT NULL,
    sealed     BLOB,
    attempts   INTEGER NOT NULL,
    next_at    INTEGER,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    warn_at    INTEGER,
    warned_at  INTEGER,
    done_at    INTEGER,
    PRIMARY KEY (tenant_id, key_id)
);
CREATE UNIQUE INDEX key_deliveries_old ON key_deliveries (old_key_id, tenant_id);
CREATE INDEX key_deliveries_waiting ON key_deliveries (created_at) WHERE done_at IS NULL;
CREATE INDEX key_deliveries_expiry ON key_deliveries (expires_at, tenant_id);

CREATE TABLE key_uses (
    tenant_id       TEXT NOT NULL,
    key_id          TEXT NOT NULL,
    day             INTEGER NOT NULL, -- its first millisecond
    refused         TEXT NOT NULL,
    ip              TEXT NOT NULL,
    scope           TEXT NOT NULL,
    resource_server TEXT NOT NULL,
    calls           INTEGER NOT NULL,
    last_at         INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, key_id, day, refused, ip, scope, resource_server)
);
CREATE INDEX key_uses_day ON key_uses (day);

-- caller and request_key are hashes; answer is sealed.
CREATE TABLE idempotent_requests (
    tenant_id   TEXT NOT NULL REFERENCES tenants (id),
    caller      BLOB NOT NULL,
    request_key BLOB NOT NULL,
    fingerprint BLOB NOT NULL,
    started_at  INTEGER NOT NULL,
    lease_until INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    status      INTEGER NOT NULL,
    answer      BLOB,
    PRIMARY KEY (tenant_id, caller, request_key)
);
CREATE INDEX idempotent_requests_expiry ON idempotent_requests (expires_at, tenant_id);

-- A connection may say a person's role at each sign-in.
ALTER TABLE connections ADD COLUMN role_claim TEXT NOT NULL DEFAULT '';

-- Keys of one use sign nothing else, and each use has its own last one.
ALTER TABLE signing_keys ADD COLUMN use TEXT NOT NULL DEFAULT '';
DROP INDEX signing_keys_last;
CREATE UNIQUE INDEX signing_keys_last ON signing_keys (use, alg) WHERE active_at IS NOT NULL AND retired_at IS NULL;
