package sqlstore

import (
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
)

// manyPeople are enough for a plan that reads them all to show: of tenant ten_a, with
// a session, an identity, a factor and a mail each, of which a few are what is looked
// for.
var manyPeople = []string{
	"INSERT INTO tenants SELECT t, t, '', NULL, '', NULL, '', 1, 1 FROM unnest(ARRAY['ten_a', 'ten_b']) t",
	`INSERT INTO clients (id, owner_tenant, name, uri, auth_method, secrets, grant_types, redirect_uris, post_logout_redirect_uris, scopes,
		form_post, pkce_optional, service_tenant, id_token_alg, verified, version, backchannel_logout_uri)
		SELECT 'app', '', '', '', '', '', '', '', '', '', false, false, '', '', false, 1, 'https://app.test'`,
	`INSERT INTO connections (tenant_id, id, kind, name, issuer, client_id, scopes, algs, create_users, default_role, version, secret_expires_at)
		SELECT 'ten_a', 'con' || n, CASE n WHEN 1 THEN 'passkey' ELSE 'oidc' END, '', '', '', '', '', false, '', 1, CASE WHEN n < 3 THEN n ELSE 1000 + n END
		FROM generate_series(1, 5000) n`,
	`INSERT INTO users (tenant_id, id, role, email, email_verified, claims, version, email_lower)
		SELECT t, 'usr' || lpad(n::text, 8, '0'), CASE WHEN n < 3 THEN 'owner' ELSE 'member' END, '', false, '', 1,
		CASE WHEN n % 2 = 0 THEN '' ELSE n || '@acme.test' END FROM unnest(ARRAY['ten_a', 'ten_b']) t, generate_series(1, 10000) n`,
	"INSERT INTO identities SELECT 'ten_a', 'con1', '', id, id FROM users WHERE tenant_id = 'ten_a'",
	"INSERT INTO identities SELECT 'ten_a', 'con2', '', 'linked', 'usr00000009'",
	`INSERT INTO sessions (tenant_id, id, user_id, connection_id, handle, acr, amr, created_at, last_seen_at, expires_at, idle_timeout, upstream_sid)
		SELECT tenant_id, 'ses' || id, id, 'con1', sha256((tenant_id || id)::bytea), '', '', 1, 1, 9, 9, 'sid' || id FROM users`,
	`INSERT INTO grants (tenant_id, id, user_id, client_id, session_id, connection_id, scopes, resource, acr, amr, nonce, claims, expires_at, origin)
		SELECT tenant_id, 'grt' || id, id, 'app', '', '', '', '', '', '', '', '', 9, 'ses' || id FROM users`,
	"INSERT INTO factors SELECT tenant_id, 'fac' || id, id, '', '', id::bytea, NULL, NULL, 0, 1, 1, 1 FROM users",
	"INSERT INTO recovery_codes SELECT tenant_id, id, id::bytea, 1 FROM users",
	"INSERT INTO mails SELECT tenant_id, 'eml' || id, '', '', NULL, 1, 1, 0, 1000, CASE WHEN id > 'usr00000010' THEN 1 END, '' FROM users",
	`INSERT INTO logouts SELECT tenant_id, 'ses' || id, 'app', id, 1, 0, CASE WHEN id > 'usr00000010' THEN 10 ELSE 1 END,
		CASE WHEN id > 'usr00005000' THEN 1 END, '' FROM users`,
	`INSERT INTO domains (tenant_id, name, connection_id, verified_at, checked_at)
		SELECT 'ten_a', n || '.test', 'con1', CASE WHEN n < 9000 THEN 1 END, n FROM generate_series(1, 10000) n`,
	"INSERT INTO email_links SELECT tenant_id, id::bytea, id, '', '', '', 1, 100 FROM users",
	"INSERT INTO replays SELECT tenant_id, '', id::bytea, 100 FROM users",
	"INSERT INTO connection_tests SELECT 'ten_a', 'tst' || n, 'con1', 1, 100 FROM generate_series(1, 5000) n",
}

