-- +goose Up
-- API keys, and what hangs on them.

-- A key is found by the SHA-256 of its whole text, whoever it belongs to.
--
-- The last three columns are how keys are listed, newest first: each is a path to
-- the key's place (an id grows with time) with an index of its own, and a list is
-- ordered by one of them. No other index has that order, so that a page is read
-- from the right one whatever a planner knows or believes about who has how many
-- keys. The two live ones are NULL for a key that is revoked, or that ended so long
-- ago that cleaning up has said so (lapsed_at).
--
-- Room is left on each page, so that noting a use rewrites no index.
CREATE TABLE api_keys (
    tenant_id      TEXT COLLATE "C" NOT NULL,
    id             TEXT COLLATE "C" NOT NULL,
    profile        TEXT COLLATE "C" NOT NULL,
    name           TEXT NOT NULL,
    hash           BYTEA NOT NULL UNIQUE,
    hint           TEXT NOT NULL,
    kid            TEXT NOT NULL, -- of a key that is a JWT
    owner_id       TEXT COLLATE "C" NOT NULL, -- '' for the tenant itself
    client_id      TEXT COLLATE "C" NOT NULL,
    parent_id      TEXT COLLATE "C" NOT NULL,
    scopes         TEXT NOT NULL,
    allowed_ips    TEXT NOT NULL,
    created_at     BIGINT NOT NULL,
    expires_at     BIGINT,
    revoked_at     BIGINT,
    revoked_reason TEXT NOT NULL,
    quarantined_at BIGINT,
    rotate_at      BIGINT,
    predecessor    TEXT COLLATE "C" NOT NULL,
    successor      TEXT COLLATE "C" NOT NULL,
    webhook_url    TEXT NOT NULL,
    webhook_secret BYTEA,
    last_used_at   BIGINT,
    version        BIGINT NOT NULL,
    lapsed_at      BIGINT,
    of_owner       TEXT COLLATE "C" NOT NULL GENERATED ALWAYS AS (tenant_id || ' ' || owner_id || ' ' || id) STORED,
    live           TEXT COLLATE "C" GENERATED ALWAYS AS (
        CASE WHEN revoked_at IS NULL AND lapsed_at IS NULL THEN tenant_id || ' ' || id END) STORED,
    live_of_owner  TEXT COLLATE "C" GENERATED ALWAYS AS (
        CASE WHEN revoked_at IS NULL AND lapsed_at IS NULL THEN tenant_id || ' ' || owner_id || ' ' || id END) STORED,
    PRIMARY KEY (tenant_id, id)
) WITH (fillfactor = 80);
CREATE INDEX api_keys_of_owner ON api_keys (of_owner);
CREATE INDEX api_keys_live ON api_keys (live) WHERE live IS NOT NULL;
CREATE INDEX api_keys_live_of_owner ON api_keys (live_of_owner) WHERE live_of_owner IS NOT NULL;
CREATE INDEX api_keys_expiry ON api_keys (expires_at, tenant_id) WHERE revoked_at IS NULL AND lapsed_at IS NULL;
CREATE INDEX api_keys_rotation ON api_keys (rotate_at) WHERE rotate_at IS NOT NULL AND revoked_at IS NULL AND successor = '';

-- A grant that was made under a key ends with it.
ALTER TABLE grants ADD COLUMN key_id TEXT COLLATE "C" NOT NULL DEFAULT '';
CREATE INDEX grants_key ON grants (key_id, tenant_id) WHERE key_id <> '';

