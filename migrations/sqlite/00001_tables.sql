-- +goose Up
-- The conventions are those of the PostgreSQL folder's tables, and so is every
-- name: the statements that use these tables are written once for both. What
-- differs: SQLite has no partitions, so what is over is found by an index on the
-- bucket; text sorts as bytes by itself; rows of one tenant are kept from another
-- by the statements alone, since the file has one user, this program.

CREATE TABLE tenants (
    id                TEXT NOT NULL PRIMARY KEY CHECK (id NOT IN ('', 'platform')),
    slug              TEXT NOT NULL UNIQUE,
    name              TEXT NOT NULL,
    suspended_at      INTEGER,
    suspend_reason    TEXT NOT NULL,
    tokens_not_before INTEGER,
    policy            TEXT NOT NULL,
    created_at        INTEGER,
    version           INTEGER NOT NULL
);

CREATE TABLE clients (
    id                        TEXT NOT NULL PRIMARY KEY,
    owner_tenant              TEXT NOT NULL,
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
    service_tenant            TEXT NOT NULL,
    id_token_alg              TEXT NOT NULL,
    verified                  BOOLEAN NOT NULL,
    disabled_at               INTEGER,
    created_at                INTEGER,
    version                   INTEGER NOT NULL
);

CREATE TABLE resource_servers (
    id           TEXT NOT NULL PRIMARY KEY,
    name         TEXT NOT NULL,
    bound_tenant TEXT NOT NULL,
    audience     TEXT NOT NULL,
    secrets      TEXT NOT NULL,
    scopes       TEXT NOT NULL,
    disabled_at  INTEGER,
    created_at   INTEGER,
    version      INTEGER NOT NULL
);

CREATE TABLE signing_keys (
    kid        TEXT NOT NULL PRIMARY KEY,
    alg        TEXT NOT NULL,
    public     BLOB NOT NULL,
    sealed     BLOB NOT NULL,
    created_at INTEGER,
    active_at  INTEGER,
    retired_at INTEGER,
    remove_at  INTEGER,
    version    INTEGER NOT NULL
);
-- One key of an algorithm signs with no end in sight: of two programs that make
-- the first keys at the same moment, one succeeds.
CREATE UNIQUE INDEX signing_keys_last ON signing_keys (alg) WHERE active_at IS NOT NULL AND retired_at IS NULL;

-- A login transaction belongs to no tenant until the person has said which.
CREATE TABLE logins (
    id            TEXT NOT NULL PRIMARY KEY,
    step          TEXT NOT NULL,
    browser       BLOB NOT NULL,
    request       TEXT NOT NULL,
    return_to     TEXT NOT NULL,
    tenant        TEXT NOT NULL,
    connection_id TEXT NOT NULL,
    session_id    TEXT NOT NULL,
    email         TEXT NOT NULL,
    created_at    INTEGER,
    expires_at    INTEGER NOT NULL,
    version       INTEGER NOT NULL
);
CREATE INDEX logins_expiry ON logins (expires_at);

