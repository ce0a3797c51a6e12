package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/watchgate/watchgate/internal/token"
)

// Tokens are inserted straight into PostgreSQL where so many are needed that
// issuing them would take longer than measuring. The rows are those that a code
// flow leaves: each person has a session and a grant.

// settlement says what settle inserts.
type settlement struct {
	tokens, people int
	keep           int // every keep-th token is returned
	// expired tokens are in an hour of the past.
	expired bool
	// in is where the people are; zero: the site's own tenant.
	in home
}

// home is a tenant with the connection that its people come through.
type home struct{ tenant, connection string }

// settle inserts people and live tokens of theirs, in an hour of their own, and
// returns some of the tokens.
func (s *site) settle(ctx context.Context, want settlement) ([]string, error) {
	if want.in == (home{}) {
		want.in = home{s.tenant, s.connection}
	}
	conn, err := pgx.Connect(ctx, s.database)
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	first := s.people
	if want.expired {
		first -= want.people // who is there already
	} else if err := s.addPeople(ctx, conn, want.in, want.people); err != nil {
		return nil, err
	}
	p := partition{site: s, settlement: want, first: first, hour: s.freeHour(want.expired), now: time.Now()}
	if err := p.fill(ctx, conn); err != nil {
		return nil, fmt.Errorf("tokens of hour %d: %w", p.hour, err)
	}
	return p.kept, vacuum(ctx, conn)
}

// far is how many hours from now nobody makes partitions.
const far = 12

// freeHour returns a bucket of which there is no partition.
func (s *site) freeHour(past bool) int64 {
	s.hours++
	if past {
		return s.began - far - s.hours
	}
	return s.began + far + s.hours
}

// vacuum is what autovacuum and the checkpointer would have done after a while: what
// is measured next must not wait until what was inserted is on the disk.
func vacuum(ctx context.Context, conn *pgx.Conn) error {
	for _, sql := range []string{"VACUUM (ANALYZE) users, sessions, grants, access_tokens", "CHECKPOINT"} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return nil
}

func personID(prefix string, n int) string { return fmt.Sprintf("%s%026d", prefix, n) }

// addPeople inserts n people with a session and a grant each.
func (s *site) addPeople(ctx context.Context, conn *pgx.Conn, in home, n int) error {
	now, ends := time.Now().UnixMilli(), time.Now().Add(30*24*time.Hour).UnixMilli()
	const scopes = "openid offline_access monitor:read"
	first := s.people
	s.people += n
	for _, t := range []struct {
		table   string
		columns []string
		row     func(i int) []any
	}{
		{"users", []string{"tenant_id", "id", "role", "email", "email_verified", "claims", "created_at", "version"}, func(i int) []any {
			return []any{in.tenant, personID("usr_", i), "member", fmt.Sprintf("person%d@acme.test", i), true, "", now, 1}
		}},
		{"sessions", []string{"tenant_id", "id", "user_id", "connection_id", "handle", "auth_time", "acr", "amr", "created_at", "last_seen_at",
			"expires_at", "idle_timeout"}, func(i int) []any {
			handle := sha256.Sum256([]byte(personID("handle", i)))
			return []any{in.tenant, personID("ses_", i), personID("usr_", i), in.connection, handle[:], now, "", "pwd", now, now, ends, 3_600_000}
		}},
		{"grants", []string{"tenant_id", "id", "user_id", "client_id", "session_id", "connection_id", "scopes", "resource", "auth_time", "acr",
			"amr", "nonce", "claims", "created_at", "expires_at"}, func(i int) []any {
			return []any{in.tenant, personID("grt_", i), personID("usr_", i), s.web.ID, personID("ses_", i), in.connection, scopes, "", now, "",
				"pwd", "", "", now, ends}
		}},
	} {
		if err := copyRows(ctx, conn, t.table, t.columns, first, n, t.row); err != nil {
			return err
		}
	}
	return nil
}

// copyRows inserts n rows.
func copyRows(ctx context.Context, conn *pgx.Conn, table string, columns []string, first, n int, row func(i int) []any) error {
	i := first
	_, err := conn.CopyFrom(ctx, pgx.Identifier{table}, columns, pgx.CopyFromFunc(func() ([]any, error) {
		if i == first+n {
			return nil, nil
		}
		i++
		return row(i - 1), nil
	}))
	if err != nil {
		return fmt.Errorf("%s: %w", table, err)
	}
	return nil
}

// partition is an hour of access tokens that is built aside and then attached, as
// PostgreSQL's manual advises for much data at once: it needs no log then.
type partition struct {
	site *site
	settlement
	first int // the number of the first of the people
	hour  int64
	now   time.Time
	kept  []string
}

func (p *partition) fill(ctx context.Context, conn *pgx.Conn) error {
	name := fmt.Sprintf("access_tokens_p%d", p.hour)
	run := func(statements ...string) error {
		for _, sql := range statements {
			if _, err := conn.Exec(ctx, sql); err != nil {
				return fmt.Errorf("%s: %w", sql, err)
			}
		}
		return nil
	}
	if err := run("BEGIN", "SET LOCAL maintenance_work_mem = '512MB'",
		fmt.Sprintf("CREATE TABLE %s (LIKE access_tokens INCLUDING DEFAULTS, CHECK (bucket >= %d AND bucket < %d))", name, p.hour, p.hour+1)); err != nil {
		return err
	}
	columns := []string{"hash", "bucket", "tenant_id", "id", "grant_id", "client_id", "user_id", "session_id", "connection_id", "scopes",
		"audience", "auth_time", "acr", "amr", "claims", "issued_at", "expires_at"}
	if err := copyRows(ctx, conn, name, columns, 0, p.tokens, p.row); err != nil {
		return err
	}
	return run("ALTER TABLE "+name+" ADD PRIMARY KEY (hash, bucket)",
		"ALTER TABLE "+name+" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
		fmt.Sprintf("ALTER TABLE access_tokens ATTACH PARTITION %s FOR VALUES FROM (%d) TO (%d)", name, p.hour, p.hour+1),
		"COMMIT")
}

// row is the i-th token's. Those of one person lie apart from each other.
func (p *partition) row(i int) []any {
	ends := time.Unix(p.hour*3600, 0)
	secret := token.New(token.Access, ends)
	if p.keep > 0 && i%p.keep == 0 {
		p.kept = append(p.kept, secret)
	}
	hash, who, now := sha256.Sum256([]byte(secret)), p.first+i%p.people, p.now.UnixMilli()
	return []any{hash[:], p.hour, p.in.tenant, personID("tok_", i), personID("grt_", who), p.site.web.ID, personID("usr_", who), personID("ses_", who),
		p.in.connection, "openid offline_access monitor:read", "", now, "", "pwd", "", now, ends.UnixMilli()}
}
