package sqlstore

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/watchgate/watchgate/internal/pgtest"
	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/storage"
)

// two is a database with two tenants that have an event and a token each.
func two(t *testing.T, cfg Config) *Store {
	t.Helper()
	s := opened(t, cfg)
	must(t, s.CreateClient(t.Context(), storage.Client{ID: "bench", Version: 1}, benchEvent()))
	for _, id := range []storage.TenantID{"ten_a", "ten_b"} {
		must(t, s.CreateTenant(t.Context(), storage.Tenant{ID: id, Slug: string(id), Version: 1}, benchEvent()))
		must(t, s.Tenant(id).CreateConnection(t.Context(), storage.Connection{ID: "con"}, benchEvent()))
		must(t, s.Tenant(id).IssueToken(t.Context(), issued(benchToken()), benchEvent()))
	}
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// as runs SQL with the first lock picked: straight to the database, in a role,
// with a tenant's setting or none.
func as(t *testing.T, dsn, role, tenant, sql string, args ...any) (int64, error) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	must(t, err)
	defer conn.Close(context.Background())
	_, err = conn.Exec(t.Context(), "SET ROLE "+role)
	must(t, err)
	if tenant != "" {
		_, err = conn.Exec(t.Context(), "SELECT set_config('watchgate.tenant', $1, false)", tenant)
		must(t, err)
	}
	tag, err := conn.Exec(t.Context(), sql, args...)
	return tag.RowsAffected(), err
}

var tenantTables = []string{"users", "connections", "identities", "domains", "sessions", "grants", "consents",
	"codes", "access_tokens", "refresh_tokens", "audit_events",
	"api_keys", "key_executions", "key_deliveries", "key_uses", "idempotent_requests",
	"factors", "recovery_codes", "factor_tries", "email_links", "mails", "replays", "logouts", "connection_tests"}

// fill puts a row into every tenant-owned table, for both tenants.
func fill(t *testing.T, dsn string) {
	t.Helper()
	for _, id := range []string{"ten_a", "ten_b"} {
		for _, sql := range []string{
			"INSERT INTO users SELECT $1, 'usr', '', '', false, '', NULL, NULL, 1",
			"INSERT INTO identities SELECT $1, 'con', '', '', 'usr'",
			"INSERT INTO domains SELECT $1, $1 || '.test', 'con'",
			"INSERT INTO sessions SELECT $1, 'ses', 'usr', 'con', $1::bytea, NULL, '', '', 1, 1, 1, 1",
			"INSERT INTO grants SELECT $1, 'grt', 'usr', '', '', '', '', '', NULL, '', '', '', '', 1, 1",
			"INSERT INTO consents SELECT $1, 'usr', '', '', '', '', 1",
			"INSERT INTO codes SELECT $1::bytea, 490923, $1, '', '', '', '', '', '', false, '', '', '', '', '', NULL, '', '', false, 1, 1, NULL, 0",
			"INSERT INTO refresh_tokens SELECT $1::bytea, 490923, $1, NULL, '', '', 1, 1, 1",
			"INSERT INTO api_keys SELECT $1, 'key', '', '', $1::bytea, '', '', '', '', '', '', '', 1, NULL, NULL, '', NULL, NULL, '', '', '', NULL, NULL, 1",
			"INSERT INTO key_executions SELECT $1, 'exe', 'key', '', 1",
			"INSERT INTO key_deliveries SELECT $1, 'key', 'old', $1::bytea, 0, NULL, 1",
			"INSERT INTO key_uses SELECT $1, 'key', 1, '', '', '', '', 1, 1",
			"INSERT INTO idempotent_requests SELECT $1, $1::bytea, $1::bytea, $1::bytea, 1, 1, 1, 0",
			"INSERT INTO factors SELECT $1, 'fac', 'usr', '', '', $1::bytea, NULL, NULL, 0, 1, 1, 1",
			"INSERT INTO recovery_codes SELECT $1, 'usr', $1::bytea, 1",
			"INSERT INTO factor_tries SELECT $1, 'usr', 1, 1",
			"INSERT INTO email_links SELECT $1, $1::bytea, 'usr', '', '', '', 1, 1",
			"INSERT INTO mails SELECT $1, 'eml', '', '', $1::bytea, 1, 1, 0, 1, NULL, ''",
			"INSERT INTO replays SELECT $1, '', $1::bytea, 1",
			"INSERT INTO logouts SELECT $1, 'ses', '', 'usr', 1, 0, 1, NULL, ''",
			"INSERT INTO connection_tests SELECT $1, 'tst', 'con', 1, 1",
		} {
			if _, err := as(t, dsn, appRole, id, strings.ReplaceAll(sql, "$1", "'"+id+"'::text")); err != nil {
				t.Fatalf("%s: %v", sql, err)
			}
		}
	}
}

