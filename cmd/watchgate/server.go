package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/watchgate/watchgate/authz"
	"github.com/watchgate/watchgate/internal/limit"
	"github.com/watchgate/watchgate/internal/origin"
	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/introspect"
	"github.com/watchgate/watchgate/introspect/coherence"
	"github.com/watchgate/watchgate/storage"
	"github.com/watchgate/watchgate/templates"
)

// version is what outgoing requests and the metrics say; the release build sets
// it.
var version = "dev"

// handlers are a node's two faces.
type handlers struct {
	public   http.Handler
	operator http.Handler
}

// build wires the rooms of a server over an open deployment.
func build(ctx context.Context, d *deployment) (handlers, error) {
	d.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	u, err := url.Parse(d.cfg.Issuer)
	if err != nil {
		return handlers{}, err
	}
	began := time.Now()
	mux := web.NewMux(web.Config{
		Log: d.log, Now: now, Monotonic: func() time.Duration { return time.Since(began) }, Hosts: hostsOf(u), TrustedProxies: d.cfg.TrustedProxies,
		HTTPS: u.Scheme == "https", ErrorPage: errorPage(d.cfg.Issuer), Registerer: d.metrics, LogQuick: d.cfg.Introspection.LogEach,
	})
	people, factors, err := newSignIn(d)
	if err != nil {
		return handlers{}, err
	}
	d.people = people
	if d.keys, err = d.newKeys(ctx); err != nil {
		return handlers{}, err
	}
	d.keyLimits = limit.New(limit.Config{Now: now, Redis: d.cfg.redis, Log: d.log, Registerer: d.metrics})
	engine, err := authz.New(authz.Config{
		Issuer: d.cfg.Issuer, Store: d.store, Signer: d.signer, SignIn: people,
		Rules: d.rules(), SuccessorKey: d.sealer.Key("refresh-successor"), Now: now, Keys: d.keys, Catalogue: d.cfg.product.catalogue, KeyLimits: d.keyLimits,
	})
	if err != nil {
		return handlers{}, fmt.Errorf("cannot start the protocol engine: %w", err)
	}
	people.SetAuthorizer(engine)
	if err := d.tellOfSignOuts(people); err != nil {
		return handlers{}, err
	}
	people.Mount(mux)
	if err := d.mountAccount(mux, people, factors); err != nil {
		return handlers{}, err
	}
	if d.cfg.mailbox != nil {
		d.cfg.mailbox.Mount(mux)
	}
	engine.Mount(mux)
	d.asked = newIntrospection(d)
	d.asked.Mount(mux)
	if err := d.mountManagement(mux, d.asked); err != nil {
		return handlers{}, err
	}
	mux.Page("GET /{$}", func(w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		return templates.Welcome(w, templates.WelcomePage{Issuer: d.cfg.Issuer})
	})
	mux.Handle("GET /assets/", templates.AssetHandler())
	ready := map[string]func(context.Context) error{"database": d.store.Ping}
	return handlers{public: mux, operator: web.Operator(web.OperatorConfig{Gatherer: d.metrics, Ready: ready, Log: d.log})}, nil
}

// newIntrospection wires introspection over what the node knows of changes. A
// store without a feed, or a cache of no size, makes each question a statement.
func newIntrospection(d *deployment) *introspect.Server {
	c := d.cfg.Introspection
	if feed, ok := d.store.(storage.Feed); ok && c.CacheMiB > 0 {
		d.node = coherence.New(coherence.Config{Feed: feed, Now: time.Now, Log: d.log, Registerer: d.metrics})
	}
	limits := introspect.DefaultLimits()
	limits.PerSecond, limits.FailuresPerSecond = c.PerSecond, c.FailuresPerSecond
	return introspect.New(introspect.Config{
		Store: d.store, Issuer: d.cfg.Issuer, Now: now, Log: d.log, Signer: d.signer, Limits: limits,
		Node: d.node, CacheBytes: int64(c.CacheMiB) << 20, Registerer: d.metrics,
		Keys: d.keys, Catalogue: d.cfg.product.catalogue,
		KeyLimits: d.keyLimits,
	})
}

// hostsOf are the Host values that requests may carry: the issuer's, and on
// loopback its usual spellings.
func hostsOf(issuer *url.URL) []string {
	if !loopbackHTTP(issuer) {
		return []string{issuer.Host}
	}
	port := ":" + issuer.Port()
	return []string{issuer.Host, "127.0.0.1" + port, "localhost" + port, "[::1]" + port}
}

// errorPage is how people see a refusal, with a way on where there is one.
func errorPage(issuer string) web.ErrorWriter {
	return func(w http.ResponseWriter, r *http.Request, e *web.Error) {
		page := templates.NewErrorPage(e.Code, origin.From(r.Context()).RequestID)
		page.Detail = e.Note
		if path, label := templates.ErrorLink(e.Code); path != "" {
			page.LinkURL, page.LinkLabel = issuer+path, label
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(e.Status)
		if err := templates.Error(w, page); err != nil {
			web.Annotate(r.Context(), "page", err.Error())
		}
	}
}

// listen opens a port, and says what to do when it cannot.
func listen(addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	switch {
	case err == nil:
		return l, nil
	case strings.Contains(err.Error(), "address already in use"):
		return nil, fmt.Errorf("the port of %s is in use: stop what has it, or choose another (--port-base for dev, listen in the configuration)", addr)
	case errors.Is(err, os.ErrPermission):
		return nil, fmt.Errorf("this user may not listen on %s: ports below 1024 need the right CAP_NET_BIND_SERVICE", addr)
	}
	return nil, fmt.Errorf("cannot listen on %s: %w", addr, err)
}

var _ authz.Store = storage.Store(nil)
