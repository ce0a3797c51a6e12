package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/watchgate/watchgate/idp/devidp"
	"github.com/watchgate/watchgate/internal/pgtest"
	"github.com/watchgate/watchgate/internal/process"
)

// redirectURI is the app's. Nobody listens there: the walk ends before it.
const redirectURI = "http://127.0.0.1:9/callback"

// bench is what the sections share: a durable PostgreSQL with a server on it.
type bench struct {
	figures figures
	dir     string
	pg      *pgtest.Server
	site    *site
}

// site is a running server with its registrations.
type site struct {
	deployment *process.Deployment
	node       *process.Node
	provider   *http.Server

	machine, web, api credentials
}

type credentials struct{ ID, Secret string }

func newBench(ctx context.Context) (*bench, error) {
	dir, err := os.MkdirTemp("", "watchgate-bench-")
	if err != nil {
		return nil, err
	}
	b := &bench{dir: dir}
	b.pg, err = pgtest.Start(pgtest.Options{Durable: true, Settings: map[string]string{
		"shared_preload_libraries": "pg_stat_statements", "pg_stat_statements.track": "top", "shared_buffers": "512MB", "max_wal_size": "4GB",
	}})
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := psql(ctx, b.pg.DSN("postgres"), "CREATE DATABASE watchgate"); err != nil {
		b.close()
		return nil, err
	}
	b.site, err = newSite(ctx, filepath.Join(dir, "pg"), b.pg.DSN("watchgate"))
	if err != nil {
		b.close()
		return nil, err
	}
	return b, psql(ctx, b.pg.DSN("watchgate"), "CREATE EXTENSION pg_stat_statements")
}

func (b *bench) close() {
	b.site.close()
	if b.pg != nil {
		_ = b.pg.Stop()
	}
	os.RemoveAll(b.dir)
}

// newSite starts a server on a database with one tenant, its people and apps.
func newSite(ctx context.Context, dir, database string) (*site, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	d, err := process.NewDeployment(ctx, dir, database)
	if err != nil {
		return nil, err
	}
	s := &site{deployment: d}
	if err := s.register(ctx); err != nil {
		s.close()
		return nil, err
	}
	s.node, err = d.Start(ctx, "node", true)
	return s, err
}

func (s *site) close() {
	if s == nil {
		return
	}
	if s.node != nil {
		_ = s.node.Stop()
	}
	if s.provider != nil {
		_ = s.provider.Close()
	}
}

// register adds what the measurements need, by the operator's commands.
func (s *site) register(ctx context.Context) error {
	tenant, err := s.operate(ctx, nil, "tenant", "create", "acme", "--name", "Acme")
	if err != nil {
		return err
	}
	machine, err1 := s.operate(ctx, nil, "client", "create", "--id", "bench-m2m", "--name", "Machine", "--grant", "client_credentials",
		"--scope", "monitor:read", "--tenant", tenant["id"])
	web, err2 := s.operate(ctx, nil, "client", "create", "--id", "bench-web", "--name", "Web", "--redirect", redirectURI,
		"--scope", "openid,profile,email,offline_access,monitor:read")
	api, err3 := s.operate(ctx, nil, "resource-server", "create", "--id", "bench-api", "--name", "API",
		"--audience", "https://api.example/", "--scope", "monitor:read=See your monitors")
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	s.machine = credentials{machine["client_id"], machine["secret"]}
	s.web = credentials{web["client_id"], web["secret"]}
	s.api = credentials{api["id"], api["secret"]}
	return s.connect(ctx)
}

// connect starts the demo identity provider and connects the tenant to it.
func (s *site) connect(ctx context.Context) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	issuer := "http://" + l.Addr().String()
	con, err := s.operate(ctx, []string{"WATCHGATE_CLIENT_SECRET=bench-upstream"}, "connection", "create", "acme",
		"--name", "Provider", "--issuer", issuer, "--client-id", "watchgate-acme", "--no-check")
	if err != nil {
		return err
	}
	if _, err := s.deployment.Operate(ctx, nil, "connection", "add-domain", "acme", con["id"], "acme.test"); err != nil {
		return err
	}
	h, err := devidp.New(devidp.Config{Issuer: issuer, Now: time.Now, Clients: []devidp.Client{{
		ID: "watchgate-acme", Secret: "bench-upstream",
		RedirectURIs: []string{s.deployment.Issuer + "/login/callback/" + con["id"]},
	}}})
	if err != nil {
		return err
	}
	s.provider = &http.Server{Handler: h, ReadHeaderTimeout: time.Second}
	go func() { _ = s.provider.Serve(l) }()
	return nil
}

// operate runs a command and returns the first object of its JSON.
func (s *site) operate(ctx context.Context, env []string, args ...string) (map[string]string, error) {
	out, err := s.deployment.Operate(ctx, env, append(args, "--json")...)
	if err != nil {
		return nil, err
	}
	var rows []map[string]string
	if err := json.Unmarshal([]byte(out), &rows); err != nil || len(rows) == 0 {
		return nil, fmt.Errorf("%v said %q: %v", args, out, err)
	}
	return rows[0], nil
}
