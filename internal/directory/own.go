package directory

import (
	"context"
	"errors"
	"slices"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/storage"
)

// What every deployment has registered by itself: its management API, of which it
// is the resource server itself, and the client that `watchgate key` signs in with.
const (
	OwnAPI    storage.ResourceServerID = "watchgate"
	OwnClient storage.ClientID         = "watchgate-cli"
)

// ownRedirect is where the client listens, on a port of its choice (RFC 8252
// section 7.3).
const ownRedirect = "http://127.0.0.1/callback"

// EnsureOwn registers them, and brings them up to date. Its management API is at
// /v1 below the issuer and offers scopes; it has no secret, so that nobody can ask in
// its name. Idempotent, and any number of nodes may do it at once.
func (d *Directory) EnsureOwn(ctx context.Context, issuer string, scopes []storage.Scope) error {
	ctx = audit.WithActor(ctx, audit.ActorSystem, "watchgate")
	if err := d.ensureAPI(ctx, issuer, scopes); err != nil {
		return err
	}
	return d.ensureClient(ctx, scopes)
}

func (d *Directory) ensureAPI(ctx context.Context, issuer string, scopes []storage.Scope) error {
	now := d.cfg.Now()
	want := storage.ResourceServer{ID: OwnAPI, Name: "Watchgate's management API", Audience: issuer + "/v1", Scopes: scopes, CreatedAt: now, Version: 1}
	rs, err := d.cfg.Store.ResourceServer(ctx, OwnAPI)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return unlessRaced(d.cfg.Store.CreateResourceServer(ctx, want, audit.ResourceServerCreated(ctx, now, want)))
	case err != nil || rs.Audience == want.Audience && slices.Equal(rs.Scopes, scopes) && len(rs.Secrets) == 0:
		return err
	}
	rs.Audience, rs.Scopes, rs.Secrets = want.Audience, scopes, nil
	return unlessRaced(d.cfg.Store.UpdateResourceServer(ctx, rs, audit.ResourceServerUpdated(ctx, now, rs)))
}

func (d *Directory) ensureClient(ctx context.Context, scopes []storage.Scope) error {
	now := d.cfg.Now()
	want := storage.Client{
		ID: OwnClient, Name: "Watchgate on the command line", AuthMethod: storage.AuthNone,
		GrantTypes:   []string{storage.GrantAuthorizationCode, storage.GrantRefreshToken},
		RedirectURIs: []string{ownRedirect}, Scopes: []string{"openid", "offline_access"}, Verified: true, CreatedAt: now, Version: 1,
	}
	for _, s := range scopes {
		want.Scopes = append(want.Scopes, s.Name)
	}
	c, err := d.cfg.Store.Client(ctx, OwnClient)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return unlessRaced(d.cfg.Store.CreateClient(ctx, want, audit.ClientCreated(ctx, now, want)))
	case err != nil || slices.Equal(c.Scopes, want.Scopes) && slices.Equal(c.RedirectURIs, want.RedirectURIs):
		return err
	}
	c.Scopes, c.RedirectURIs = want.Scopes, want.RedirectURIs
	return unlessRaced(d.cfg.Store.UpdateClient(ctx, c, audit.ClientUpdated(ctx, now, c)))
}

// unlessRaced forgives that another node, which does the same, was faster.
func unlessRaced(err error) error {
	if errors.Is(err, storage.ErrExists) || errors.Is(err, storage.ErrConflict) {
		return nil
	}
	return err
}
