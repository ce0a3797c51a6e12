package sqlstore

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/watchgate/watchgate/storage"
)

// manyKeys are enough for a plan that reads them all to show: those of one owner,
// after a few of another. As of tenant ten_a they are live, of ten_b revoked, and of
// ten_c expired and set aside. Something hangs on each.
var manyKeys = []string{
	`INSERT INTO api_keys (tenant_id, id, profile, name, hash, hint, kid, owner_id, client_id, parent_id, scopes, allowed_ips,
		created_at, expires_at, revoked_at, revoked_reason, predecessor, successor, webhook_url, version, lapsed_at)
	SELECT t, 'key_' || lpad(n::text, 8, '0'), 'live', '', sha256((t || n)::bytea), '', '', CASE WHEN n <= 3 THEN 'usr_small' ELSE 'usr_big' END,
		'', '', '', '', 1, CASE WHEN n > 3 AND t = 'ten_c' THEN 1 END, CASE WHEN n > 3 AND t = 'ten_b' THEN 1 END, '', '', '', '', 1,
		CASE WHEN n > 3 AND t = 'ten_c' THEN 1 END
	FROM unnest(ARRAY['ten_a', 'ten_b', 'ten_c']) t, generate_series(1, 20000) n`,
	"INSERT INTO key_executions SELECT tenant_id, 'exe' || id, id, '', 1 FROM api_keys",
	"INSERT INTO key_deliveries SELECT tenant_id, 'next' || id, id, NULL, 0, NULL, 1 FROM api_keys",
	"INSERT INTO key_uses SELECT tenant_id, id, 1, '', '', '', '', 1, 1 FROM api_keys",
	"INSERT INTO resource_servers SELECT 'rs', '', '', '', '', '', NULL, NULL, 1",
	"INSERT INTO tenants SELECT t, t, '', NULL, '', NULL, '', 1, 1 FROM unnest(ARRAY['ten_a', 'ten_b', 'ten_c']) t",
	"INSERT INTO grants SELECT 'ten_a', 'grt' || n, '', '', '', '', '', '', NULL, '', '', '', '', 1, 1, NULL, 'key_00000007' FROM generate_series(1, 3000) n",
	"INSERT INTO access_tokens SELECT sha256(n::text::bytea), 490923, 'ten_a', '', 'grt' || n, '', '', '', '', '', '', NULL, '', '', '', 1, 1 FROM generate_series(1, 3000) n",
}

// planned is a statement under a plan that a connection of the store makes and keeps.
type planned struct {
	name, tenant, sql string
	args              []any
	lookup            bool
	types             string // of the parameters, where the statement does not say
}

// conns are a connection for lookups, and one that works for a tenant.
type conns map[bool]*pgxpool.Conn

// prepare makes the plan, by what the planner knows at this moment.
func (p planned) prepare(t *testing.T, c conns) {
	t.Helper()
	p.run(t, c, `PREPARE "`+p.name+`" `+p.types+` AS `+p.sql)
	p.run(t, c, p.execute("EXPLAIN"))
}

func (p planned) execute(how string) string {
	literals := make([]string, len(p.args))
	for i, a := range p.args {
		literals[i] = fmt.Sprintf("'%v'", a)
	}
	return how + ` EXECUTE "` + p.name + `" (` + strings.Join(literals, ", ") + ")"
}

func (p planned) run(t *testing.T, c conns, sql string) []string {
	t.Helper()
	conn := c[p.lookup]
	_, err := conn.Exec(t.Context(), "SELECT set_config('watchgate.tenant', $1, false)", p.tenant)
	must(t, err)
	results, err := conn.Conn().PgConn().Exec(t.Context(), sql).ReadAll()
	must(t, err)
	var lines []string
	for _, row := range results[0].Rows {
		lines = append(lines, string(row[0]))
	}
	return lines
}

