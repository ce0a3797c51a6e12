package authz

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ory/fosite"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/internal/clientauth"
	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
)

// tokenResponse is RFC 6749 section 5.1, with the ID token of OIDC Core 1.0
// section 3.1.3.3, and the type that an exchange answers with (RFC 8693 section
// 2.2.1).
type tokenResponse struct {
	AccessToken     string `json:"access_token"`
	IssuedTokenType string `json:"issued_token_type,omitempty"`
	TokenType       string `json:"token_type"`
	ExpiresIn       int64  `json:"expires_in"` // seconds
	Scope           string `json:"scope"`
	RefreshToken    string `json:"refresh_token,omitempty"`
	IDToken         string `json:"id_token,omitempty"`
}

// maxClientID is the longest client id that is looked for, in bytes.
const maxClientID = 256

// token is the token endpoint (RFC 6749 section 3.2).
func (s *Server) token(w http.ResponseWriter, r *http.Request) error {
	form, err := web.ReadForm(w, r)
	if err != nil {
		return err
	}
	creds, err := s.credentials(r, form)
	if err != nil {
		return err
	}
	grant, err := s.grant(form.Get("grant_type"))
	if err != nil {
		return err
	}
	web.Annotate(r.Context(), "grant_type", form.Get("grant_type"))
	answer, err := grant(r.Context(), form, creds)
	if err != nil {
		return s.noted(r.Context(), creds, err)
	}
	w.Header().Set("Pragma", "no-cache")
	return web.WriteJSON(w, http.StatusOK, answer)
}

// granter answers one grant type.
type granter func(ctx context.Context, form web.Form, creds clientauth.Credentials) (*tokenResponse, error)

func (s *Server) grant(grantType string) (granter, error) {
	switch grantType {
	case storage.GrantAuthorizationCode:
		return s.exchange, nil
	case storage.GrantRefreshToken:
		return s.refresh, nil
	case storage.GrantClientCredentials:
		return s.clientCredentials, nil
	case storage.GrantTokenExchange:
		if s.cfg.Keys != nil {
			return s.exchangeKey, nil
		}
	case "":
		return nil, refusal("invalid_request", "The parameter grant_type is missing.")
	}
	return nil, refusal("unsupported_grant_type", "")
}

// findClient looks up the client that the credentials name, for requests whose
// token is garbage or that have none.
func (s *Server) findClient(ctx context.Context, creds clientauth.Credentials) (storage.Client, error) {
	if creds.ID == "" || len(creds.ID) > maxClientID {
		return storage.Client{}, storage.ErrNotFound
	}
	return s.cfg.Store.Client(ctx, storage.ClientID(creds.ID))
}

// findWith is findClient together with the row of a token, in one statement. A
// token that is none (TK-09's garbage) costs nothing beyond the client.
func findWith[T any](
	ctx context.Context, s *Server, creds clientauth.Credentials, kind token.Kind, raw string,
	find func(context.Context, storage.ClientID, storage.TokenRef) (storage.Client, *T, error),
) (storage.Client, *T, error) {
	ref, malformed := token.Parse(kind, raw)
	var client storage.Client
	var live *T
	var err error
	if malformed != nil || creds.ID == "" || len(creds.ID) > maxClientID {
		client, err = s.findClient(ctx, creds)
	} else {
		client, live, err = find(ctx, storage.ClientID(creds.ID), ref)
	}
	if err := s.authenticate(ctx, creds, client, err); err != nil {
		return storage.Client{}, nil, err
	}
	return client, live, nil
}

// authenticate checks the credentials of a client whose lookup gave found. An
// unknown client and a wrong secret take the same steps and get the same bytes
// (CA-14); a store that is away is never an unknown client.
func (s *Server) authenticate(ctx context.Context, creds clientauth.Credentials, client storage.Client, found error) error {
	switch {
	case found == nil:
		if clientauth.Check(creds, client.AuthMethod, client.Secrets, s.now()) {
			web.Annotate(ctx, "client", string(client.ID))
			return nil
		}
	case errors.Is(found, storage.ErrNotFound):
		clientauth.Check(creds, storage.AuthBasic, nil, s.now())
	default:
		return web.Unavailable(found)
	}
	return s.rejectClient(ctx, creds)
}

