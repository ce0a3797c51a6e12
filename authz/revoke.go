package authz

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/internal/clientauth"
	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
)

// revoke is the revocation endpoint (RFC 7009). An access token dies alone, a
// refresh token takes its whole family along (RV-03). What is no token of ours
// is 200, as if it had been revoked; a token of another client is refused and
// stays as it is (RV-02). The token says what it is, so that token_type_hint has
// nothing to say. 200 means that it is done: a store that is away is 503 (RV-04).
func (s *Server) revoke(w http.ResponseWriter, r *http.Request) error {
	form, err := web.ReadForm(w, r)
	if err != nil {
		return err
	}
	creds, err := s.credentials(r, form)
	if err != nil {
		return err
	}
	if err := s.revokeToken(r.Context(), creds, form.Get("token")); err != nil {
		return s.noted(r.Context(), creds, err)
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	return nil
}

func (s *Server) revokeToken(ctx context.Context, creds clientauth.Credentials, raw string) error {
	if strings.HasPrefix(raw, string(token.Refresh)) {
		client, live, err := findWith(ctx, s, creds, token.Refresh, raw, s.cfg.Store.FindRefresh)
		if err != nil || live == nil {
			return err
		}
		return s.revokeFamily(ctx, client, live)
	}
	client, live, err := findWith(ctx, s, creds, token.Access, raw, s.cfg.Store.FindAccess)
	switch {
	case err != nil:
		return err
	case raw == "":
		return refusal("invalid_request", "The parameter token is missing.")
	case live == nil:
		return nil
	}
	return s.revokeAccess(ctx, client, live)
}

// errOtherClient is the answer to who wants to revoke somebody else's token.
var errOtherClient = refusal("unauthorized_client", "The token was issued to another client.")

// notYours is the answer to who presents a token of another client: refused, or,
// to the client of another tenant, as if there were none (RV-01).
func notYours(c storage.Client, of storage.TenantID) error {
	for _, bound := range []storage.TenantID{c.Owner, c.ServiceTenant} {
		if bound != "" && bound != of {
			return nil
		}
	}
	return errOtherClient
}

func (s *Server) revokeFamily(ctx context.Context, client storage.Client, live *storage.LiveRefresh) error {
	if live.Client != client.ID {
		return notYours(client, live.Tenant.ID)
	}
	ctx = audit.WithActor(ctx, audit.ActorClient, string(client.ID))
	ev := audit.GrantRevoked(ctx, s.now(), live.Family.ID, audit.ActorClient, "revoked_by_client")
	return revocation(s.cfg.Store.Tenant(live.Tenant.ID).RevokeGrant(ctx, live.Family.ID, s.now(), ev))
}

func (s *Server) revokeAccess(ctx context.Context, client storage.Client, live *storage.LiveToken) error {
	if live.Client != client.ID {
		return notYours(client, live.Life.TenantID)
	}
	ev := audit.TokenRevoked(ctx, s.now(), live.AccessToken)
	return revocation(s.cfg.Store.Tenant(live.Life.TenantID).RevokeToken(ctx, live.Ref, s.now(), ev))
}

// revocation is what a store's answer means: what has gone meanwhile is as dead
// as it was meant to be, everything else is not done.
func revocation(err error) error {
	if err == nil || errors.Is(err, storage.ErrNotFound) {
		return nil
	}
	return web.Unavailable(err)
}
