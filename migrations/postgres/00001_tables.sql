-- +goose Up
-- Conventions, here and in the SQLite folder (the statements that use these
-- tables are written once for both):
--   * times are unix milliseconds in UTC, NULL for "never happened";
--   * ids and everything that is ordered by sort as bytes (COLLATE "C");
--   * lists and structures are JSON text that the server never looks into;
--   * every key of a tenant-owned table starts with tenant_id. The exceptions
--     are rows that are found by the SHA-256 of a 256-bit secret (access and
--     refresh tokens, codes, sessions' handles): whoever holds the secret has
--     said which row is meant, nobody knows its tenant before it is read, and a
--     key that starts with the tenant could not serve that search;
--   * an index beside the primary key starts with something else than it does:
--     a planner that has no statistics yet cannot tell the two apart, and would
--     read all of a tenant's rows where it could read one.

CREATE TABLE tenants (
    id                TEXT COLLATE "C" NOT NULL PRIMARY KEY CHECK (id NOT IN ('', 'platform')),
    slug              TEXT COLLATE "C" NOT NULL UNIQUE,
    name              TEXT NOT NULL,
    suspended_at      BIGINT,
    suspend_reason    TEXT NOT NULL,
    tokens_not_before BIGINT,
    policy            TEXT NOT NULL,
    created_at        BIGINT,
    version           BIGINT NOT NULL
);

CREATE TABLE clients (
    id                        TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    owner_tenant              TEXT COLLATE "C" NOT NULL,
    name                      TEXT NOT NULL,
    uri                       TEXT NOT NULL,
    auth_method               TEXT NOT NULL,
    secrets                   TEXT NOT NULL,
    grant_types               TEXT NOT NULL,
    redirect_uris             TEXT NOT NULL,
    post_logout_redirect_uris TEXT NOT NULL,
    scopes                    TEXT NOT NULL,
    form_post                 BOOLEAN NOT NULL,
    pkce_optional             BOOLEAN NOT NULL,
    service_tenant            TEXT COLLATE "C" NOT NULL,
    id_token_alg              TEXT NOT NULL,
    verified                  BOOLEAN NOT NULL,
    disabled_at               BIGINT,
    created_at                BIGINT,
    version                   BIGINT NOT NULL
);

CREATE TABLE resource_servers (
    id           TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name         TEXT NOT NULL,
    bound_tenant TEXT COLLATE "C" NOT NULL,
    audience     TEXT NOT NULL,
    secrets      TEXT NOT NULL,
    scopes       TEXT NOT NULL,
    disabled_at  BIGINT,
    created_at   BIGINT,
    version      BIGINT NOT NULL
);

CREATE TABLE signing_keys (
    kid        TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    alg        TEXT NOT NULL,
    public     BYTEA NOT NULL,
    sealed     BYTEA NOT NULL,
    created_at BIGINT,
    active_at  BIGINT,
    retired_at BIGINT,
    remove_at  BIGINT,
    version    BIGINT NOT NULL
);
-- One key of an algorithm signs with no end in sight: of two nodes that make the
-- first keys at the same moment, or let the next take over, one succeeds.
CREATE UNIQUE INDEX signing_keys_last ON signing_keys (alg) WHERE active_at IS NOT NULL AND retired_at IS NULL;

-- A login transaction belongs to no tenant until the person has said which.
CREATE TABLE logins (
    id            TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    step          TEXT NOT NULL,
    browser       BYTEA NOT NULL,
    request       TEXT NOT NULL,
    return_to     TEXT NOT NULL,
    tenant        TEXT COLLATE "C" NOT NULL,
    connection_id TEXT COLLATE "C" NOT NULL,
    session_id    TEXT COLLATE "C" NOT NULL,
    email         TEXT NOT NULL,
    created_at    BIGINT,
    expires_at    BIGINT NOT NULL,
    version       BIGINT NOT NULL
);
CREATE INDEX logins_expiry ON logins (expires_at);

CREATE TABLE users (
    tenant_id      TEXT COLLATE "C" NOT NULL REFERENCES tenants (id),
    id             TEXT COLLATE "C" NOT NULL,
    role           TEXT NOT NULL,
    email          TEXT NOT NULL,
    email_verified BOOLEAN NOT NULL,
    claims         TEXT NOT NULL,
    disabled_at    BIGINT,
    created_at     BIGINT,
    version        BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE connections (
    tenant_id     TEXT COLLATE "C" NOT NULL REFERENCES tenants (id),
    id            TEXT COLLATE "C" NOT NULL,
    kind          TEXT NOT NULL,
    name          TEXT NOT NULL,
    issuer        TEXT NOT NULL,
    client_id     TEXT NOT NULL,
    client_secret BYTEA,
    scopes        TEXT NOT NULL,
    algs          TEXT NOT NULL,
    create_users  BOOLEAN NOT NULL,
    default_role  TEXT NOT NULL,
    disabled_at   BIGINT,
    created_at    BIGINT,
    version       BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

-- The key of a person is (tenant, connection, iss, sub).
CREATE TABLE identities (
    tenant_id     TEXT COLLATE "C" NOT NULL,
    connection_id TEXT COLLATE "C" NOT NULL,
    issuer        TEXT COLLATE "C" NOT NULL,
    subject       TEXT COLLATE "C" NOT NULL,
    user_id       TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, connection_id, issuer, subject),
    FOREIGN KEY (tenant_id, connection_id) REFERENCES connections (tenant_id, id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id)
);

-- The name alone is unique too: a domain has one tenant, and home-realm
-- discovery asks by name.
CREATE TABLE domains (
    tenant_id     TEXT COLLATE "C" NOT NULL,
    name          TEXT COLLATE "C" NOT NULL UNIQUE,
    connection_id TEXT COLLATE "C" NOT NULL,
    verified_at   BIGINT,
    PRIMARY KEY (tenant_id, name),
    FOREIGN KEY (tenant_id, connection_id) REFERENCES connections (tenant_id, id)
);

-- handle is the SHA-256 of the cookie's 256 bits. Room is left on each page,
-- so that noting activity rewrites no index.
CREATE TABLE sessions (
    tenant_id     TEXT COLLATE "C" NOT NULL,
    id            TEXT COLLATE "C" NOT NULL,
    user_id       TEXT COLLATE "C" NOT NULL,
    connection_id TEXT COLLATE "C" NOT NULL,
    handle        BYTEA NOT NULL UNIQUE,
    auth_time     BIGINT,
    acr           TEXT NOT NULL,
    amr           TEXT NOT NULL,
    created_at    BIGINT,
    last_seen_at  BIGINT NOT NULL,
    expires_at    BIGINT NOT NULL,
    idle_timeout  BIGINT NOT NULL, -- milliseconds
    ended_at      BIGINT,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id)
) WITH (fillfactor = 80);
CREATE INDEX sessions_user ON sessions (user_id, tenant_id);
CREATE INDEX sessions_expiry ON sessions (expires_at, tenant_id);

CREATE TABLE grants (
    tenant_id     TEXT COLLATE "C" NOT NULL,
    id            TEXT COLLATE "C" NOT NULL,
    user_id       TEXT COLLATE "C" NOT NULL,
    client_id     TEXT COLLATE "C" NOT NULL,
    session_id    TEXT COLLATE "C" NOT NULL,
    connection_id TEXT COLLATE "C" NOT NULL,
    scopes        TEXT NOT NULL,
    resource      TEXT NOT NULL,
    auth_time     BIGINT,
    acr           TEXT NOT NULL,
    amr           TEXT NOT NULL,
    nonce         TEXT NOT NULL,
    claims        TEXT NOT NULL,
    created_at    BIGINT,
    expires_at    BIGINT NOT NULL,
    revoked_at    BIGINT,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX grants_user ON grants (user_id, tenant_id, client_id);
CREATE INDEX grants_expiry ON grants (expires_at, tenant_id);

-- used_at is written by every code that rests on the row: that orders the issue
-- of a code and the withdrawal of the consent one after the other.
CREATE TABLE consents (
    tenant_id      TEXT COLLATE "C" NOT NULL,
    user_id        TEXT COLLATE "C" NOT NULL,
    client_id      TEXT COLLATE "C" NOT NULL,
    redirect_host  TEXT COLLATE "C" NOT NULL,
    resource       TEXT COLLATE "C" NOT NULL,
    scopes         TEXT NOT NULL,
    client_version BIGINT NOT NULL,
    approved_at    BIGINT,
    used_at        BIGINT,
    PRIMARY KEY (tenant_id, user_id, client_id, redirect_host, resource)
) WITH (fillfactor = 80);

-- bucket is the hour since 1970 at which the row is over; a token carries it,
-- so that a lookup touches one partition and cleaning up is dropping one.
CREATE TABLE codes (
    hash               BYTEA NOT NULL,
    bucket             BIGINT NOT NULL,
    tenant_id          TEXT COLLATE "C" NOT NULL,
    grant_id           TEXT COLLATE "C" NOT NULL,
    user_id            TEXT COLLATE "C" NOT NULL,
    client_id          TEXT COLLATE "C" NOT NULL,
    session_id         TEXT COLLATE "C" NOT NULL,
    connection_id      TEXT COLLATE "C" NOT NULL,
    redirect_uri       TEXT NOT NULL,
    redirect_sent      BOOLEAN NOT NULL,
    challenge          TEXT NOT NULL,
    nonce              TEXT NOT NULL,
    scopes             TEXT NOT NULL,
    resource           TEXT NOT NULL,
    claims             TEXT NOT NULL,
    auth_time          BIGINT,
    acr                TEXT NOT NULL,
    amr                TEXT NOT NULL,
    auth_time_required BOOLEAN NOT NULL,
    created_at         BIGINT,
    expires_at         BIGINT NOT NULL,
    used_at            BIGINT,
    attempts           BIGINT NOT NULL,
    PRIMARY KEY (hash, bucket)
) PARTITION BY RANGE (bucket);
CREATE INDEX codes_user ON codes (user_id, tenant_id, client_id);

CREATE TABLE access_tokens (
    hash          BYTEA NOT NULL,
    bucket        BIGINT NOT NULL,
    tenant_id     TEXT COLLATE "C" NOT NULL,
    id            TEXT COLLATE "C" NOT NULL,
    grant_id      TEXT COLLATE "C" NOT NULL,
    client_id     TEXT COLLATE "C" NOT NULL,
    user_id       TEXT COLLATE "C" NOT NULL,
    session_id    TEXT COLLATE "C" NOT NULL,
    connection_id TEXT COLLATE "C" NOT NULL,
    scopes        TEXT NOT NULL,
    audience      TEXT NOT NULL,
    auth_time     BIGINT,
    acr           TEXT NOT NULL,
    amr           TEXT NOT NULL,
    claims        TEXT NOT NULL,
    issued_at     BIGINT NOT NULL,
    expires_at    BIGINT NOT NULL,
    revoked_at    BIGINT,
    PRIMARY KEY (hash, bucket)
) PARTITION BY RANGE (bucket);

-- successor is the hash of the token that this one was exchanged for.
CREATE TABLE refresh_tokens (
    hash       BYTEA NOT NULL,
    bucket     BIGINT NOT NULL,
    tenant_id  TEXT COLLATE "C" NOT NULL,
    parent     BYTEA,
    grant_id   TEXT COLLATE "C" NOT NULL,
    client_id  TEXT COLLATE "C" NOT NULL,
    issued_at  BIGINT NOT NULL,
    idle_until BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    rotated_at BIGINT,
    successor  BYTEA,
    PRIMARY KEY (hash, bucket)
) PARTITION BY RANGE (bucket);

-- tenant_id is 'platform' for what belongs to no tenant.
CREATE TABLE audit_events (
    tenant_id     TEXT COLLATE "C" NOT NULL,
    id            TEXT COLLATE "C" NOT NULL,
    at            BIGINT NOT NULL,
    kind          TEXT NOT NULL,
    outcome       TEXT NOT NULL,
    reason        TEXT NOT NULL,
    actor_kind    TEXT NOT NULL,
    actor_id      TEXT NOT NULL,
    user_id       TEXT NOT NULL,
    client_id     TEXT NOT NULL,
    session_id    TEXT NOT NULL,
    grant_id      TEXT NOT NULL,
    connection_id TEXT NOT NULL,
    object        TEXT NOT NULL,
    ip            TEXT NOT NULL,
    user_agent    TEXT NOT NULL,
    request_id    TEXT NOT NULL,
    details       TEXT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
