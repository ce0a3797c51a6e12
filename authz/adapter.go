package authz

import (
	"context"
	"encoding/hex"
	"errors"
	"net/url"
	"time"

	"github.com/ory/fosite"

	"github.com/watchgate/watchgate/storage"
)

// adapter is fosite's storage over the request's unit of work. It reaches no
// database: reads answer from the unit, writes are noted there. A question about
// anything else than what the unit holds is answered as not found.
type adapter struct{}

// errForeign: fosite wants to store a token that it did not mint in this unit.
var errForeign = errors.New("authz: a token that was not minted in this request")

// errUnasked: fosite wants something that the server decides before it runs.
var errUnasked = errors.New("authz: not decided by the engine")

// GetClient returns the unit's client.
func (adapter) GetClient(ctx context.Context, id string) (fosite.Client, error) {
	u := unitFrom(ctx)
	if id != string(u.client.ID) {
		return nil, fosite.ErrNotFound
	}
	return engineClient{u}, nil
}

// ClientAssertionJWTValid refuses: assertions are not accepted.
func (adapter) ClientAssertionJWTValid(context.Context, string) error { return errUnasked }

// SetClientAssertionJWT refuses, too.
func (adapter) SetClientAssertionJWT(context.Context, string, time.Time) error { return errUnasked }

// CreateAuthorizeCodeSession notes the code, with the scopes that were granted.
func (adapter) CreateAuthorizeCodeSession(ctx context.Context, key string, req fosite.Requester) error {
	return noteWrite(ctx, key, req, func(u *unit, w *write) { u.newCode = w })
}

// GetAuthorizeCodeSession returns the code that was presented.
func (adapter) GetAuthorizeCodeSession(ctx context.Context, key string, _ fosite.Session) (fosite.Requester, error) {
	u := unitFrom(ctx)
	if u.code == nil || !holds(u.code.Ref, key) {
		return nil, fosite.ErrNotFound
	}
	return storedCode(u), nil
}

// InvalidateAuthorizeCodeSession notes that the code is consumed. The storage
// call that redeems it is conditional; a lost race is found there.
func (adapter) InvalidateAuthorizeCodeSession(ctx context.Context, key string) error {
	u := unitFrom(ctx)
	if u.code == nil || !holds(u.code.Ref, key) {
		return fosite.ErrNotFound
	}
	u.consumed = true
	return nil
}

// CreateAccessTokenSession notes the access token.
func (adapter) CreateAccessTokenSession(ctx context.Context, key string, req fosite.Requester) error {
	return noteWrite(ctx, key, req, func(u *unit, w *write) { u.newAccess = w })
}

// CreateRefreshTokenSession notes the refresh token.
func (adapter) CreateRefreshTokenSession(ctx context.Context, key, _ string, req fosite.Requester) error {
	return noteWrite(ctx, key, req, func(u *unit, w *write) { u.newRefresh = w })
}

// GetRefreshTokenSession returns the refresh token that was presented, with the
// scopes that the access token gets. Reuse has been handled before; fosite
// never sees a token that it could call inactive.
func (adapter) GetRefreshTokenSession(ctx context.Context, key string, _ fosite.Session) (fosite.Requester, error) {
	u := unitFrom(ctx)
	if u.refresh == nil || !holds(u.refresh.Ref, key) {
		return nil, fosite.ErrNotFound
	}
	return stored(u, u.refresh.Family.ID, string(u.refresh.Family.User), nil), nil
}

// RotateRefreshToken notes that the refresh token is exchanged.
func (adapter) RotateRefreshToken(ctx context.Context, _, key string) error {
	u := unitFrom(ctx)
	if u.refresh == nil || !holds(u.refresh.Ref, key) {
		return fosite.ErrNotFound
	}
	u.consumed = true
	return nil
}

// GetPKCERequestSession returns the challenge, which lives in the code's own row
// and dies with it (D9).
func (adapter) GetPKCERequestSession(ctx context.Context, key string, _ fosite.Session) (fosite.Requester, error) {
	u := unitFrom(ctx)
	if u.code == nil || !holds(u.code.Ref, key) || u.code.Challenge == "" {
		return nil, fosite.ErrNotFound
	}
	return storedCode(u), nil
}

// GetOpenIDConnectSession returns the code, if it is one for OpenID Connect.
func (adapter) GetOpenIDConnectSession(ctx context.Context, _ string, _ fosite.Requester) (fosite.Requester, error) {
	u := unitFrom(ctx)
	if u.code == nil || !fosite.Arguments(u.scopes).Has(scopeOpenID) {
		return nil, fosite.ErrNotFound
	}
	return storedCode(u), nil
}

// One row holds the code, its challenge and its OpenID Connect part, so there is
// nothing to create or delete beside it.

func (adapter) CreatePKCERequestSession(context.Context, string, fosite.Requester) error { return nil }
func (adapter) DeletePKCERequestSession(context.Context, string) error                   { return nil }
func (adapter) CreateOpenIDConnectSession(context.Context, string, fosite.Requester) error {
	return nil
}
func (adapter) DeleteOpenIDConnectSession(context.Context, string) error { return nil }

// What follows is asked by code of fosite that is not mounted here, or that runs
// only for tokens which the server has refused already.

func (adapter) GetAccessTokenSession(context.Context, string, fosite.Session) (fosite.Requester, error) {
	return nil, fosite.ErrNotFound
}
func (adapter) DeleteAccessTokenSession(context.Context, string) error  { return errUnasked }
func (adapter) DeleteRefreshTokenSession(context.Context, string) error { return errUnasked }
func (adapter) RevokeRefreshToken(context.Context, string) error        { return errUnasked }
func (adapter) RevokeAccessToken(context.Context, string) error         { return errUnasked }

func noteWrite(ctx context.Context, key string, req fosite.Requester, keep func(*unit, *write)) error {
	u := unitFrom(ctx)
	ref, err := u.take(key)
	if err != nil {
		return err
	}
	keep(u, &write{ref: ref, scopes: req.GetGrantedScopes()})
	return nil
}

func holds(ref storage.TokenRef, key string) bool { return hex.EncodeToString(ref.Hash[:]) == key }

// storedCode is the code as the request that was once authorized.
func storedCode(u *unit) fosite.Requester {
	form := url.Values{}
	if u.redirectSent != "" {
		form.Set("redirect_uri", u.code.RedirectURI)
	}
	if u.code.Challenge != "" {
		form.Set("code_challenge", u.code.Challenge)
		form.Set("code_challenge_method", "S256")
	}
	return stored(u, u.code.Grant, string(u.code.User), form)
}

// stored is a request as fosite's own storage would return it.
func stored(u *unit, grant storage.GrantID, subject string, form url.Values) fosite.Requester {
	return &fosite.Request{
		ID: string(grant), RequestedAt: u.at, Client: engineClient{u}, Form: form,
		RequestedScope: u.scopes, GrantedScope: u.scopes, Session: newSession(subject),
	}
}