var touched = regexp.MustCompile(`(?:Rows Removed by (?:Filter|Index Recheck): |actual time=\S+ rows=)(\d+)`)

// readsFew fails the test when the plan touches more than a page.
func (p planned) readsFew(t *testing.T, c conns) {
	t.Helper()
	plan, n := strings.Join(p.run(t, c, p.execute("EXPLAIN (ANALYZE)")), "\n"), 0
	for _, found := range touched.FindAllStringSubmatch(plan, -1) {
		rows, err := strconv.Atoi(found[1])
		must(t, err)
		n += rows
	}
	if n > 100 {
		t.Errorf("%s touches %d rows:\n%s", p.name, n, plan)
	}
}

// keyQueries are the first page of every list of keys, what is counted for a new one,
// and what finds a key or what hangs on it.
func keyQueries(t *testing.T, when string) []planned {
	t.Helper()
	const id = "key_00000007"
	out := []planned{
		{when + " by id", "ten_a", keyByID, []any{"ten_a", id}, false, ""},
		{when + " executions", "ten_a", listExecutions, []any{"ten_a", id, 10}, false, ""},
		{when + " delivery", "ten_a", deliveryByOld, []any{"ten_a", id}, false, ""},
		{when + " usage", "ten_a", keyUsage, []any{"ten_a", id, 0}, false, ""},
	}
	small, big := storage.UserID("usr_small"), storage.UserID("usr_big")
	hash := func(of string) string { h := sha256.Sum256([]byte(of)); return `\x` + hex.EncodeToString(h[:]) }
	for name, q := range map[string]planned{
		"introspection":          {sql: introspect, args: []any{"rs", hash("7"), 490923}},
		"introspection of a key": {sql: introspectKey, args: []any{"rs", hash("ten_a7")}},
		"key by hash":            {sql: findKey, args: []any{hash("ten_a7")}},
	} {
		q.name, q.lookup = when+" "+name, true
		out = append(out, q)
	}
	for _, tenant := range []string{"ten_a", "ten_b", "ten_c"} {
		for _, f := range []storage.KeyFilter{{}, {Owner: &small}, {Owner: &big}, {State: "live"}, {State: "live", Owner: &small}, {State: "live", Owner: &big}} {
			f.Now = benchNow
			q, err := (&Tenant{id: tenant}).keyQuery(f, "")
			must(t, err)
			sql := q.page(10)
			out = append(out, planned{fmt.Sprintf("%s %d of %s", when, len(out), tenant), tenant, sql, q.args, false, ""})
		}
		low, high := path(tenant, string(small)).bounds("")
		args, types := make([]any, 29), make([]string, 29)
		for i := range args {
			args[i], types[i] = "", "text"
		}
		types[12], types[28] = "bigint", "bigint"
		args[0], args[2], args[7], args[12], args[26], args[27], args[28] = tenant, "live", small, 1, low, high, 10
		out = append(out, planned{when + " count of " + tenant, tenant, "SELECT " + fewer, args, false, "(" + strings.Join(types, ", ") + ")"})
	}
	return out
}

// TestKeysAreReadByTheRightIndex whatever the planner knows when it makes the plan
// that a connection keeps: nothing, because the database is new; nothing of many
// rows; or what their statistics say.
func TestKeysAreReadByTheRightIndex(t *testing.T) {
	dsn := postgresDatabase(t)
	s := opened(t, Config{DSN: dsn, MaxConns: 1})
	must(t, s.Prepare(t.Context(), benchNow))
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
		then []string // what happens between the plan and its use
	}{
		{"planned in a new database", manyKeys},
		{"planned without statistics", []string{"ANALYZE"}},
		{"planned with statistics", nil},
	} {
		queries := keyQueries(t, stage.when)
		for _, q := range queries {
			q.prepare(t, c)
		}
		if stage.when == "planned without statistics" {
			for _, q := range queries {
				q.readsFew(t, c)
			}
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
