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
	"github.com/watchgate/watchgate/idp/provider"
	"github.com/watchgate/watchgate/internal/pgtest"
	"github.com/watchgate/watchgate/internal/process"
	"github.com/watchgate/watchgate/storage"
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

// site is a deployment with its registrations, and a running server of it.
type site struct {
	deployment *process.Deployment
	database   string // its URL, or a folder
	node       *process.Node
	provider   *http.Server

	tenant, connection string // ids
	machine, web, api  credentials

	people       int   // so many were added by settle
	began, hours int64 // the hour of the beginning, and how many got tokens by settle
}

type credentials struct{ ID, Secret string }

func newBench(ctx context.Context) (*bench, error) {
	dir, err := os.MkdirTemp("", "watchgate-bench-")
	if err != nil {
		return nil, err
	}
	b := &bench{dir: dir}
	buffers := "512MB"
	if big() {
		buffers = "6GB"
	}
	b.pg, err = pgtest.Start(pgtest.Options{Durable: true, Settings: map[string]string{
		"shared_preload_libraries": "pg_stat_statements", "pg_stat_statements.track": "top", "shared_buffers": buffers, "max_wal_size": "4GB",
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
	return b, errors.Join(b.site.run(ctx), psql(ctx, b.pg.DSN("watchgate"), "CREATE EXTENSION pg_stat_statements"))
}

func (b *bench) close() {
	b.site.close()
	if b.pg != nil {
		_ = b.pg.Stop()
	}
	os.RemoveAll(b.dir)
}

// newSite prepares a deployment with one tenant, its people and apps. No server
// runs yet.
func newSite(ctx context.Context, dir, database string) (*site, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	d, err := process.NewDeployment(ctx, dir, database)
	if err != nil {
		return nil, err
	}
	s := &site{deployment: d, database: database, began: time.Now().Unix() / 3600}
	if err := s.register(ctx); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// run starts the site's own server.
func (s *site) run(ctx context.Context) (err error) {
	if s.node, err = s.deployment.Start(ctx, "node", true); err != nil {
		return err
	}
	return heldLease(ctx, s.node)
}

// forgetful is the configuration of a server that remembers no answers.
const forgetful = "introspection: {cache_mib: 0}"

// join starts a further server, with more lines in its configuration.
func (s *site) join(ctx context.Context, name, more string) (*process.Node, error) {
	n, err := s.deployment.StartNode(ctx, process.NodeConfig{Name: name, More: more})
	if err != nil || more == forgetful {
		return n, err
	}
	if err := heldLease(ctx, n); err != nil {
		return nil, errors.Join(err, n.Kill())
	}
	return n, nil
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
		"--scope", "monitor:read,api-keys:write", "--tenant", tenant["id"])
	web, err2 := s.operate(ctx, nil, "client", "create", "--id", "bench-web", "--name", "Web", "--redirect", redirectURI,
		"--scope", "openid,profile,email,offline_access,monitor:read")
	api, err3 := s.operate(ctx, nil, "resource-server", "create", "--id", "bench-api", "--name", "API",
		"--audience", "https://api.example/", "--scope", "monitor:read=See your monitors")
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	s.tenant = tenant["id"]
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
	if _, err := s.deployment.Operate(ctx, nil, "domain", "add", "--vouch", "acme", con["id"], "acme.test"); err != nil {
		return err
	}
	s.connection = con["id"]
	h, err := devidp.New(devidp.Config{Issuer: issuer, Now: time.Now, Clients: []devidp.Client{{
		ID: "watchgate-acme", Secret: "bench-upstream",
		RedirectURIs: []string{provider.Addresses{Issuer: s.deployment.Issuer, Connection: storage.ConnectionID(con["id"])}.RedirectURI()},
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