func TestRowSecurityHoldsWhenTheFirstLockIsPicked(t *testing.T) {
	dsn := postgresDatabase(t)
	s := two(t, Config{DSN: dsn})
	must(t, s.Prepare(t.Context(), benchNow))
	fill(t, dsn)
	for _, table := range tenantTables {
		for _, c := range []struct {
			tenant string
			own    int64
		}{{"ten_a", 1}, {"", 0}, {"ten_nobody", 0}} {
			for _, sql := range []string{"SELECT 1 FROM " + table + " WHERE tenant_id = 'ten_b'", "UPDATE " + table + " SET tenant_id = tenant_id WHERE tenant_id = 'ten_b'", "DELETE FROM " + table + " WHERE tenant_id = 'ten_b'"} {
				if n, err := as(t, dsn, appRole, c.tenant, sql); n != 0 || err != nil && !is(err, insufficient) {
					t.Errorf("as tenant %q: %s touches %d rows, %v", c.tenant, sql, n, err)
				}
			}
			if n, err := as(t, dsn, appRole, c.tenant, "SELECT 1 FROM "+table); err != nil || (n > 0) != (c.own > 0) {
				t.Errorf("as tenant %q: %d rows of %s are seen, %v", c.tenant, n, table, err)
			}
		}
		if n, err := as(t, dsn, lookupRole, "", "SELECT 1 FROM "+table); n != 2 && !is(err, insufficient) {
			t.Errorf("the lookup role sees %d rows of %s, %v; want both tenants' or none", n, table, err)
		}
	}
}

func TestRowSecurityForbidsWritingForAnotherTenant(t *testing.T) {
	dsn := postgresDatabase(t)
	two(t, Config{DSN: dsn})
	const plant = "INSERT INTO connections SELECT 'ten_b', 'planted', kind, name, issuer, client_id, client_secret, scopes, algs, create_users, default_role, NULL, NULL, 1 FROM connections"
	if _, err := as(t, dsn, appRole, "ten_a", plant); !is(err, insufficient) {
		t.Errorf("a row of another tenant is stored: %v", err)
	}
	if _, err := as(t, dsn, appRole, "ten_a", "UPDATE connections SET tenant_id = 'ten_b'"); !is(err, insufficient) {
		t.Errorf("a row is given to another tenant: %v", err)
	}
}

func TestAuditEventsCannotBeChanged(t *testing.T) {
	dsn := postgresDatabase(t)
	two(t, Config{DSN: dsn})
	for _, sql := range []string{"UPDATE audit_events SET kind = 'x'", "DELETE FROM audit_events", "TRUNCATE audit_events"} {
		if _, err := as(t, dsn, appRole, "ten_a", sql); !is(err, insufficient) {
			t.Errorf("%s: %v, want no permission", sql, err)
		}
	}
}

