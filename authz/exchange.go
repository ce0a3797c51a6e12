package authz

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"slices"
	"time"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/internal/clientauth"
	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
)

// exchange redeems an authorization code (RFC 6749 section 4.1.3): one read, the
// checks in the order of TK-07, one conditional write.
func (s *Server) exchange(ctx context.Context, form web.Form, creds clientauth.Credentials) (*tokenResponse, error) {
	client, live, err := findWith(ctx, s, creds, token.Code, form.Get("code"), s.cfg.Store.FindCode)
	switch {
	case err != nil:
		return nil, err
	case !client.Allows(storage.GrantAuthorizationCode):
		return nil, refusal("unauthorized_client", "")
	case form.Get("code") == "":
		return nil, refusal("invalid_request", "The parameter code is missing.")
	case live == nil:
		return nil, invalidGrant("unknown_code")
	}
	now := s.now()
	if verdict := checkCode(client, live, form, now); verdict.refused() {
		return nil, s.refuseCode(ctx, client, live, verdict, now)
	}
	return s.redeem(ctx, client, live, form, now)
}

// codeVerdict is what a redemption came to: why it is refused, "" when it is
// not, and what that does to the code.
type codeVerdict struct {
	why    string
	effect codeEffect
}

type codeEffect int

const (
	untouched codeEffect = iota // nothing happens to the code
	counted                     // one of its five attempts is spent (TK-10)
	replayed                    // its tokens are revoked (TK-08)
)

func (v codeVerdict) refused() bool { return v.why != "" }

// checkCode judges one redemption. Client, redirect URI and verifier come before
// everything that a stranger's request could cause (C9).
func checkCode(client storage.Client, live *storage.LiveCode, form web.Form, now time.Time) codeVerdict {
	switch {
	case live.Client != client.ID:
		return codeVerdict{"other_client", untouched}
	case !redirectMatches(live.Code, form.Get("redirect_uri")):
		return failedAttempt(live, "redirect_uri_mismatch")
	case !verifierMatches(live.Challenge, form.Get("code_verifier")):
		return failedAttempt(live, "verifier_mismatch")
	case !live.UsedAt.IsZero():
		return codeVerdict{"already_used", replayed}
	case !now.Before(live.ExpiresAt):
		return codeVerdict{"expired", untouched}
	}
	if why := live.Life.Dead(now); why != "" {
		return codeVerdict{why, untouched}
	}
	if !client.DisabledAt.IsZero() || !live.Tenant.MayUse(client) {
		return codeVerdict{"client_not_allowed", untouched}
	}
	if !live.Auth.Level.AtLeast(live.Tenant.Policy.RequireLevel) {
		return codeVerdict{tooWeak, untouched} // the policy is stricter than when it was approved
	}
	return codeVerdict{}
}

// failedAttempt counts, unless the code is used up anyway: then a wrong guess
// changes nothing (TK-08).
func failedAttempt(live *storage.LiveCode, why string) codeVerdict {
	if !live.UsedAt.IsZero() {
		return codeVerdict{why, untouched}
	}
	return codeVerdict{why, counted}
}

// redirectMatches: one that is sent must be the one that the code went to; it
// may be left out if the code has a challenge, which binds the request better
// (C6), or if the authorization request had none.
func redirectMatches(c storage.Code, sent string) bool {
	if sent == "" {
		return c.Challenge != "" || !c.RedirectSent
	}
	return sent == c.RedirectURI
}

// verifierMatches is RFC 7636 section 4.6 for S256. A verifier without a stored
// challenge is refused, too: it shows that the challenge was stripped from the
// authorization request (RFC 9700 section 4.8.2).
func verifierMatches(challenge, verifier string) bool {
	if challenge == "" || verifier == "" {
		return challenge == verifier
	}
	sum := sha256.Sum256([]byte(verifier))
	computed := base64.RawURLEncoding.EncodeToString(sum[:])
	return verifierForm(verifier) && subtle.ConstantTimeCompare([]byte(computed), []byte(challenge)) == 1
}

// verifierForm is RFC 7636 section 4.1: 43 to 128 unreserved characters.
func verifierForm(v string) bool {
	if len(v) < 43 || len(v) > 128 {
		return false
	}
	for i := range len(v) {
		switch c := v[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '.', c == '_', c == '~':
		default:
			return false
		}
	}
	return true
}

