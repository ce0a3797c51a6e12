-- +goose Up
-- Enterprise sign-in: what providers are asked and believed, second factors, domains
-- that are proved, and who is told that a session is over: the tables and columns of the
-- PostgreSQL folder.

-- A client is told when a session ends in which it got tokens.
ALTER TABLE clients ADD COLUMN backchannel_logout_uri TEXT NOT NULL DEFAULT '';
ALTER TABLE clients ADD COLUMN backchannel_logout_session BOOLEAN NOT NULL DEFAULT FALSE;

ALTER TABLE connections ADD COLUMN preset TEXT NOT NULL DEFAULT '';
ALTER TABLE connections ADD COLUMN settings TEXT NOT NULL DEFAULT '';
ALTER TABLE connections ADD COLUMN next_secret BLOB;
ALTER TABLE connections ADD COLUMN secret_expires_at INTEGER;
ALTER TABLE connections ADD COLUMN secret_warned_at INTEGER;
CREATE INDEX connections_expiry ON connections (secret_expires_at) WHERE secret_expires_at IS NOT NULL;

-- How often each was disabled is a part of the mark of what is issued through it: what
-- dies with it stays dead when it is enabled again.
ALTER TABLE clients ADD COLUMN interruptions INTEGER NOT NULL DEFAULT 0;
ALTER TABLE connections ADD COLUMN interruptions INTEGER NOT NULL DEFAULT 0;

-- Several tenants may claim a domain; the one that has proved it owns it. Operators
-- vouched for those that were there before: no record is looked for. A uniqueness that
-- a table was made with stays for its life, so that it is made anew.
CREATE TABLE domains_new (
    tenant_id     TEXT NOT NULL,
    name          TEXT NOT NULL,
    connection_id TEXT NOT NULL,
    verified_at   INTEGER,
    token         TEXT NOT NULL DEFAULT '',
    created_at    INTEGER,
    checked_at    INTEGER,
    failing_since INTEGER,
    sso_required  BOOLEAN NOT NULL DEFAULT FALSE,
    by_operator   BOOLEAN NOT NULL DEFAULT FALSE,
    version       INTEGER NOT NULL DEFAULT 1,
    PRIMARY KEY (tenant_id, name),
    FOREIGN KEY (tenant_id, connection_id) REFERENCES connections (tenant_id, id)
);
INSERT INTO domains_new (tenant_id, name, connection_id, verified_at, by_operator)
    SELECT tenant_id, name, connection_id, verified_at, TRUE FROM domains;
DROP TABLE domains;
ALTER TABLE domains_new RENAME TO domains;
CREATE UNIQUE INDEX domains_owner ON domains (name) WHERE verified_at IS NOT NULL;
CREATE INDEX domains_check ON domains (COALESCE(checked_at, 0)) WHERE verified_at IS NOT NULL AND NOT by_operator;

ALTER TABLE logins ADD COLUMN purpose TEXT NOT NULL DEFAULT '';
ALTER TABLE logins ADD COLUMN need TEXT NOT NULL DEFAULT '';
ALTER TABLE logins ADD COLUMN ceremony BLOB;
ALTER TABLE logins ADD COLUMN test TEXT NOT NULL DEFAULT '';

-- A provider's logout token names a session as the provider does.
ALTER TABLE sessions ADD COLUMN level TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN mfa_at INTEGER;
ALTER TABLE sessions ADD COLUMN pending BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE sessions ADD COLUMN ip TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN user_agent TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN upstream_sid TEXT NOT NULL DEFAULT '';
CREATE INDEX sessions_upstream ON sessions (upstream_sid, tenant_id) WHERE upstream_sid <> '';
CREATE INDEX sessions_connection ON sessions (connection_id, tenant_id);

-- email_lower is the address as it is compared, written by the server.
ALTER TABLE users ADD COLUMN proved_email TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN email_lower TEXT NOT NULL DEFAULT '';
UPDATE users SET email_lower = lower(email) WHERE email <> '';
CREATE INDEX users_email ON users (email_lower, tenant_id, id) WHERE email_lower <> '';
CREATE INDEX users_owners ON users (role, tenant_id, id) WHERE role = 'owner' AND disabled_at IS NULL;
CREATE INDEX identities_user ON identities (user_id, tenant_id, connection_id);

