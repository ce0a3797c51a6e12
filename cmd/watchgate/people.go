package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/watchgate/watchgate/idp"
	"github.com/watchgate/watchgate/idp/account"
	"github.com/watchgate/watchgate/idp/backchannel"
	"github.com/watchgate/watchgate/idp/mfa"
	"github.com/watchgate/watchgate/idp/oidcconn"
	"github.com/watchgate/watchgate/idp/provider"
	"github.com/watchgate/watchgate/internal/assurance"
	"github.com/watchgate/watchgate/internal/catalogue"
	"github.com/watchgate/watchgate/internal/flow"
	"github.com/watchgate/watchgate/internal/place"
	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
)

// maxUpstreamBody bounds one answer of an identity provider, in bytes (NW-06).
const maxUpstreamBody = 256 << 10

// newConnect opens connections to identity providers.
func (d *deployment) newConnect() (idp.Connect, error) {
	out, err := d.outbound()
	if err != nil {
		return nil, err
	}
	return oidcconn.Connect(oidcconn.Config{
		Client: out.HTTP(maxUpstreamBody, 0), Opener: d.sealer, Now: now, AllowLoopbackHTTP: d.cfg.Outbound.AllowLoopbackHTTP,
	}), nil
}

// rules are what requests ask of sessions here.
func (d *deployment) rules() assurance.Rules {
	all := d.cfg.product.catalogue
	var issuing []string
	for _, s := range all.Scopes() {
		if slices.ContainsFunc(all.Expand([]string{s.Name}), func(implied string) bool {
			return slices.Contains(catalogue.IssueCredentials(), implied)
		}) {
			issuing = append(issuing, s.Name)
		}
	}
	return assurance.Rules{CredentialScopes: issuing}
}

// newSignIn wires the sign-in over its connectors and factors.
func newSignIn(d *deployment) (*idp.Server, *mfa.Factors, error) {
	connect, err := d.connect()
	if err != nil {
		return nil, nil, err
	}
	factors, err := mfa.New(mfa.Config{
		Base: d.cfg.Issuer, Name: "Watchgate", Store: d.store, Sealer: d.sealer, Notifier: d.notifier(), Now: now,
	})
	if err != nil {
		return nil, nil, fmt.Errorf("cannot start the second factors: %w", err)
	}
	people, err := idp.New(idp.Config{
		Base: d.cfg.Issuer, Store: d.store, Connect: connect, Now: now,
		Steps: flow.New(d.sealer.Key("login-flow")), CookieKey: d.sealer.Key("cookie"),
		Rules: d.rules(), Prover: factors, Enroller: factors, Post: d.post(), Support: d.cfg.Support,
	})
	if err != nil {
		return nil, nil, fmt.Errorf("cannot start the sign-in: %w", err)
	}
	return people, factors, nil
}

// examine looks at the provider of a connection.
func (d *deployment) examine(ctx context.Context, t storage.TenantID, c storage.Connection) ([]idp.Finding, error) {
	connect, err := d.connect()
	if err != nil {
		return nil, err
	}
	connector, err := connect(ctx, t, c)
	if err != nil {
		return []idp.Finding{{Check: "connection", Verdict: idp.VerdictFailed, Detail: "The connection cannot be used as it is stored."}}, nil
	}
	doctor, ok := connector.(idp.Examiner)
	if !ok {
		return nil, fmt.Errorf("a connection of kind %s cannot be looked at", c.Kind)
	}
	return doctor.Examine(ctx, provider.Addresses{Issuer: d.cfg.Issuer, Tenant: t, Connection: c.ID}.RedirectURI()), nil
}

// mountAccount adds the pages on which people see to their own account.
func (d *deployment) mountAccount(mux *web.Mux, people *idp.Server, factors *mfa.Factors) error {
	cfg := account.Config{
		Base: d.cfg.Issuer, Store: d.store, People: people, Prover: factors, Post: d.post(), Now: now,
		CookieKey: d.sealer.Key("cookie"), Support: d.cfg.Support,
	}
	if file := d.cfg.PlacesFile; file != "" {
		var err error
		if cfg.Places, err = place.Open(file); err != nil {
			return fmt.Errorf("places_file: %w", err)
		}
	}
	pages, err := account.New(cfg)
	if err != nil {
		return fmt.Errorf("cannot start the account's pages: %w", err)
	}
	pages.Mount(mux)
	return nil
}

// maxLogoutAnswer is what is read at most of an app's answer to a logout token, in
// bytes.
const maxLogoutAnswer = 4 << 10

// tellOfSignOuts wires what tells apps that a session is over.
func (d *deployment) tellOfSignOuts(people *idp.Server) error {
	out, err := d.outbound()
	if err != nil {
		return err
	}
	d.logouts = backchannel.New(backchannel.Config{
		Store: d.store, Signer: d.signer, Poster: out.HTTP(maxLogoutAnswer, 0), Issuer: d.cfg.Issuer, Now: now, Log: d.log, Registerer: d.metrics,
	})
	people.SetLogoutWake(d.logouts.Wake)
	return nil
}

// logoutsEvery is how often a node looks for sign-outs on other nodes, and for apps that are
// to be told again.
const logoutsEvery = time.Second

// tellApps tells apps of sessions that are over, until ctx is done; what is under way
// then is finished.
func (d *deployment) tellApps(ctx context.Context) error {
	d.tend(ctx, logoutsEvery, d.logouts.Due(), "sign-outs", d.logouts.Tick)
	d.logouts.Wait()
	return nil
}
