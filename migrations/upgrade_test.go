package migrations

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	_ "github.com/jackc/pgx/v5/stdlib" // registers the driver
	_ "modernc.org/sqlite"             // registers the driver

	"github.com/watchgate/watchgate/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// before are rows as the version before enterprise sign-in kept them.
var before = []string{
	"INSERT INTO tenants (id, slug, name, suspend_reason, policy, version) VALUES ('ten_a', 'a', '', '', '', 1)",
	`INSERT INTO connections (tenant_id, id, kind, name, issuer, client_id, scopes, algs, create_users, default_role, version)
		VALUES ('ten_a', 'con', 'oidc', '', '', '', '', '', false, '', 1)`,
	`INSERT INTO users (tenant_id, id, role, email, email_verified, claims, version)
		VALUES ('ten_a', 'usr', 'owner', 'Alice@Acme.Test', false, '', 1), ('ten_a', 'usr2', 'owner', '', false, '', 1)`,
	"INSERT INTO domains (tenant_id, name, connection_id, verified_at) VALUES ('ten_a', 'acme.test', 'con', 7), ('ten_a', 'late.test', 'con', NULL)",
	`INSERT INTO sessions (tenant_id, id, user_id, connection_id, handle, acr, amr, last_seen_at, expires_at, idle_timeout)
		VALUES ('ten_a', 'ses', 'usr', 'con', 'h', '', '', 1, 1, 1)`,
}

// after are questions about them, and what has to come of each.
var after = map[string]string{
	"SELECT string_agg(email_lower, ',') FROM (SELECT email_lower FROM users ORDER BY id) u":                  "alice@acme.test,",
	"SELECT count(*) FROM domains WHERE by_operator AND NOT sso_required AND token = ''":                      "2",
	"SELECT name FROM domains WHERE verified_at = 7":                                                          "acme.test",
	"SELECT count(*) FROM sessions WHERE NOT pending AND level = '' AND mfa_at IS NULL AND upstream_sid = ''": "1",
	"SELECT count(*) FROM connections WHERE settings = '' AND preset = '' AND next_secret IS NULL":            "1",
}

// upgrade brings a database with rows from one version to the present one. The rows
// are written and asked for as it is done by somebody whom no policy binds.
func upgrade(t *testing.T, e Engine, db, all *sql.DB, version int64) {
	t.Helper()
	p, err := provider(e, db)
	must(t, err)
	_, err = p.UpTo(t.Context(), version)
	must(t, err)
	for _, s := range before {
		_, err := all.ExecContext(t.Context(), s)
		must(t, err)
	}
	must(t, Up(t.Context(), e, db))
	for q, want := range after {
		var got string
		must(t, all.QueryRowContext(t.Context(), q).Scan(&got))
		if got != want {
			t.Errorf("%s: %q, want %q", q, got, want)
		}
	}
	second := "INSERT INTO domains (tenant_id, name, connection_id, verified_at) VALUES ('ten_b', 'acme.test', 'con', %s)"
	for _, s := range []string{
		"INSERT INTO tenants (id, slug, name, suspend_reason, policy, version) VALUES ('ten_b', 'b', '', '', '', 1)",
		strings.ReplaceAll(before[1], "ten_a", "ten_b"),
		fmt.Sprintf(second, "NULL"),
		"DELETE FROM domains WHERE tenant_id = 'ten_b'",
	} {
		_, err := all.ExecContext(t.Context(), s)
		must(t, err)
	}
	if _, err := all.ExecContext(t.Context(), fmt.Sprintf(second, "8")); err == nil {
		t.Error("two tenants own a verified domain")
	}
	_, err = all.ExecContext(t.Context(), "INSERT INTO domains (tenant_id, name, connection_id) VALUES ('ten_b', 'new.test', 'con')")
	must(t, err)
	var vouched bool
	must(t, all.QueryRowContext(t.Context(), "SELECT by_operator FROM domains WHERE name = 'new.test'").Scan(&vouched))
	if vouched {
		t.Error("an operator vouches for a new domain")
	}
}

func TestSQLiteRowsSurviveTheSignInMigration(t *testing.T) {
	t.Parallel()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(t.TempDir(), "old.db")+"?_pragma=foreign_keys(1)")
	must(t, err)
	defer db.Close()
	upgrade(t, SQLite, db, db, 4)
}

// TestPostgresRowsSurviveTheSignInMigration of an owner whom row-level security binds.
func TestPostgresRowsSurviveTheSignInMigration(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Database(t)
	all, err := sql.Open("pgx", dsn)
	must(t, err)
	defer all.Close()
	cfg, err := pgx.ParseConfig(dsn)
	must(t, err)
	for _, s := range []string{
		"CREATE ROLE upgrader LOGIN CREATEROLE PASSWORD 'upgrader'",
		"ALTER DATABASE " + pgx.Identifier{cfg.Database}.Sanitize() + " OWNER TO upgrader",
	} {
		_, err := all.ExecContext(t.Context(), s)
		must(t, err)
	}
	t.Cleanup(func() {
		all, err := sql.Open("pgx", dsn)
		must(t, err)
		defer all.Close()
		for _, s := range []string{"REASSIGN OWNED BY upgrader TO postgres", "DROP OWNED BY upgrader", "DROP ROLE upgrader"} {
			_, err := all.ExecContext(context.Background(), s)
			must(t, err)
		}
	})
	owner, err := sql.Open("pgx", strings.Replace(dsn, "postgres:"+cfg.Password+"@", "upgrader:upgrader@", 1))
	must(t, err)
	defer owner.Close()
	upgrade(t, PostgreSQL, owner, all, 6)
}