ALTER TABLE codes ADD COLUMN level TEXT NOT NULL DEFAULT '';
ALTER TABLE codes ADD COLUMN mfa_time INTEGER;
ALTER TABLE access_tokens ADD COLUMN level TEXT NOT NULL DEFAULT '';
ALTER TABLE access_tokens ADD COLUMN mfa_time INTEGER;
ALTER TABLE grants ADD COLUMN level TEXT NOT NULL DEFAULT '';
ALTER TABLE grants ADD COLUMN mfa_time INTEGER;
-- origin is the session in which it was approved, whether it ends with it or not.
ALTER TABLE grants ADD COLUMN origin TEXT NOT NULL DEFAULT '';
CREATE INDEX grants_origin ON grants (origin, tenant_id) WHERE origin <> '';

-- A credential is a passkey's id; secret is a sealed TOTP seed.
CREATE TABLE factors (
    tenant_id    TEXT NOT NULL,
    id           TEXT NOT NULL,
    user_id      TEXT NOT NULL,
    kind         TEXT NOT NULL,
    name         TEXT NOT NULL,
    credential   BLOB,
    public       BLOB,
    secret       BLOB,
    counter      INTEGER NOT NULL,
    created_at   INTEGER,
    last_used_at INTEGER,
    version      INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id)
);
CREATE INDEX factors_user ON factors (user_id, tenant_id);
CREATE UNIQUE INDEX factors_credential ON factors (credential, tenant_id) WHERE credential IS NOT NULL;

-- hash is the SHA-256 of a code.
CREATE TABLE recovery_codes (
    tenant_id  TEXT NOT NULL,
    user_id    TEXT NOT NULL,
    hash       BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    used_at    INTEGER,
    PRIMARY KEY (tenant_id, user_id, hash),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id)
);

-- A row stays until its person succeeds: failures in a row are counted however long they
-- take.
CREATE TABLE factor_tries (
    tenant_id TEXT NOT NULL,
    user_id   TEXT NOT NULL,
    tries     INTEGER NOT NULL,
    last_at   INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, user_id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id)
);

-- hash is the SHA-256 of what the link holds.
CREATE TABLE email_links (
    tenant_id  TEXT NOT NULL REFERENCES tenants (id),
    hash       BLOB NOT NULL,
    user_id    TEXT NOT NULL,
    email      TEXT NOT NULL,
    purpose    TEXT NOT NULL,
    login_id   TEXT NOT NULL,
    created_at INTEGER,
    expires_at INTEGER NOT NULL,
    used_at    INTEGER,
    PRIMARY KEY (tenant_id, hash)
);
CREATE INDEX email_links_expiry ON email_links (expires_at, tenant_id);

-- sealed is what a mail says, until it is done. One without next_at is due at once.
CREATE TABLE mails (
    tenant_id  TEXT NOT NULL REFERENCES tenants (id),
    id         TEXT NOT NULL,
    kind       TEXT NOT NULL,
    address    TEXT NOT NULL,
    sealed     BLOB,
    created_at INTEGER,
    expires_at INTEGER,
    attempts   INTEGER NOT NULL,
    next_at    INTEGER,
    done_at    INTEGER,
    outcome    TEXT NOT NULL,
    over_at    INTEGER GENERATED ALWAYS AS (COALESCE(done_at, expires_at)) STORED,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX mails_due ON mails (COALESCE(next_at, 0)) WHERE done_at IS NULL;
CREATE INDEX mails_over ON mails (over_at, tenant_id);

-- hash is the SHA-256 of what may be presented once under a use.
CREATE TABLE replays (
    tenant_id  TEXT NOT NULL REFERENCES tenants (id),
    use        TEXT NOT NULL,
    hash       BLOB NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, use, hash)
);
CREATE INDEX replays_expiry ON replays (expires_at, tenant_id);

CREATE TABLE logouts (
    tenant_id  TEXT NOT NULL,
    session_id TEXT NOT NULL,
    client_id  TEXT NOT NULL,
    user_id    TEXT NOT NULL,
    ended_at   INTEGER NOT NULL,
    attempts   INTEGER NOT NULL,
    next_at    INTEGER,
    done_at    INTEGER,
    outcome    TEXT NOT NULL,
    PRIMARY KEY (tenant_id, session_id, client_id)
);
CREATE INDEX logouts_due ON logouts (next_at) WHERE done_at IS NULL;
CREATE INDEX logouts_over ON logouts (done_at, tenant_id) WHERE done_at IS NOT NULL;

-- report holds what a provider said of a person.
CREATE TABLE connection_tests (
    tenant_id     TEXT NOT NULL,
    id            TEXT NOT NULL,
    connection_id TEXT NOT NULL,
    created_at    INTEGER,
    expires_at    INTEGER NOT NULL,
    done_at       INTEGER,
    report        BLOB,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, connection_id) REFERENCES connections (tenant_id, id)
);
CREATE INDEX connection_tests_expiry ON connection_tests (expires_at, tenant_id);