func TestRolesCanDoNoMoreThanTheirWork(t *testing.T) {
	dsn := postgresDatabase(t)
	s := two(t, Config{DSN: dsn})
	must(t, s.Prepare(t.Context(), benchNow))
	for _, c := range [][2]string{
		{lookupRole, "INSERT INTO domains VALUES ('ten_a', 'x', 'con')"},
		{lookupRole, "UPDATE tenants SET name = 'x'"},
		{lookupRole, "DELETE FROM access_tokens"},
		{lookupRole, "SELECT * FROM signing_keys"},
		{lookupRole, "SELECT * FROM audit_events"},
		{lookupRole, "SELECT * FROM logins"},
		{lookupRole, "SELECT * FROM changes"},
		{lookupRole, "SELECT * FROM nodes"},
		{appRole, "UPDATE changes SET id = ''"},
		{lookupRole, "SELECT sealed FROM key_deliveries"},
		{lookupRole, "SELECT answer FROM idempotent_requests"},
		{lookupRole, "SELECT ip FROM key_uses"},
		{lookupRole, "UPDATE api_keys SET revoked_at = NULL"},
		{lookupRole, "SELECT user_id FROM factors"},
		{lookupRole, "SELECT user_id FROM recovery_codes"},
		{lookupRole, "SELECT tries FROM factor_tries"},
		{lookupRole, "SELECT hash FROM email_links"},
		{lookupRole, "SELECT sealed FROM mails"},
		{lookupRole, "SELECT hash FROM replays"},
		{lookupRole, "SELECT report FROM connection_tests"},
		{lookupRole, "UPDATE logouts SET done_at = 1"},
		{appRole, "UPDATE replays SET expires_at = 1"},
		{appRole, "DELETE FROM api_keys"},
		{lookupRole, "SELECT watchgate_drop_partition(1)"},
		{appRole, "DELETE FROM tenants"},
		{appRole, "DELETE FROM access_tokens"},
		{appRole, "DROP TABLE access_tokens"},
		{appRole, "CREATE TABLE x (y int)"},
		{appRole, "SELECT * FROM access_tokens_p490925"}, // a partition by its own name
		{appRole, "ALTER TABLE users DISABLE ROW LEVEL SECURITY"},
	} {
		if _, err := as(t, dsn, c[0], "ten_a", c[1]); !is(err, insufficient) {
			t.Errorf("%s: %s: %v, want no permission", c[0], c[1], err)
		}
	}
	if _, err := as(t, dsn, appRole, "ten_a", "SELECT watchgate_partition('users', 1, 2)"); err == nil {
		t.Error("the partition function works on any table")
	}
}

func TestEveryTenantTableHasForcedRowSecurity(t *testing.T) {
	dsn := postgresDatabase(t)
	s := two(t, Config{DSN: dsn})
	must(t, s.Prepare(t.Context(), benchNow))
	conn, err := pgx.Connect(t.Context(), dsn)
	must(t, err)
	defer conn.Close(context.Background())
	rows, err := conn.Query(t.Context(), `SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
		WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace AND NOT (c.relrowsecurity AND c.relforcerowsecurity)`)
	must(t, err)
	open, err := pgx.CollectRows(rows, pgx.RowTo[string])
	must(t, err)
	if len(open) > 0 {
		t.Errorf("tables with a tenant_id and without forced row-level security: %v", open)
	}
}

func TestSweepDropsPartitions(t *testing.T) {
	s := two(t, Config{DSN: postgresDatabase(t)})
	must(t, s.Prepare(t.Context(), benchNow))
	a := benchToken()
	must(t, s.Tenant("ten_a").IssueToken(t.Context(), issued(a), benchEvent()))
	end := time.Unix(int64(a.Ref.Bucket)*3600, 0)
	for _, c := range []struct {
		at   time.Time
		kept bool
	}{{end.Add(time.Hour - time.Second), true}, {end.Add(time.Hour), false}} {
		_, err := s.Sweep(t.Context(), c.at)
		must(t, err)
		_, found, err := s.FindAccess(t.Context(), "", a.Ref)
		must(t, err)
		if (found != nil) != c.kept {
			t.Errorf("at %v: the token is there: %v, want %v", c.at.Sub(end), found != nil, c.kept)
		}
	}
}

