-- +goose Up
-- Enterprise sign-in: what providers are asked and believed, second factors, domains
-- that are proved, and who is told that a session is over.

-- A client is told when a session ends in which it got tokens.
ALTER TABLE clients ADD COLUMN backchannel_logout_uri TEXT NOT NULL DEFAULT '';
ALTER TABLE clients ADD COLUMN backchannel_logout_session BOOLEAN NOT NULL DEFAULT FALSE;

ALTER TABLE connections ADD COLUMN preset TEXT NOT NULL DEFAULT '';
ALTER TABLE connections ADD COLUMN settings TEXT NOT NULL DEFAULT '';
ALTER TABLE connections ADD COLUMN next_secret BYTEA;
ALTER TABLE connections ADD COLUMN secret_expires_at BIGINT;
ALTER TABLE connections ADD COLUMN secret_warned_at BIGINT;
CREATE INDEX connections_expiry ON connections (secret_expires_at) WHERE secret_expires_at IS NOT NULL;

-- How often each was disabled is a part of the mark of what is issued through it: what
-- dies with it stays dead when it is enabled again.
ALTER TABLE clients ADD COLUMN interruptions BIGINT NOT NULL DEFAULT 0;
ALTER TABLE connections ADD COLUMN interruptions BIGINT NOT NULL DEFAULT 0;

-- Several tenants may claim a domain; the one that has proved it owns it. Operators
-- vouched for those that were there before: no record is looked for.
ALTER TABLE domains DROP CONSTRAINT domains_name_key;
ALTER TABLE domains ADD COLUMN token TEXT NOT NULL DEFAULT '';
ALTER TABLE domains ADD COLUMN created_at BIGINT;
ALTER TABLE domains ADD COLUMN checked_at BIGINT;
ALTER TABLE domains ADD COLUMN failing_since BIGINT;
ALTER TABLE domains ADD COLUMN sso_required BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE domains ADD COLUMN version BIGINT NOT NULL DEFAULT 1;
ALTER TABLE domains ADD COLUMN by_operator BOOLEAN NOT NULL DEFAULT TRUE;
ALTER TABLE domains ALTER COLUMN by_operator SET DEFAULT FALSE;
CREATE UNIQUE INDEX domains_owner ON domains (name) WHERE verified_at IS NOT NULL;
CREATE INDEX domains_check ON domains (COALESCE(checked_at, 0)) WHERE verified_at IS NOT NULL AND NOT by_operator;

ALTER TABLE logins ADD COLUMN purpose TEXT NOT NULL DEFAULT '';
ALTER TABLE logins ADD COLUMN need TEXT NOT NULL DEFAULT '';
ALTER TABLE logins ADD COLUMN ceremony BYTEA;
ALTER TABLE logins ADD COLUMN test TEXT COLLATE "C" NOT NULL DEFAULT '';

-- A provider's logout token names a session as the provider does.
ALTER TABLE sessions ADD COLUMN level TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN mfa_at BIGINT;
ALTER TABLE sessions ADD COLUMN pending BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE sessions ADD COLUMN ip TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN user_agent TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN upstream_sid TEXT COLLATE "C" NOT NULL DEFAULT '';
CREATE INDEX sessions_upstream ON sessions (upstream_sid, tenant_id) WHERE upstream_sid <> '';
CREATE INDEX sessions_connection ON sessions (connection_id, tenant_id);

-- email_lower is the address as it is compared, written by the server. The owner is
-- bound by row-level security, too, and would change no row.
ALTER TABLE users ADD COLUMN proved_email TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN email_lower TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE users NO FORCE ROW LEVEL SECURITY;
UPDATE users SET email_lower = lower(email) WHERE email <> '';
ALTER TABLE users FORCE ROW LEVEL SECURITY;
CREATE INDEX users_email ON users (email_lower, tenant_id, id) WHERE email_lower <> '';
CREATE INDEX users_owners ON users (role, tenant_id, id) WHERE role = 'owner' AND disabled_at IS NULL;
CREATE INDEX identities_user ON identities (user_id, tenant_id, connection_id);

ALTER TABLE codes ADD COLUMN level TEXT NOT NULL DEFAULT '';
ALTER TABLE codes ADD COLUMN mfa_time BIGINT;
ALTER TABLE access_tokens ADD COLUMN level TEXT NOT NULL DEFAULT '';
ALTER TABLE access_tokens ADD COLUMN mfa_time BIGINT;
ALTER TABLE grants ADD COLUMN level TEXT NOT NULL DEFAULT '';
ALTER TABLE grants ADD COLUMN mfa_time BIGINT;
-- origin is the session in which it was approved, whether it ends with it or not.
ALTER TABLE grants ADD COLUMN origin TEXT COLLATE "C" NOT NULL DEFAULT '';
CREATE INDEX grants_origin ON grants (origin, tenant_id) WHERE origin <> '';

-- A credential is a passkey's id; secret is a sealed TOTP seed.
CREATE TABLE factors (
    tenant_id    TEXT COLLATE "C" NOT NULL,
    id           TEXT COLLATE "C" NOT NULL,
    user_id      TEXT COLLATE "C" NOT NULL,
    kind         TEXT NOT NULL,
    name         TEXT NOT NULL,
    credential   BYTEA,
    public       BYTEA,
    secret       BYTEA,
    counter      BIGINT NOT NULL,
    created_at   BIGINT,
    last_used_at BIGINT,
    version      BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id)
);
CREATE INDEX factors_user ON factors (user_id, tenant_id);
CREATE UNIQUE INDEX factors_credential ON factors (credential, tenant_id) WHERE credential IS NOT NULL;