CREATE TABLE key_executions (
    tenant_id  TEXT COLLATE "C" NOT NULL,
    id         TEXT COLLATE "C" NOT NULL,
    key_id     TEXT COLLATE "C" NOT NULL,
    name       TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    ended_at   BIGINT,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX key_executions_key ON key_executions (key_id, tenant_id, id);
CREATE INDEX key_executions_running ON key_executions (key_id, tenant_id) WHERE ended_at IS NULL;
CREATE INDEX key_executions_end ON key_executions (ended_at, tenant_id);

-- sealed is the secret of key_id, until somebody has it.
CREATE TABLE key_deliveries (
    tenant_id  TEXT COLLATE "C" NOT NULL,
    key_id     TEXT COLLATE "C" NOT NULL,
    old_key_id TEXT COLLATE "C" NOT NULL,
    sealed     BYTEA,
    attempts   BIGINT NOT NULL,
    next_at    BIGINT,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    warn_at    BIGINT,
    warned_at  BIGINT,
    done_at    BIGINT,
    PRIMARY KEY (tenant_id, key_id)
);
CREATE UNIQUE INDEX key_deliveries_old ON key_deliveries (old_key_id, tenant_id);
CREATE INDEX key_deliveries_waiting ON key_deliveries (created_at) WHERE done_at IS NULL;
CREATE INDEX key_deliveries_expiry ON key_deliveries (expires_at, tenant_id);

CREATE TABLE key_uses (
    tenant_id       TEXT COLLATE "C" NOT NULL,
    key_id          TEXT COLLATE "C" NOT NULL,
    day             BIGINT NOT NULL, -- its first millisecond
    refused         TEXT COLLATE "C" NOT NULL,
    ip              TEXT COLLATE "C" NOT NULL,
    scope           TEXT COLLATE "C" NOT NULL,
    resource_server TEXT COLLATE "C" NOT NULL,
    calls           BIGINT NOT NULL,
    last_at         BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, key_id, day, refused, ip, scope, resource_server)
) WITH (fillfactor = 80);
CREATE INDEX key_uses_day ON key_uses (day);

-- caller and request_key are hashes; answer is sealed.
CREATE TABLE idempotent_requests (
    tenant_id   TEXT COLLATE "C" NOT NULL REFERENCES tenants (id),
    caller      BYTEA NOT NULL,
    request_key BYTEA NOT NULL,
    fingerprint BYTEA NOT NULL,
    started_at  BIGINT NOT NULL,
    lease_until BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    status      BIGINT NOT NULL,
    answer      BYTEA,
    PRIMARY KEY (tenant_id, caller, request_key)
);
CREATE INDEX idempotent_requests_expiry ON idempotent_requests (expires_at, tenant_id);

-- A connection may say a person's role at each sign-in.
ALTER TABLE connections ADD COLUMN role_claim TEXT NOT NULL DEFAULT '';

-- Keys of one use sign nothing else, and each use has its own last one.
ALTER TABLE signing_keys ADD COLUMN use TEXT COLLATE "C" NOT NULL DEFAULT '';
DROP INDEX signing_keys_last;
CREATE UNIQUE INDEX signing_keys_last ON signing_keys (use, alg) WHERE active_at IS NOT NULL AND retired_at IS NULL;

-- Keys are never deleted. What reads across tenants finds a key by its hash; of what
-- hangs on keys it sees who has something to do or to clean up, and no secret that
-- waits for somebody.
GRANT SELECT, INSERT, UPDATE ON api_keys TO watchgate_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON key_executions, key_deliveries, key_uses, idempotent_requests TO watchgate_app;
GRANT SELECT ON api_keys TO watchgate_lookup;
GRANT SELECT (tenant_id, key_id, old_key_id, attempts, next_at, created_at, expires_at, warn_at, warned_at, done_at)
    ON key_deliveries TO watchgate_lookup;
GRANT SELECT (tenant_id, ended_at) ON key_executions TO watchgate_lookup;
GRANT SELECT (tenant_id, day) ON key_uses TO watchgate_lookup;
GRANT SELECT (tenant_id, expires_at) ON idempotent_requests TO watchgate_lookup;

-- +goose StatementBegin
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['api_keys', 'key_executions', 'key_deliveries', 'key_uses', 'idempotent_requests'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY tenant ON %I TO watchgate_app
            USING (tenant_id = current_setting(''watchgate.tenant'', true))
            WITH CHECK (tenant_id = current_setting(''watchgate.tenant'', true))', name);
        EXECUTE format('CREATE POLICY lookup ON %I FOR SELECT TO watchgate_lookup USING (true)', name);
    END LOOP;
END
$$;
-- +goose StatementEnd
