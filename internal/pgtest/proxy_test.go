package pgtest_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/watchgate/watchgate/internal/pgtest"
)

func TestProxyCutsRefusesAndServesAgain(t *testing.T) {
	proxy := pgtest.NewProxy(t, pgtest.Database(t))
	conn := connect(t, proxy.DSN())
	exec(t, conn, "SELECT 1")

	proxy.Cut()
	if err := conn.Ping(t.Context()); err == nil {
		t.Error("a cut connection still works")
	}
	exec(t, connect(t, proxy.DSN()), "SELECT 1")

	proxy.Down()
	if late, err := pgx.Connect(t.Context(), proxy.DSN()); err == nil {
		late.Close(t.Context())
		t.Error("connected while the proxy was down")
	}

	proxy.Up()
	exec(t, connect(t, proxy.DSN()), "SELECT 1")
}