func TestRoundTrips(t *testing.T) {
	var statements, trips atomic.Int64
	relay := newRelay(t, postgresDatabase(t))
	s := two(t, Config{DSN: relay.dsn, MaxConns: 1, OnRoundTrip: func(n int) { trips.Add(1); statements.Add(int64(n)) }})
	f := newFlow(t, s)
	// The first round prepares the statements on the only connection.
	f.run(t, s, func(string) {}, func(string) {})
	f.run(t, s, func(string) {
		trips.Store(0)
		statements.Store(0)
		relay.turns.Store(0)
	}, func(op string) {
		want := int64(1)
		if op == "RevokeToken" {
			want = 2 // and who has to know it
		}
		if n, real := trips.Load(), relay.turns.Load(); n != want || real != want {
			t.Errorf("%s: %d round trips said, %d seen on the wire, want %d", op, n, real, want)
		}
		if n := statements.Load(); strings.HasPrefix(op, "Introspect") && n != 1 {
			t.Errorf("%s: %d statements, want 1", op, n)
		}
	})
}

// flow is what a person's way through the product asks of the store.
type flow struct {
	session storage.Session
	n       int
}

func newFlow(t *testing.T, s *Store) *flow {
	t.Helper()
	must(t, s.CreateResourceServer(t.Context(), storage.ResourceServer{ID: "rs"}, benchEvent()))
	f := &flow{session: storage.Session{ID: "ses", User: "usr", Connection: "con", Handle: []byte("handle"), CreatedAt: benchNow,
		LastSeenAt: benchNow, ExpiresAt: benchNow.Add(time.Hour), IdleTimeout: time.Hour}}
	must(t, s.Tenant("ten_a").SignIn(t.Context(), storage.SignIn{User: storage.User{ID: "usr"}, Create: true, Session: f.session,
		Identity: storage.Identity{Connection: "con"}}, benchEvent()))
	return f
}

// run is one code flow with every check around each call.
func (f *flow) run(t *testing.T, s *Store, before, after func(op string)) {
	t.Helper()
	ctx, tenant := t.Context(), s.Tenant("ten_a")
	f.n++
	grant := storage.GrantID(string(rune('a' + f.n)))
	code := storage.Code{Ref: refOf(token.Code, time.Minute), Grant: grant, User: "usr", Client: "bench", Session: "ses",
		Connection: "con", CreatedAt: benchNow, ExpiresAt: benchNow.Add(time.Minute)}
	access := benchToken()
	refresh := storage.RefreshToken{Ref: refOf(token.Refresh, 720*time.Hour), Grant: grant, Client: "bench", IssuedAt: benchNow,
		IdleUntil: benchNow.Add(time.Hour), ExpiresAt: benchNow.Add(720 * time.Hour)}
	next := refresh
	next.Ref.Hash[0]++
	machine, key, few := benchToken(), benchKey(), benchKey()
	few.Parent = key.ID
	for _, op := range []struct {
		name string
		call func() error
	}{
		{"AuthorizeView", func() error {
			_, _, err := s.AuthorizeView(ctx, "bench", "", "", [][]byte{f.session.Handle})
			return err
		}},
		{"IssueCode", func() error {
			return tenant.IssueCode(ctx, storage.IssueCode{Code: code, ClientVersion: 1, TenantVersion: 1, Handle: f.session.Handle, Remember: &storage.Consent{User: "usr", Client: "bench"}}, benchEvent())
		}},
		{"FindCode", func() error { _, _, err := s.FindCode(ctx, "bench", code.Ref); return err }},
		{"RedeemCode", func() error {
			return tenant.RedeemCode(ctx, storage.RedeemCode{Code: code.Ref, At: benchNow, Access: access, Refresh: &refresh,
				Grant: storage.Grant{ID: grant, User: "usr", Client: "bench", ExpiresAt: benchNow.Add(time.Hour)}}, benchEvent())
		}},
		{"FindRefresh", func() error { _, _, err := s.FindRefresh(ctx, "bench", refresh.Ref); return err }},
		{"RotateRefresh", func() error {
			return tenant.RotateRefresh(ctx, storage.RotateRefresh{Old: refresh.Ref, At: benchNow, Successor: next, Access: benchToken()}, benchEvent())
		}},
		{"Introspect", func() error { _, _, err := s.Introspect(ctx, "rs", access.Ref); return err }},
		{"FindAccess", func() error { _, _, err := s.FindAccess(ctx, "bench", access.Ref); return err }},
		{"IssueToken", func() error { return tenant.IssueToken(ctx, issued(machine), benchEvent()) }},
		{"RevokeToken", func() error { return tenant.RevokeToken(ctx, access.Ref, benchNow, benchEvent()) }},
		{"User", func() error { _, err := tenant.User(ctx, "usr"); return err }},
		{"CreateKey", func() error { return tenant.CreateKey(ctx, storage.CreateKey{Key: key}, benchEvent()) }},
		{"CreateKey of few", func() error { return tenant.CreateKey(ctx, storage.CreateKey{Key: few, Max: 99}, benchEvent()) }},
		{"IntrospectKey", func() error { _, _, err := s.IntrospectKey(ctx, "rs", key.Hash); return err }},
		{"ListKeys", func() error { _, err := tenant.ListKeys(ctx, storage.KeyFilter{Limit: 10}); return err }},
	} {
		before(op.name)
		if err := op.call(); err != nil {
			t.Fatalf("%s: %v", op.name, err)
		}
		after(op.name)
	}
}

