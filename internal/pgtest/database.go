package pgtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
)

// EnvServer names the variable that holds the DSN of a server to use in place of
// a private one. Its role must be allowed to create databases and roles.
const EnvServer = "WATCHGATE_TEST_POSTGRES"

// cluster is the server that the tests of one process share.
type cluster struct {
	dsn       string
	server    *Server
	mu        sync.Mutex
	templates map[string]string
}

// shared starts the process's server at its first use and keeps it for the rest.
var shared = sync.OnceValues(func() (*cluster, error) {
	c := &cluster{dsn: os.Getenv(EnvServer), templates: map[string]string{}}
	if c.dsn != "" {
		started.Store(c)
		return c, nil
	}
	server, err := Start(Options{})
	if err != nil {
		return nil, err
	}
	c.server, c.dsn = server, server.DSN("postgres")
	started.Store(c)
	return c, nil
})

// Database returns the DSN of a fresh, empty database that belongs to this test
// alone. It is dropped, with whoever is still connected, at the test's end.
func Database(t testing.TB) string {
	t.Helper()
	return fresh(t, open(t), "")
}

// Template returns the DSN of a fresh database cloned from a template that build
// prepared, once per process and name: cloning costs milliseconds where migrating
// costs a second. build gets the DSN of the empty template and has to close its
// connections. Two calls with one name must mean the same build.
func Template(t testing.TB, name string, build func(dsn string) error) string {
	t.Helper()
	c := open(t)
	template, err := c.template(name, build)
	if err != nil {
		t.Fatalf("pgtest: template %q: %v", name, err)
	}
	return fresh(t, c, template)
}

func open(t testing.TB) *cluster {
	t.Helper()
	c, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func fresh(t testing.TB, c *cluster, template string) string {
	t.Helper()
	name := newName()
	if err := c.create(name, template); err != nil {
		t.Fatalf("pgtest: create database: %v", err)
	}
	t.Cleanup(func() {
		if err := c.drop(name); err != nil {
			t.Errorf("pgtest: drop database: %v", err)
		}
	})
	dsn, err := withDatabase(c.dsn, name)
	if err != nil {
		t.Fatal(err)
	}
	return dsn
}

// template returns the name of the template database, built at its first use.
// Builds are serialised: they create roles, which the whole cluster shares.
func (c *cluster) template(name string, build func(dsn string) error) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if database, ok := c.templates[name]; ok {
		return database, nil
	}
	database := newName()
	if err := c.create(database, ""); err != nil {
		return "", err
	}
	dsn, err := withDatabase(c.dsn, database)
	if err != nil {
		return "", err
	}
	if err := build(dsn); err != nil {
		return "", errors.Join(err, c.drop(database))
	}
	if err := c.seal(database); err != nil {
		return "", err
	}
	c.templates[name] = database
	return database, nil
}

// seal closes a template to connections, because PostgreSQL does not clone a
// database that somebody uses.
func (c *cluster) seal(database string) error {
	return c.exec("ALTER DATABASE "+database+" ALLOW_CONNECTIONS false",
		"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '"+database+"'")
}

func (c *cluster) create(name, template string) error {
	statement := "CREATE DATABASE " + name
	if template != "" {
		statement += " TEMPLATE " + template
	}
	return c.exec(statement)
}

func (c *cluster) drop(name string) error {
	return c.exec("DROP DATABASE IF EXISTS " + name + " WITH (FORCE)")
}

func (c *cluster) exec(statements ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	conn, err := pgx.Connect(ctx, c.dsn)
	if err != nil {
		return err
	}
	for _, statement := range statements {
		if _, err = conn.Exec(ctx, statement); err != nil {
			break
		}
	}
	return errors.Join(err, conn.Close(ctx))
}

// newName returns a name that needs no quoting and that no other process uses.
func newName() string {
	return fmt.Sprintf("watchgate_test_%s", strings.ToLower(rand.Text()))
}