// rejectClient records a client that could not prove itself, or is disabled, and
// returns what it gets.
func (s *Server) rejectClient(ctx context.Context, creds clientauth.Credentials) error {
	return s.recorded(ctx, clientauth.Invalid(creds), audit.ClientAuthFailed(ctx, s.now(), storage.ClientID(creds.ID)))
}

// recorded appends the event of a refusal to the platform's trail, as far as one
// address may fill it, and returns the refusal.
func (s *Server) recorded(ctx context.Context, refused *web.Error, ev storage.Event) error {
	if !s.limiter.Allow(ctx, s.now(), "", ev.Kind+" "+refused.Code) {
		return refused
	}
	if err := s.cfg.Store.AppendPlatformEvent(ctx, ev); err != nil {
		return web.Unavailable(err)
	}
	return refused
}

// unrecorded are refusals that the grants have not recorded themselves.
var unrecorded = []string{"unauthorized_client", "invalid_scope", "invalid_target"}

// noted records a refusal of what a client may not have, unless it is recorded.
func (s *Server) noted(ctx context.Context, creds clientauth.Credentials, err error) error {
	var refused *web.Error
	if !errors.As(err, &refused) || !slices.Contains(unrecorded, refused.Code) {
		return err
	}
	return s.recorded(ctx, refused, audit.TokenRefused(ctx, s.now(), storage.ClientID(creds.ID), refused.Code))
}

// credentials are those of a request; what is malformed about them is
// recorded as a client that could not prove itself.
func (s *Server) credentials(r *http.Request, form web.Form) (clientauth.Credentials, error) {
	creds, err := clientauth.Read(r, form)
	var refused *web.Error
	if errors.As(err, &refused) && refused.Code == "invalid_client" {
		return creds, s.recorded(r.Context(), refused, audit.ClientAuthFailed(r.Context(), s.now(), storage.ClientID(creds.ID)))
	}
	return creds, err
}

// run lets fosite decide about a token request whose every parameter we have
// checked, and returns its answer. The unit then holds what to write.
func (s *Server) run(ctx context.Context, u *unit, params map[string]string) (*tokenResponse, error) {
	ctx = withUnit(ctx, u)
	req, err := s.engine.NewAccessRequest(ctx, engineRequest(params), newSession(string(u.client.ID)))
	if err != nil {
		return nil, engineError(err)
	}
	if u.code == nil && u.refresh == nil {
		for _, scope := range u.scopes {
			req.GrantScope(scope)
		}
	}
	resp, err := s.engine.NewAccessResponse(ctx, req)
	if err != nil {
		return nil, engineError(err)
	}
	return u.answer(resp)
}

// answer is what the client gets, if what fosite answers and what it wants
// written belong together.
func (u *unit) answer(resp fosite.AccessResponder) (*tokenResponse, error) {
	refresh, _ := resp.GetExtra("refresh_token").(string)
	id, _ := resp.GetExtra("id_token").(string)
	presented := u.code != nil || u.refresh != nil
	if u.newAccess == nil || resp.GetAccessToken() != u.accessRaw || u.consumed != presented || (refresh != "") != (u.newRefresh != nil) {
		return nil, because(refusal("server_error", ""), reason("engine answered something else than it wants written"))
	}
	return &tokenResponse{
		AccessToken: u.accessRaw, TokenType: "Bearer", ExpiresIn: int64(u.accessEnds.Sub(u.at) / time.Second),
		Scope: strings.Join(u.newAccess.scopes, " "), RefreshToken: refresh, IDToken: id,
	}, nil
}

// accessToken is the row of the access token that fosite wants.
func (u *unit) accessToken(g storage.Grant, audience []string) storage.AccessToken {
	return storage.AccessToken{
		Ref: u.newAccess.ref, ID: storage.NewTokenID(u.at), Grant: g.ID, Client: u.client.ID, User: g.User,
		Session: g.Session, Connection: g.Connection, Scopes: u.newAccess.scopes, Audience: audience, Auth: g.Auth,
		Claims:   requestedClaims(u.identity.claims).userinfoPart(u.client.Scopes),
		IssuedAt: u.at, ExpiresAt: u.accessEnds,
	}
}

// earlier returns the earlier of two times.
func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
