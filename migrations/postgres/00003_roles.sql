-- +goose Up
-- Two roles that nobody can log in as; the server's connections become one of
-- them (SET ROLE) right after connecting:
--   watchgate_app    works for one tenant at a time, named by the setting
--                    watchgate.tenant of its transaction;
--   watchgate_lookup finds the row that a presented secret stands for, whatever
--                    its tenant, and can write nothing.
-- Roles belong to the whole cluster, so another database's migration may create
-- them at the same moment.

-- +goose StatementBegin
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['watchgate_app', 'watchgate_lookup'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN NOSUPERUSER NOBYPASSRLS', name);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;
            END;
        END IF;
        -- A member may be unable to SET ROLE (its own creator is, from version
        -- 16 on), so membership is granted anew rather than looked at. Where it
        -- can be said, the owner may become the role and is not bound by, or
        -- served by, its policies before it does.
        IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
            BEGIN
                EXECUTE format('GRANT %I TO %I', name, current_user) ||
                    CASE WHEN current_setting('server_version_num')::int >= 160000 THEN ' WITH INHERIT FALSE' ELSE '' END;
            EXCEPTION WHEN insufficient_privilege OR unique_violation OR internal_error THEN
                IF NOT pg_has_role(current_user, name, 'MEMBER') THEN
                    RAISE;
                END IF;
            END;
        END IF;
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), name);
    END LOOP;
END
$$;
-- +goose StatementEnd

-- What the platform owns. Every connection may ask which schema it works on.
GRANT SELECT ON watchgate_migrations TO watchgate_app, watchgate_lookup;
GRANT SELECT, INSERT, UPDATE ON tenants, clients, resource_servers TO watchgate_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON signing_keys, logins TO watchgate_app;
GRANT SELECT ON tenants, clients, resource_servers TO watchgate_lookup;

-- What tenants own. Audit events can be added and read, never changed; the
-- token tables lose rows only with a partition.
GRANT SELECT, INSERT ON audit_events, identities TO watchgate_app;
GRANT SELECT, INSERT, UPDATE ON users, connections, codes, access_tokens, refresh_tokens TO watchgate_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON domains, sessions, grants, consents TO watchgate_app;
GRANT SELECT ON users, connections, domains, sessions, grants, consents, codes, access_tokens, refresh_tokens TO watchgate_lookup;
GRANT EXECUTE ON FUNCTION watchgate_partition(text, bigint, bigint), watchgate_drop_partition(bigint) TO watchgate_app;

-- The second lock: without the setting, or with another tenant's, a row is
-- neither seen nor written. FORCE binds the tables' owner too.
-- +goose StatementBegin
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['users', 'connections', 'identities', 'domains', 'sessions', 'grants', 'consents',
        'codes', 'access_tokens', 'refresh_tokens', 'audit_events'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY tenant ON %I TO watchgate_app
            USING (tenant_id = current_setting(''watchgate.tenant'', true))
            WITH CHECK (tenant_id = current_setting(''watchgate.tenant'', true))', name);
        EXECUTE format('CREATE POLICY lookup ON %I FOR SELECT TO watchgate_lookup USING (true)', name);
    END LOOP;
END
$$;
-- +goose StatementEnd
