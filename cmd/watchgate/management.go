package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/watchgate/watchgate/apikey"
	"github.com/watchgate/watchgate/apikey/keyapi"
	"github.com/watchgate/watchgate/apikey/leak"
	"github.com/watchgate/watchgate/idp/orgapi"
	"github.com/watchgate/watchgate/internal/directory"
	"github.com/watchgate/watchgate/internal/manage"
	"github.com/watchgate/watchgate/internal/signer"
	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/introspect"
	"github.com/watchgate/watchgate/introspect/coherence"
	"github.com/watchgate/watchgate/storage"
)

// What is read at most, in bytes, of a webhook's answer, of GitHub's list of public
// keys, and of its report of leaks.
const (
	maxWebhookBody = 4 << 10
	maxLeakKeys    = 64 << 10
	maxLeakReport  = 1 << 20
)

// newKeys wires the API keys over an open deployment. Their signing keys are made
// only where a profile needs them.
func (d *deployment) newKeys(ctx context.Context) (*apikey.Keys, error) {
	out, err := d.outbound()
	if err != nil {
		return nil, err
	}
	cfg := apikey.Config{
		Store: d.store, Profiles: d.cfg.product.profiles, Catalogue: d.cfg.product.catalogue, Sealer: d.sealer, Now: now,
		Issuer: d.cfg.Issuer, Log: d.log, Poster: out.HTTP(maxWebhookBody, 0), Registerer: d.metrics,
		LoopbackWebhooks: d.cfg.Outbound.AllowLoopbackHTTP, Teller: d.dir,
	}
	if d.cfg.product.signs() {
		d.keySigner, err = signer.New(ctx, signer.Config{Keys: d.store, Sealer: d.sealer, Now: now, Log: d.log, Use: storage.SignAPIKeys})
		if err != nil {
			return nil, explainKeys(err)
		}
		cfg.Signer = d.keySigner
	}
	return apikey.New(cfg), nil
}

// signs reports whether a profile makes keys that are JWTs.
func (p product) signs() bool {
	for _, profile := range p.profiles.All() {
		if profile.Format == apikey.JWT {
			return true
		}
	}
	return false
}

// mountManagement adds the API at /v1, and where GitHub tells of leaked keys.
func (d *deployment) mountManagement(mux *web.Mux, asked *introspect.Server) error {
	auth := ownCalls{asked}
	frame := manage.New(mux, manage.Config{
		Issuer: d.cfg.Issuer, Version: version, Auth: auth, Opener: d.store, Tenants: d.store, Sealer: d.sealer, Now: now, Log: d.log,
		Codes:  manage.Codes(d.cfg.product.errors),
		Scopes: sentences(d.cfg.product.ownScopes()), Done: d.stopping,
	})
	cfg := keyapi.Config{Keys: d.keys, Catalogue: d.cfg.product.catalogue, Finder: d.store, Auth: auth, Now: now}
	if d.node != nil {
		cfg.Watch = watch{d.node}
	}
	keyapi.New(frame, cfg)
	connect, err := d.connect()
	if err != nil {
		return err
	}
	orgapi.New(frame, orgapi.Config{
		Issuer: d.cfg.Issuer, Directory: d.dir, Domains: d.claims, Store: d.store, Connect: connect, Keys: d.sealer, Now: now,
	})
	return d.mountLeaks(mux)
}

// mountLeaks adds the endpoint for GitHub's secret scanning, if it is on.
func (d *deployment) mountLeaks(mux *web.Mux) error {
	if !d.cfg.Leaks.GitHub {
		return nil
	}
	out, err := d.outbound()
	if err != nil {
		return fmt.Errorf("cannot hear of leaked keys: %w", err)
	}
	mux.AllowBody("/leaks/github", maxLeakReport)
	mux.API("POST /leaks/github", leak.Handler(leak.Config{
		Leaked: d.keys.Leaked, Log: d.log, Now: now,
		Fetch: func(ctx context.Context, url string) ([]byte, error) { return out.Get(ctx, url, maxLeakKeys) },
	}))
	return nil
}

func sentences(scopes []storage.Scope) map[string]string {
	out := make(map[string]string, len(scopes))
	for _, s := range scopes {
		out[s.Name] = s.Description
	}
	return out
}

// ownCalls authenticates the calls of the management API, which is a resource server
// of this deployment.
type ownCalls struct{ asked *introspect.Server }

// Authenticate implements manage.Authenticator.
func (o ownCalls) Authenticate(ctx context.Context, c manage.Credential) (manage.Principal, error) {
	h, err := o.asked.Check(ctx, directory.OwnAPI, introspect.Ask{Token: c.Token, IP: c.IP, HTTPS: c.HTTPS, Again: c.Again, Needed: strings.Join(c.Needed, " ")})
	switch {
	case err != nil:
		return manage.Principal{}, err
	case !h.Active:
		return manage.Principal{}, manage.ErrInactive
	case h.Key != nil:
		k := h.Key
		return manage.Principal{
			Tenant: k.Life.TenantID, TenantSlug: k.Life.TenantSlug, User: k.Owner, Role: k.UserInfo.Role,
			Key: k.ID, Secret: c.Token, Expires: k.ExpiresAt, Scopes: h.Scopes,
		}, nil
	}
	return holderOf(h.Token, h.Scopes), nil
}

// holderOf is whom an access token stands for. One that was minted under an API key
// may no more than the key, and no person has signed in for it.
func holderOf(t *storage.LiveToken, scopes []string) manage.Principal {
	p := manage.Principal{
		Tenant: t.Life.TenantID, TenantSlug: t.Life.TenantSlug, User: t.User, Role: t.UserInfo.Role, Client: t.Client,
		Expires: t.ExpiresAt, Scopes: scopes, AuthTime: t.Auth.AuthTime, AMR: t.Auth.AMR, ACR: t.Auth.ACR,
		Level: t.Auth.Level, MFATime: t.Auth.MFATime,
	}
	if t.Life.Key == "" {
		return p
	}
	p.Key, p.AuthTime, p.AMR, p.ACR = t.Life.Key, time.Time{}, nil, ""
	p.Level, p.MFATime = storage.LevelNone, time.Time{}
	if end := t.Life.KeyExpiresAt; !end.IsZero() && end.Before(p.Expires) {
		p.Expires = end
	}
	return p
}

// watch tells streams that something happened to a key, from what the node knows of
// changes.
type watch struct{ node *coherence.Node }

// Changed implements keyapi.Watch.
func (w watch) Changed(tenant storage.TenantID, id storage.KeyID) func() bool {
	on := []coherence.Cell{w.node.Cell(storage.ChangeKey, tenant, string(id)), w.node.Cell(storage.ChangeTenant, "", string(tenant))}
	mark := w.node.Mark()
	return func() bool {
		was := mark
		mark = w.node.Mark() // before it is asked: what comes in between is found the next time
		return !w.node.Current(was, on)
	}
}
