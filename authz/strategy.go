package authz

import (
	"context"
	"encoding/hex"
	"time"

	"github.com/ory/fosite"

	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/storage"
)

// strategy mints and reads tokens in the format of package token. Whether a
// token is good is not its business: the server has decided that before fosite
// asks.
type strategy struct{ successorKey []byte }

// signature is what fosite calls a token's key: the hash, in hexadecimal, or ""
// for what is no token.
func signature(kind token.Kind, raw string) string {
	ref, err := token.Parse(kind, raw)
	if err != nil {
		return ""
	}
	return hex.EncodeToString(ref.Hash[:])
}

func (strategy) mint(u *unit, kind token.Kind, expires time.Time) (string, string, error) {
	return noted(u, kind, token.New(kind, expires))
}

// noted tells the unit where the row of a fresh token will be.
func noted(u *unit, kind token.Kind, raw string) (string, string, error) {
	ref, err := token.Parse(kind, raw)
	if err != nil {
		return "", "", err
	}
	key := hex.EncodeToString(ref.Hash[:])
	u.note(key, ref)
	return raw, key, nil
}

func wellFormed(kind token.Kind, raw string) error {
	if _, err := token.Parse(kind, raw); err != nil {
		return fosite.ErrInvalidTokenFormat
	}
	return nil
}

// GenerateAuthorizeCode mints a code.
func (s strategy) GenerateAuthorizeCode(ctx context.Context, _ fosite.Requester) (string, string, error) {
	u := unitFrom(ctx)
	return s.mint(u, token.Code, u.at.Add(CodeLifetime))
}

// GenerateAccessToken mints an access token.
func (s strategy) GenerateAccessToken(ctx context.Context, _ fosite.Requester) (string, string, error) {
	u := unitFrom(ctx)
	raw, key, err := s.mint(u, token.Access, u.accessEnds)
	u.accessRaw = raw
	return raw, key, err
}

// GenerateRefreshToken mints the first refresh token of a family, or derives the
// successor of the one that was presented, so that two requests with the same
// token get the same successor and a family has one live child (RF-13).
func (s strategy) GenerateRefreshToken(ctx context.Context, _ fosite.Requester) (string, string, error) {
	u := unitFrom(ctx)
	if u.refresh == nil {
		return s.mint(u, token.Refresh, u.familyEnds)
	}
	raw, err := token.Successor(s.successorKey, u.presented)
	if err != nil {
		return "", "", err
	}
	return noted(u, token.Refresh, raw)
}

func (strategy) AuthorizeCodeSignature(_ context.Context, raw string) string {
	return signature(token.Code, raw)
}

func (strategy) AccessTokenSignature(_ context.Context, raw string) string {
	return signature(token.Access, raw)
}

func (strategy) RefreshTokenSignature(_ context.Context, raw string) string {
	return signature(token.Refresh, raw)
}

func (strategy) ValidateAuthorizeCode(_ context.Context, _ fosite.Requester, raw string) error {
	return wellFormed(token.Code, raw)
}

func (strategy) ValidateAccessToken(_ context.Context, _ fosite.Requester, raw string) error {
	return wellFormed(token.Access, raw)
}

func (strategy) ValidateRefreshToken(_ context.Context, _ fosite.Requester, raw string) error {
	return wellFormed(token.Refresh, raw)
}

// take returns where a minted token's row goes, once: fosite must store what it
// minted and nothing else.
func (u *unit) take(key string) (storage.TokenRef, error) {
	ref, ok := u.minted[key]
	if !ok {
		return storage.TokenRef{}, errForeign
	}
	delete(u.minted, key)
	return ref, nil
}