// refuseCode records a refused redemption and does what follows from it. What
// the client reads is the same in every case.
func (s *Server) refuseCode(ctx context.Context, client storage.Client, live *storage.LiveCode, v codeVerdict, now time.Time) error {
	tenant := s.cfg.Store.Tenant(live.Tenant.ID)
	ctx = audit.WithActor(ctx, audit.ActorClient, string(client.ID))
	refused := audit.CodeRefused(ctx, now, live.Code, v.why)
	var err error
	switch v.effect {
	case counted:
		err = tenant.FailCode(ctx, live.Ref, now, refused)
	case replayed:
		err = tenant.RevokeGrant(ctx, live.Grant, now, audit.CodeReplayed(ctx, now, live.Code))
		if errors.Is(err, storage.ErrNotFound) {
			// Five failed attempts used the code up: there are no tokens.
			err = tenant.AppendEvent(ctx, refused)
		}
	default:
		err = tenant.AppendEvent(ctx, refused)
	}
	if err != nil && !errors.Is(err, storage.ErrConsumed) && !errors.Is(err, storage.ErrNotFound) {
		return web.Unavailable(err)
	}
	return refusedGrant(v.why)
}

// redeem issues the tokens of a code that passed every check.
func (s *Server) redeem(ctx context.Context, client storage.Client, live *storage.LiveCode, form web.Form, now time.Time) (*tokenResponse, error) {
	audience, target := narrowed(form.All("resource"), live.Resource)
	if target != nil {
		return nil, target
	}
	u := unitOfCode(client, live, now)
	u.redirectSent = form.Get("redirect_uri")
	if len(u.scopes) == 0 {
		return nil, invalidGrant("scopes_withdrawn")
	}
	answer, err := s.run(ctx, u, map[string]string{
		"grant_type": storage.GrantAuthorizationCode, "code": form.Get("code"),
		"code_verifier": form.Get("code_verifier"), "redirect_uri": u.redirectSent,
	})
	if err != nil {
		return nil, err
	}
	in := u.redemption(audience)
	ev := audit.CodeRedeemed(ctx, now, in.Grant, in.Access, in.Refresh != nil)
	err = s.cfg.Store.Tenant(live.Tenant.ID).RedeemCode(ctx, in, ev)
	if errors.Is(err, storage.ErrConsumed) {
		// Somebody was faster with the same code and the same proof.
		return nil, s.refuseCode(ctx, client, live, codeVerdict{"already_used", replayed}, now)
	}
	if err != nil {
		return nil, storeError(err)
	}
	return answer, nil
}

// unitOfCode is what fosite may issue for a code. Scopes that the client has
// lost since are not issued (AZ-36).
func unitOfCode(client storage.Client, live *storage.LiveCode, now time.Time) *unit {
	scopes := common(live.Scopes, client.Scopes)
	ends := now.Add(AccessLifetime)
	if bound := !slices.Contains(scopes, scopeOffline) || !client.Allows(storage.GrantRefreshToken); bound && !live.Life.SessionExpiresAt.IsZero() {
		// What hangs on a session is over when the session is.
		ends = earlier(ends, live.Life.SessionExpiresAt)
	}
	return &unit{
		at: now, client: client, code: live, scopes: scopes,
		accessEnds: ends, familyEnds: now.Add(RefreshLifetime),
		identity: identity{
			user: live.UserInfo, tenantID: string(live.Tenant.ID), tenant: live.Tenant.Slug,
			session: live.Session, auth: live.Auth, nonce: live.Nonce, claims: live.Claims,
		},
	}
}

// redemption is the one write of a code exchange.
func (u *unit) redemption(audience []string) storage.RedeemCode {
	c := u.code
	g := storage.Grant{
		ID: c.Grant, User: c.User, Client: c.Client, Session: c.Session, Origin: c.Session, Connection: c.Connection,
		Scopes: u.scopes, Resource: c.Resource, Auth: c.Auth, Nonce: c.Nonce, Claims: c.Claims,
		CreatedAt: u.at, ExpiresAt: u.accessEnds,
	}
	in := storage.RedeemCode{Code: c.Ref, At: u.at}
	if u.newRefresh != nil {
		// Offline access outlives the session (OIDC Core 1.0 section 11).
		g.Session, g.ExpiresAt = "", u.familyEnds
		in.Refresh = &storage.RefreshToken{
			Ref: u.newRefresh.ref, Grant: g.ID, Client: g.Client, IssuedAt: u.at,
			IdleUntil: u.at.Add(RefreshIdle), ExpiresAt: g.ExpiresAt,
		}
	}
	in.Grant, in.Access = g, u.accessToken(g, audience)
	return in
}