// signInQueries are what finds one thing, or a few, of many.
func signInQueries(when string) []planned {
	const user = "usr00000007"
	var out []planned
	for name, q := range map[string]planned{
		"domain's owner":         {sql: domainOwner, args: []any{"7.test"}, lookup: true},
		"arrival":                {sql: arrivalView, args: []any{"app", "ten_a", "con1", "", user, "", ""}, lookup: true},
		"local accounts":         {sql: localAccounts, args: []any{"7@acme.test"}, lookup: true},
		"due logouts":            {sql: dueLogouts, args: []any{1, 10}, lookup: true},
		"due mails":              {sql: dueMails, args: []any{1000, 10}, lookup: true},
		"domains to check":       {sql: domainsToCheck, args: []any{10, 10}, lookup: true},
		"expiring connections":   {sql: expiringConnections, args: []any{10, 10, 10}, lookup: true},
		"users by e-mail":        {sql: usersByEmail, args: []any{"ten_a", "7@acme.test"}},
		"owners":                 {sql: listOwners, args: []any{"ten_a"}},
		"identities":             {sql: identitiesOfUser, args: []any{"ten_a", user}},
		"page of users":          {sql: pageUsers, args: []any{"ten_a", "usr00005000", 10}},
		"page of sessions":       {sql: pageSessions, args: []any{"ten_a", "sesusr00005000", 1, 10}},
		"provider's session":     {sql: userByUpstreamSID, args: []any{"ten_a", "sid" + user, "con1"}},
		"factors":                {sql: listFactors, args: []any{"ten_a", user}},
		"room for a factor":      {sql: factorFits.plain, args: []any{"ten_a", user, 10}},
		"address of nobody":      {sql: addressIsFree.plain, args: []any{"ten_a", "nobody@acme.test"}},
		"consents":               {sql: listConsents, args: []any{"ten_a", user}},
		"factor by credential":   {sql: factorByCredential, args: []any{"ten_a", user}},
		"recovery codes":         {sql: countRecoveryCodes, args: []any{"ten_a", user}},
		"who stays owner":        {sql: ownerStays.plain, args: []any{"ten_a", "usr00000001", 1}},
		"linked identity":        {sql: linkIdentity.plain, args: []any{"ten_a", "usr00000009", "con1", "i", "s"}},
		"logouts of a session":   {sql: logoutsOfSession.plain, args: []any{"ten_a", "ses" + user, 1}},
		"logouts of a person":    {sql: logoutsOfSessions.plain, args: []any{"ten_a", user, 1, "", "", ""}},
		"sessions of a person":   {sql: endSessions.plain, args: []any{"ten_a", user, 1, "", "", ""}},
		"grants of a person":     {sql: revokeAllGrants.plain, args: []any{"ten_a", user, 1}},
		"sessions by a provider": {sql: endSessionsOf.plain, args: []any{"ten_a", "con7", 1, true}},
		"what has to be swept":   {sql: tenantsToSweep, args: []any{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, lookup: true},
		"logouts that are over":  {sql: tenantSweeps[10].sweep.plain, args: []any{"ten_a", 0}},
		"mails that are over":    {sql: tenantSweeps[11].sweep.plain, args: []any{"ten_a", 0}},
		"links that are over":    {sql: tenantSweeps[7].sweep.plain, args: []any{"ten_a", 0}},
	} {
		q.name = when + " " + name
		if !q.lookup {
			q.tenant = "ten_a"
		}
		out = append(out, q)
	}
	return out
}

// TestPeopleAreReadByTheRightIndex as keys are, whatever the planner knows.
func TestPeopleAreReadByTheRightIndex(t *testing.T) {
	t.Parallel()
	dsn := postgresDatabase(t)
	s := opened(t, Config{DSN: dsn, MaxConns: 1})
	p := s.engine.(*postgres)
	c := conns{}
	for lookup, pool := range map[bool]*pgxpool.Pool{true: p.lookup, false: p.app} {
		conn, err := pool.Acquire(t.Context())
		must(t, err)
		defer conn.Release()
		c[lookup] = conn
	}
	for _, stage := range []struct {
		when string
		then []string
	}{
		{"planned in a new database", manyPeople},
		{"planned without statistics", []string{"ANALYZE"}},
		{"planned with statistics", nil},
	} {
		queries := signInQueries(stage.when)
		for _, q := range queries {
			q.prepare(t, c)
		}
		for _, sql := range stage.then {
			_, err := as(t, dsn, "postgres", "", sql)
			must(t, err)
		}
		for _, q := range queries {
			q.readsFew(t, c)
		}
	}
}