func refOf(kind token.Kind, life time.Duration) storage.TokenRef {
	r, err := token.Parse(kind, token.New(kind, benchNow.Add(life)))
	if err != nil {
		panic(err)
	}
	return r
}

func TestErrorsDoNotSayThePassword(t *testing.T) {
	for _, dsn := range []string{
		"postgres://user:hunter2@127.0.0.1:1/x?sslmode=disable",
		"postgres://user:hunter2@127.0.0.1:port/x",
		"postgres://user:hunter2@127.0.0.1/x?sslmode=nonsense",
		"mysql://user:hunter2@127.0.0.1/x",
	} {
		_, err := Open(t.Context(), Config{DSN: dsn})
		for _, err := range []error{err, Migrate(t.Context(), dsn)} {
			if err == nil || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%v", err)
			}
		}
	}
}

func TestAServerThatIsKilledComesBack(t *testing.T) {
	server := pgtest.New(t, pgtest.Options{Durable: true})
	must(t, Migrate(t.Context(), server.DSN("postgres")))
	s := two(t, Config{DSN: server.DSN("postgres")})
	a := benchToken()
	must(t, s.Tenant("ten_a").IssueToken(t.Context(), issued(a), benchEvent()))
	must(t, server.Kill())
	for range 3 {
		_, _, err := s.FindAccess(t.Context(), "", a.Ref)
		if err == nil || sentinel(err) {
			t.Errorf("a lookup on a dead server: %v", err)
		}
		if err := s.Tenant("ten_a").IssueToken(t.Context(), issued(benchToken()), benchEvent()); err == nil || sentinel(err) {
			t.Errorf("a change on a dead server: %v", err)
		}
	}
	must(t, server.Restart())
	_, found, err := s.FindAccess(t.Context(), "", a.Ref)
	if err != nil || found == nil {
		t.Errorf("after the restart: %v, %v", found, err)
	}
	must(t, s.Tenant("ten_a").IssueToken(t.Context(), issued(benchToken()), benchEvent()))
}

