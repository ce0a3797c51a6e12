package authz

import (
	"context"
	"errors"
	"time"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/internal/clientauth"
	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
)

// refreshAttempts is how often a refresh is decided afresh when the family
// changed between read and write: once as a retry, once as reuse.
const refreshAttempts = 3

// refresh exchanges a refresh token (RFC 6749 section 6). Every use gives a new
// one, and the new one follows from the old: concurrent requests, and a retry
// after a lost answer, get the same successor (RF-01, RF-13).
func (s *Server) refresh(ctx context.Context, form web.Form, creds clientauth.Credentials) (*tokenResponse, error) {
	raw := form.Get("refresh_token")
	client, live, err := findWith(ctx, s, creds, token.Refresh, raw, s.cfg.Store.FindRefresh)
	switch {
	case err != nil:
		return nil, err
	case !client.Allows(storage.GrantRefreshToken):
		return nil, refusal("unauthorized_client", "")
	case raw == "":
		return nil, refusal("invalid_request", "The parameter refresh_token is missing.")
	}
	for range refreshAttempts {
		answer, err := s.rotate(ctx, client, live, form)
		if !errors.Is(err, storage.ErrConsumed) {
			return answer, err
		}
		if client, live, err = s.cfg.Store.FindRefresh(ctx, client.ID, live.Ref); err != nil {
			return nil, storeError(err)
		}
	}
	return nil, invalidGrant("lost_race")
}

// rotate decides about one read of the refresh token and, if it is good, writes
// the exchange. storage.ErrConsumed: the family changed since it was read.
func (s *Server) rotate(ctx context.Context, client storage.Client, live *storage.LiveRefresh, form web.Form) (*tokenResponse, error) {
	if live == nil {
		return nil, invalidGrant("unknown_refresh_token")
	}
	now := s.now()
	if why := checkRefresh(client, live, now); why != "" {
		return nil, s.refuseRefresh(ctx, client, live, why, now)
	}
	held, why, err := s.underItsKey(ctx, live)
	switch {
	case err != nil:
		return nil, err
	case why != "":
		return nil, s.refuseRefresh(ctx, client, live, why, now)
	}
	live = held
	scopes, ok := refreshScopes(form.Get("scope"), client, live.Family)
	if !ok {
		return nil, refusal("invalid_scope", "The scope goes beyond what was granted.")
	}
	audience, target := narrowed(form.All("resource"), live.Family.Resource)
	if target != nil {
		return nil, target
	}
	u := unitOfRefresh(client, live, scopes, now)
	u.presented = form.Get("refresh_token")
	answer, err := s.run(ctx, u, map[string]string{"grant_type": storage.GrantRefreshToken, "refresh_token": u.presented})
	if err != nil {
		return nil, err
	}
	in := u.rotation(audience)
	err = s.cfg.Store.Tenant(live.Tenant.ID).RotateRefresh(ctx, in, audit.TokenRefreshed(ctx, now, live.Family, in.Access))
	switch {
	case errors.Is(err, storage.ErrConsumed):
		return nil, err
	case err != nil:
		return nil, storeError(err)
	}
	return answer, nil
}

// Reasons that decide what happens to the family.
const (
	otherClient = "other_client"
	reused      = "reused"
)

// tooWeak: the tenant's policy asks for more than the person proved when they
// signed in. The grant lives, and is of no use until the policy is as it was; the
// person signs in again (RF-14).
const tooWeak = "level_below_policy"

// checkRefresh returns why a refresh token is refused, "" when it is good. Whose
// it is comes first: nobody can hurt a family with a token that is not theirs
// (RF-04). Reuse comes before everything that may pass again, such as a disabled
// user.
func checkRefresh(client storage.Client, live *storage.LiveRefresh, now time.Time) string {
	switch {
	case live.Client != client.ID:
		return otherClient
	case !live.Family.RevokedAt.IsZero() || !live.Life.GrantRevokedAt.IsZero():
		return "grant_revoked"
	case !now.Before(live.ExpiresAt) || !now.Before(live.Family.ExpiresAt):
		return "expired"
	case !live.RotatedAt.IsZero() && !live.Retry(now):
		return reused
	case !now.Before(live.IdleUntil):
		return "idle"
	}
	// A suspension that is over does not kill grants, only access tokens: the
	// token counts as issued now.
	if why := live.Life.Dead(now); why != "" {
		return why
	}
	if !client.DisabledAt.IsZero() || !live.Tenant.MayUse(client) {
		return "client_not_allowed"
	}
	// Under a key nobody signed in: what its maker had to prove was asked then.
	if g := live.Family; g.Key == "" && !g.Auth.Level.AtLeast(live.Tenant.Policy.RequireLevel) {
		return tooWeak
	}
	return ""
}

// refuseRefresh records a refused refresh; reuse kills the family (RF-02).
func (s *Server) refuseRefresh(ctx context.Context, client storage.Client, live *storage.LiveRefresh, why string, now time.Time) error {
	tenant := s.cfg.Store.Tenant(live.Tenant.ID)
	ctx = audit.WithActor(ctx, audit.ActorClient, string(client.ID))
	var err error
	if why == reused {
		err = tenant.RevokeGrant(ctx, live.Family.ID, now, audit.RefreshReused(ctx, now, live.Family))
	} else {
		err = tenant.AppendEvent(ctx, audit.RefreshRefused(ctx, now, live.Family, why))
	}
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return web.Unavailable(err)
	}
	return refusedGrant(why)
}

// refreshScopes are the scopes of the new access token: what was granted and the
// client may still have, or the part of it that the request names (RF-06). The
// grant keeps all.
func refreshScopes(param string, client storage.Client, g storage.Grant) ([]string, bool) {
	requested, ok := parseScope(param)
	if !ok || !subset(requested, g.Scopes) {
		return nil, false
	}
	scopes := common(g.Scopes, client.Scopes)
	if len(requested) > 0 {
		scopes = common(requested, scopes)
	}
	return scopes, len(scopes) > 0
}

// unitOfRefresh is what fosite may issue for a refresh token.
func unitOfRefresh(client storage.Client, live *storage.LiveRefresh, scopes []string, now time.Time) *unit {
	g := live.Family
	return &unit{
		at: now, client: client, refresh: live, scopes: scopes,
		accessEnds: notAfter(earlier(now.Add(AccessLifetime), g.ExpiresAt), live.Life.KeyExpiresAt), familyEnds: g.ExpiresAt,
		identity: identity{
			user: live.UserInfo, tenantID: string(live.Tenant.ID), tenant: live.Tenant.Slug,
			session: g.Origin, auth: g.Auth, claims: g.Claims,
		},
	}
}

// rotation is the one write of a refresh.
func (u *unit) rotation(audience []string) storage.RotateRefresh {
	old := u.refresh
	return storage.RotateRefresh{
		Old: old.Ref, At: u.at,
		Successor: storage.RefreshToken{
			Ref: u.newRefresh.ref, Parent: old.Ref.Hash[:], Grant: old.Family.ID, Client: old.Client, IssuedAt: u.at,
			IdleUntil: earlier(u.at.Add(RefreshIdle), old.ExpiresAt), ExpiresAt: old.ExpiresAt,
		},
		Access: u.accessToken(old.Family, audience),
	}
}
