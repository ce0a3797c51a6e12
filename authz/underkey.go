package authz

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
)

// unitOfKey is what may be issued under a key. Fosite knows no exchange: its
// tokens are minted here.
func unitOfKey(client storage.Client, key *storage.LiveKey, scopes []string, now time.Time) *unit {
	return &unit{
		at: now, client: client, scopes: scopes,
		accessEnds: notAfter(now.Add(AccessLifetime), key.ExpiresAt),
		familyEnds: notAfter(now.Add(RefreshLifetime), key.ExpiresAt),
	}
}

// notAfter returns end, or limit where that is earlier; a zero limit is none.
func notAfter(end, limit time.Time) time.Time {
	if limit.IsZero() {
		return end
	}
	return earlier(end, limit)
}

// underKey mints the tokens of an exchange, and returns its one write and its
// answer. Nobody signed in: the grant hangs on the key, and on no session and no
// connection.
func (u *unit) underKey(key *storage.LiveKey, audience []string) (storage.MintUnderKey, *tokenResponse, error) {
	g := storage.Grant{
		ID: storage.NewGrantID(u.at), User: key.Owner, Client: u.client.ID, Key: key.ID,
		Scopes: u.scopes, Resource: audience, CreatedAt: u.at, ExpiresAt: u.accessEnds,
	}
	raw, ref, err := freshToken(token.Access, u.accessEnds)
	if err != nil {
		return storage.MintUnderKey{}, nil, err
	}
	answer := &tokenResponse{
		AccessToken: raw, IssuedTokenType: typeAccessToken, TokenType: "Bearer",
		ExpiresIn: int64(u.accessEnds.Sub(u.at) / time.Second), Scope: strings.Join(u.scopes, " "),
	}
	in := storage.MintUnderKey{KeyVersion: key.Version}
	if u.client.Allows(storage.GrantRefreshToken) {
		g.ExpiresAt = u.familyEnds
		if in.Refresh, answer.RefreshToken, err = u.firstRefresh(g); err != nil {
			return storage.MintUnderKey{}, nil, err
		}
	}
	u.newAccess = &write{ref: ref, scopes: u.scopes}
	in.Grant, in.Access = g, u.accessToken(g, audience)
	return in, answer, nil
}

// firstRefresh mints the first refresh token of a family.
func (u *unit) firstRefresh(g storage.Grant) (*storage.RefreshToken, string, error) {
	raw, ref, err := freshToken(token.Refresh, g.ExpiresAt)
	return &storage.RefreshToken{
		Ref: ref, Grant: g.ID, Client: g.Client, IssuedAt: u.at,
		IdleUntil: earlier(u.at.Add(RefreshIdle), g.ExpiresAt), ExpiresAt: g.ExpiresAt,
	}, raw, err
}

func freshToken(kind token.Kind, ends time.Time) (string, storage.TokenRef, error) {
	raw := token.New(kind, ends)
	ref, err := token.Parse(kind, raw)
	return raw, ref, err
}

// underItsKey holds a family that was made under a key to what the key may now: it
// returns the token with its family's scopes cut to the key's, or why it is
// refused. That the key is alive its Life has said.
func (s *Server) underItsKey(ctx context.Context, live *storage.LiveRefresh) (*storage.LiveRefresh, string, error) {
	if live.Family.Key == "" {
		return live, "", nil
	}
	if s.cfg.Keys == nil {
		return nil, "keys_are_off", nil
	}
	key, err := s.cfg.Store.Tenant(live.Tenant.ID).Key(ctx, live.Family.Key)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return nil, "key_gone", nil
	case err != nil:
		return nil, "", web.Unavailable(err)
	}
	if why := s.checkUse(ctx, key); why != "" {
		return nil, why, nil
	}
	cut := *live
	cut.Family.Scopes = common(live.Family.Scopes, s.keyScopes(key, live.UserInfo.Role))
	return &cut, "", nil
}