CREATE TABLE users (
    tenant_id      TEXT NOT NULL REFERENCES tenants (id),
    id             TEXT NOT NULL,
    role           TEXT NOT NULL,
    email          TEXT NOT NULL,
    email_verified BOOLEAN NOT NULL,
    claims         TEXT NOT NULL,
    disabled_at    INTEGER,
    created_at     INTEGER,
    version        INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE connections (
    tenant_id     TEXT NOT NULL REFERENCES tenants (id),
    id            TEXT NOT NULL,
    kind          TEXT NOT NULL,
    name          TEXT NOT NULL,
    issuer        TEXT NOT NULL,
    client_id     TEXT NOT NULL,
    client_secret BLOB,
    scopes        TEXT NOT NULL,
    algs          TEXT NOT NULL,
    create_users  BOOLEAN NOT NULL,
    default_role  TEXT NOT NULL,
    disabled_at   INTEGER,
    created_at    INTEGER,
    version       INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

-- The key of a person is (tenant, connection, iss, sub).
CREATE TABLE identities (
    tenant_id     TEXT NOT NULL,
    connection_id TEXT NOT NULL,
    issuer        TEXT NOT NULL,
    subject       TEXT NOT NULL,
    user_id       TEXT NOT NULL,
    PRIMARY KEY (tenant_id, connection_id, issuer, subject),
    FOREIGN KEY (tenant_id, connection_id) REFERENCES connections (tenant_id, id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id)
);

-- The name alone is unique too: a domain has one tenant, and home-realm
-- discovery asks by name.
CREATE TABLE domains (
    tenant_id     TEXT NOT NULL,
    name          TEXT NOT NULL UNIQUE,
    connection_id TEXT NOT NULL,
    verified_at   INTEGER,
    PRIMARY KEY (tenant_id, name),
    FOREIGN KEY (tenant_id, connection_id) REFERENCES connections (tenant_id, id)
);

-- handle is the SHA-256 of the cookie's 256 bits.
CREATE TABLE sessions (
    tenant_id     TEXT NOT NULL,
    id            TEXT NOT NULL,
    user_id       TEXT NOT NULL,
    connection_id TEXT NOT NULL,
    handle        BLOB NOT NULL UNIQUE,
    auth_time     INTEGER,
    acr           TEXT NOT NULL,
    amr           TEXT NOT NULL,
    created_at    INTEGER,
    last_seen_at  INTEGER NOT NULL,
    expires_at    INTEGER NOT NULL,
    idle_timeout  INTEGER NOT NULL, -- milliseconds
    ended_at      INTEGER,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id)
);
CREATE INDEX sessions_user ON sessions (user_id, tenant_id);
CREATE INDEX sessions_expiry ON sessions (expires_at, tenant_id);

CREATE TABLE grants (
    tenant_id     TEXT NOT NULL,
    id            TEXT NOT NULL,
    user_id       TEXT NOT NULL,
    client_id     TEXT NOT NULL,
    session_id    TEXT NOT NULL,
    connection_id TEXT NOT NULL,
    scopes        TEXT NOT NULL,
    resource      TEXT NOT NULL,
    auth_time     INTEGER,
    acr           TEXT NOT NULL,
    amr           TEXT NOT NULL,
    nonce         TEXT NOT NULL,
    claims        TEXT NOT NULL,
    created_at    INTEGER,
    expires_at    INTEGER NOT NULL,
    revoked_at    INTEGER,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX grants_user ON grants (user_id, tenant_id, client_id);
CREATE INDEX grants_expiry ON grants (expires_at, tenant_id);

-- used_at is written by every code that rests on the row: that orders the issue
-- of a code and the withdrawal of the consent one after the other.
CREATE TABLE consents (
    tenant_id      TEXT NOT NULL,
    user_id        TEXT NOT NULL,
    client_id      TEXT NOT NULL,
    redirect_host  TEXT NOT NULL,
    resource       TEXT NOT NULL,
    scopes         TEXT NOT NULL,
    client_version INTEGER NOT NULL,
    approved_at    INTEGER,
    used_at        INTEGER,
    PRIMARY KEY (tenant_id, user_id, client_id, redirect_host, resource)
);

-- bucket is the hour since 1970 at which the row is over; cleaning up
-- finds rows by it.
CREATE TABLE codes (
    hash               BLOB NOT NULL,
    bucket             INTEGER NOT NULL,
    tenant_id          TEXT NOT NULL,
    grant_id           TEXT NOT NULL,
    user_id            TEXT NOT NULL,
    client_id          TEXT NOT NULL,
    session_id         TEXT NOT NULL,
    connection_id      TEXT NOT NULL,
    redirect_uri       TEXT NOT NULL,
    redirect_sent      BOOLEAN NOT NULL,
    challenge          TEXT NOT NULL,
    nonce              TEXT NOT NULL,
    scopes             TEXT NOT NULL,
    resource           TEXT NOT NULL,
    claims             TEXT NOT NULL,
    auth_time          INTEGER,
    acr                TEXT NOT NULL,
    amr                TEXT NOT NULL,
    auth_time_required BOOLEAN NOT NULL,
    created_at         INTEGER,
    expires_at         INTEGER NOT NULL,
    used_at            INTEGER,
    attempts           INTEGER NOT NULL,
    PRIMARY KEY (hash, bucket)
);
CREATE INDEX codes_bucket ON codes (bucket);
CREATE INDEX codes_user ON codes (user_id, tenant_id, client_id);

CREATE TABLE access_tokens (
    hash          BLOB NOT NULL,
    bucket        INTEGER NOT NULL,
    tenant_id     TEXT NOT NULL,
    id            TEXT NOT NULL,
    grant_id      TEXT NOT NULL,
    client_id     TEXT NOT NULL,
    user_id       TEXT NOT NULL,
    session_id    TEXT NOT NULL,
    connection_id TEXT NOT NULL,
    scopes        TEXT NOT NULL,
    audience      TEXT NOT NULL,
    auth_time     INTEGER,
    acr           TEXT NOT NULL,
    amr           TEXT NOT NULL,
    claims        TEXT NOT NULL,
    issued_at     INTEGER NOT NULL,
    expires_at    INTEGER NOT NULL,
    revoked_at    INTEGER,
    PRIMARY KEY (hash, bucket)
);
CREATE INDEX access_tokens_bucket ON access_tokens (bucket);

-- successor is the hash of the token that this one was exchanged for.
CREATE TABLE refresh_tokens (
    hash       BLOB NOT NULL,
    bucket     INTEGER NOT NULL,
    tenant_id  TEXT NOT NULL,
    parent     BLOB,
    grant_id   TEXT NOT NULL,
    client_id  TEXT NOT NULL,
    issued_at  INTEGER NOT NULL,
    idle_until INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    rotated_at INTEGER,
    successor  BLOB,
    PRIMARY KEY (hash, bucket)
);
CREATE INDEX refresh_tokens_bucket ON refresh_tokens (bucket);

-- tenant_id is 'platform' for what belongs to no tenant.
CREATE TABLE audit_events (
    tenant_id     TEXT NOT NULL,
    id            TEXT NOT NULL,
    at            INTEGER NOT NULL,
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
