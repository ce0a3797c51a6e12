package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/watchgate/watchgate/internal/pgtest"
)

// psql runs statements on a connection of their own.
func psql(ctx context.Context, dsn string, statements ...string) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for _, s := range statements {
		if _, err := conn.Exec(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return nil
}

// statements returns how many statements the server has executed for the
// program's database, by its own count.
func statements(ctx context.Context, dsn string) (n float64, err error) {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return 0, err
	}
	defer conn.Close(ctx)
	err = conn.QueryRow(ctx, `SELECT COALESCE(SUM(calls), 0)::float8 FROM pg_stat_statements
		WHERE dbid = (SELECT oid FROM pg_database WHERE datname = 'watchgate') AND query NOT LIKE '%pg_stat_statements%'`).Scan(&n)
	return n, err
}

var tps = regexp.MustCompile(`tps = ([0-9.]+)`)

// pgbench runs a script with clients connections and returns transactions per
// second.
func (b *bench) pgbench(ctx context.Context, script string, clients, seconds int) (float64, error) {
	bin, err := pgtest.Binary("pgbench")
	if err != nil {
		return 0, err
	}
	file := filepath.Join(b.dir, "pgbench.sql")
	if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(ctx, bin, "-n", "-M", "prepared", "-f", file, "-c", strconv.Itoa(clients), "-j", "2",
		"-T", strconv.Itoa(seconds), b.pg.DSN("watchgate"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("pgbench: %w: %s", err, out)
	}
	m := tps.FindSubmatch(out)
	if m == nil {
		return 0, fmt.Errorf("pgbench said no tps: %s", out)
	}
	return strconv.ParseFloat(string(m[1]), 64)
}