-- hash is the SHA-256 of a code.
CREATE TABLE recovery_codes (
    tenant_id  TEXT COLLATE "C" NOT NULL,
    user_id    TEXT COLLATE "C" NOT NULL,
    hash       BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    used_at    BIGINT,
    PRIMARY KEY (tenant_id, user_id, hash),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id)
);

-- A row stays until its person succeeds: failures in a row are counted however long they
-- take.
CREATE TABLE factor_tries (
    tenant_id TEXT COLLATE "C" NOT NULL,
    user_id   TEXT COLLATE "C" NOT NULL,
    tries     BIGINT NOT NULL,
    last_at   BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, user_id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id)
);

-- hash is the SHA-256 of what the link holds.
CREATE TABLE email_links (
    tenant_id  TEXT COLLATE "C" NOT NULL REFERENCES tenants (id),
    hash       BYTEA NOT NULL,
    user_id    TEXT COLLATE "C" NOT NULL,
    email      TEXT NOT NULL,
    purpose    TEXT NOT NULL,
    login_id   TEXT COLLATE "C" NOT NULL,
    created_at BIGINT,
    expires_at BIGINT NOT NULL,
    used_at    BIGINT,
    PRIMARY KEY (tenant_id, hash)
);
CREATE INDEX email_links_expiry ON email_links (expires_at, tenant_id);

-- sealed is what a mail says, until it is done. One without next_at is due at once.
CREATE TABLE mails (
    tenant_id  TEXT COLLATE "C" NOT NULL REFERENCES tenants (id),
    id         TEXT COLLATE "C" NOT NULL,
    kind       TEXT NOT NULL,
    address    TEXT NOT NULL,
    sealed     BYTEA,
    created_at BIGINT,
    expires_at BIGINT,
    attempts   BIGINT NOT NULL,
    next_at    BIGINT,
    done_at    BIGINT,
    outcome    TEXT NOT NULL,
    over_at    BIGINT GENERATED ALWAYS AS (COALESCE(done_at, expires_at)) STORED,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX mails_due ON mails (COALESCE(next_at, 0)) WHERE done_at IS NULL;
CREATE INDEX mails_over ON mails (over_at, tenant_id);

-- hash is the SHA-256 of what may be presented once under a use.
CREATE TABLE replays (
    tenant_id  TEXT COLLATE "C" NOT NULL REFERENCES tenants (id),
    use        TEXT COLLATE "C" NOT NULL,
    hash       BYTEA NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, use, hash)
);
CREATE INDEX replays_expiry ON replays (expires_at, tenant_id);

CREATE TABLE logouts (
    tenant_id  TEXT COLLATE "C" NOT NULL,
    session_id TEXT COLLATE "C" NOT NULL,
    client_id  TEXT COLLATE "C" NOT NULL,
    user_id    TEXT COLLATE "C" NOT NULL,
    ended_at   BIGINT NOT NULL,
    attempts   BIGINT NOT NULL,
    next_at    BIGINT,
    done_at    BIGINT,
    outcome    TEXT NOT NULL,
    PRIMARY KEY (tenant_id, session_id, client_id)
);
CREATE INDEX logouts_due ON logouts (next_at) WHERE done_at IS NULL;
CREATE INDEX logouts_over ON logouts (done_at, tenant_id) WHERE done_at IS NOT NULL;

-- report holds what a provider said of a person.
CREATE TABLE connection_tests (
    tenant_id     TEXT COLLATE "C" NOT NULL,
    id            TEXT COLLATE "C" NOT NULL,
    connection_id TEXT COLLATE "C" NOT NULL,
    created_at    BIGINT,
    expires_at    BIGINT NOT NULL,
    done_at       BIGINT,
    report        BYTEA,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, connection_id) REFERENCES connections (tenant_id, id)
);
CREATE INDEX connection_tests_expiry ON connection_tests (expires_at, tenant_id);

-- What reads across tenants finds who has an identity, what is due, and what is over;
-- no factor, no secret, and nothing that a mail says.
GRANT SELECT, INSERT, UPDATE, DELETE ON factors, recovery_codes, factor_tries, email_links, mails, logouts, connection_tests TO watchgate_app;
GRANT SELECT, INSERT, DELETE ON replays TO watchgate_app;
GRANT SELECT ON identities TO watchgate_lookup;
GRANT SELECT (tenant_id, id, kind, address, created_at, expires_at, attempts, next_at, done_at, outcome, over_at) ON mails TO watchgate_lookup;
GRANT SELECT ON logouts TO watchgate_lookup;
GRANT SELECT (tenant_id, expires_at) ON email_links, replays, connection_tests TO watchgate_lookup;

-- +goose StatementBegin
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['factors', 'recovery_codes', 'factor_tries', 'email_links', 'mails', 'replays', 'logouts',
        'connection_tests'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY tenant ON %I TO watchgate_app
            USING (tenant_id = current_setting(''watchgate.tenant'', true))
            WITH CHECK (tenant_id = current_setting(''watchgate.tenant'', true))', name);
        EXECUTE format('CREATE POLICY lookup ON %I FOR SELECT TO watchgate_lookup USING (true)', name);
    END LOOP;
END
$$;
-- +goose StatementEnd
