package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/watchgate/watchgate/storage"
)

func secretIn(t *testing.T, dir string) string {
	t.Helper()
	body, err := os.ReadFile(filepath.Join(dir, "secret"))
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestSecretIsMadeOnceAndWhole(t *testing.T) {
	dir := t.TempDir()
	if err := makeSecret(dir); err != nil {
		t.Fatal(err)
	}
	first := secretIn(t, dir)
	if _, err := sealerOf([]byte(first)); err != nil {
		t.Error(err)
	}
	if err := makeSecret(dir); err != nil || secretIn(t, dir) != first {
		t.Errorf("a second start changed the secret (%v)", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("the folder has %v, %v", entries, err)
	}
	if info, err := entries[0].Info(); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestEmptySecretIsReplacedOnlyBeforeThereIsADatabase(t *testing.T) {
	dir := t.TempDir()
	empty := func() {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "secret"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	empty()
	if err := makeSecret(dir); err != nil || secretIn(t, dir) == "" {
		t.Errorf("killed before there was a database: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "watchgate.db"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	empty()
	if err := makeSecret(dir); err == nil || !strings.Contains(err.Error(), "lost its secret") || secretIn(t, dir) != "" {
		t.Errorf("with a database: %v", err)
	}
	if err := (&devCmd{DataDir: dir, PortBase: 8080, Product: "uptimepulse"}).setUp(t.Context()); err == nil || !strings.Contains(err.Error(), "lost its secret") {
		t.Errorf("dev: %v", err)
	}
}

// demonstration sets up a data folder as `dev` does.
func demonstration(t *testing.T) demo {
	t.Helper()
	c := &devCmd{DataDir: t.TempDir(), PortBase: 8080, Product: "uptimepulse"}
	if err := c.setUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	cfg, err := c.config()
	if err != nil {
		t.Fatal(err)
	}
	d, err := openDeployment(t.Context(), cfg, quietLog())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.close)
	return demo{d: d, urls: c.urls()}
}

// TestSeedCompletesWhatAKilledStartLeftOut has a start that ended between a
// connection and its domain.
func TestSeedCompletesWhatAKilledStartLeftOut(t *testing.T) {
	m := demonstration(t)
	if _, err := m.d.dir.CreateTenant(t.Context(), "acme", "Acme Monitoring"); err != nil {
		t.Fatal(err)
	}
	if _, err := m.connection(t.Context(), "acme", "Acme Monitoring"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := m.seed(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for _, tenant := range demoTenants {
		owner, err := m.d.store.DomainOwner(t.Context(), tenant.domain)
		cons, listed := m.d.dir.Connections(t.Context(), tenant.slug)
		if err := errors.Join(err, listed); err != nil || owner.Tenant.Slug != tenant.slug || len(cons) != 1 {
			t.Errorf("%s: owner %s, %d connections, %v", tenant.domain, owner.Tenant.Slug, len(cons), err)
		}
	}
	for _, id := range []storage.ClientID{"demo-spa", "demo-web", "demo-m2m"} {
		if _, err := m.d.store.Client(t.Context(), id); err != nil {
			t.Error(err)
		}
	}
}

// TestDomainThatWasMovedByHandStays: a later start is no reason to take it back.
func TestDomainThatWasMovedByHandStays(t *testing.T) {
	m := demonstration(t)
	if err := m.seed(t.Context()); err != nil {
		t.Fatal(err)
	}
	cons, err := m.d.dir.Connections(t.Context(), "globex")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(
		m.d.dir.RemoveDomain(t.Context(), "acme", "acme.test"), m.d.dir.AddDomain(t.Context(), "globex", "acme.test", cons[0].ID), m.seed(t.Context()),
	); err != nil {
		t.Fatal(err)
	}
	if owner, err := m.d.store.DomainOwner(t.Context(), "acme.test"); err != nil || owner.Tenant.Slug != "globex" {
		t.Errorf("the domain is %s's, %v", owner.Tenant.Slug, err)
	}
}