// TestACommitThatFailsIsNoSuccess: the server may refuse at the very end, after
// every statement was answered well.
func TestACommitThatFailsIsNoSuccess(t *testing.T) {
	dsn := postgresDatabase(t)
	s := two(t, Config{DSN: dsn})
	for _, sql := range []string{
		"CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'refused at commit'; END $$",
		"CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON connections DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()",
		"CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON audit_events DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()",
	} {
		_, err := as(t, dsn, "postgres", "", sql)
		must(t, err)
	}
	a := benchToken()
	for name, err := range map[string]error{
		"a unit alone":   s.Tenant("ten_a").CreateConnection(t.Context(), storage.Connection{ID: "late"}, benchEvent()),
		"a unit of many": s.Tenant("ten_a").IssueToken(t.Context(), issued(a), benchEvent()),
	} {
		if err == nil || sentinel(err) {
			t.Errorf("%s whose commit was refused: %v", name, err)
		}
	}
	if _, found, err := s.FindAccess(t.Context(), "", a.Ref); err != nil || found != nil {
		t.Errorf("what was not committed is there: %v, %v", found, err)
	}
}

func TestOpenRefusesAnotherSchema(t *testing.T) {
	empty := pgtest.Database(t)
	ahead := postgresDatabase(t)
	_, err := as(t, ahead, "postgres", "", "INSERT INTO watchgate_migrations (version_id, is_applied) VALUES (9999, true)")
	must(t, err)
	behind := postgresDatabase(t)
	_, err = as(t, behind, "postgres", "", "DELETE FROM watchgate_migrations WHERE version_id > 1")
	must(t, err)
	for name, dsn := range map[string]string{"empty": empty, "ahead": ahead, "behind": behind} {
		_, err := Open(t.Context(), Config{DSN: dsn})
		if !errors.Is(err, ErrSchema) {
			t.Errorf("%s: %v, want ErrSchema", name, err)
		}
		if hint := strings.Contains(err.Error(), "watchgate migrate up"); hint != (name != "ahead") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMigrateByAnOrdinaryOwner(t *testing.T) {
	dsn := pgtest.Database(t)
	name := strings.TrimPrefix(dsn[strings.LastIndex(dsn, "/"):], "/")
	name, _, _ = strings.Cut(name, "?")
	for _, sql := range []string{
		"CREATE ROLE deployer LOGIN CREATEROLE PASSWORD 'deployer'",
		"ALTER DATABASE " + pgx.Identifier{name}.Sanitize() + " OWNER TO deployer",
	} {
		_, err := as(t, dsn, "postgres", "", sql)
		must(t, err)
	}
	t.Cleanup(func() {
		conn, err := pgx.Connect(context.Background(), dsn)
		must(t, err)
		defer conn.Close(context.Background())
		for _, sql := range []string{"REASSIGN OWNED BY deployer TO postgres", "DROP OWNED BY deployer", "DROP ROLE deployer"} {
			_, err = conn.Exec(context.Background(), sql)
			must(t, err)
		}
	})
	cfg, err := pgx.ParseConfig(dsn)
	must(t, err)
	own := strings.Replace(dsn, "postgres:"+cfg.Password+"@", "deployer:deployer@", 1)
	must(t, Migrate(t.Context(), own))
	s := two(t, Config{DSN: own})
	newFlow(t, s).run(t, s, func(string) {}, func(string) {})
	_, err = s.Sweep(t.Context(), benchNow.AddDate(1, 0, 0))
	must(t, err)
}

func TestMigrateTwiceAndAtOnce(t *testing.T) {
	dsn := pgtest.Database(t)
	errs := make(chan error, 3)
	for range cap(errs) {
		go func() { errs <- Migrate(t.Context(), dsn) }()
	}
	for range cap(errs) {
		must(t, <-errs)
	}
	status, err := MigrationStatus(t.Context(), dsn)
	must(t, err)
	for _, m := range status {
		if m.AppliedAt.IsZero() {
			t.Errorf("%s is pending", m.Name)
		}
	}
}
