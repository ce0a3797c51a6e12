package authz

import (
	"context"
	"net/http"
	"net/url"

	"github.com/ory/fosite"
	"github.com/ory/fosite/handler/oauth2"
	"github.com/ory/fosite/handler/openid"
	"github.com/ory/fosite/handler/pkce"
)

// sentinelState stands in for the state that fosite insists on; the client's own
// goes back byte for byte, and an absent one stays absent.
const sentinelState = "state-is-not-checked-here"

// newEngine composes fosite from the grants that exist, and from nothing else:
// no implicit, hybrid or password handler is linked in.
func newEngine(tokens strategy, ids idTokens) *fosite.Fosite {
	base := &fosite.Config{
		AuthorizeCodeLifespan:        CodeLifetime,
		AccessTokenLifespan:          AccessLifetime,
		RefreshTokenLifespan:         RefreshLifetime,
		IDTokenLifespan:              IDTokenLifetime,
		IDTokenIssuer:                ids.issuer,
		ScopeStrategy:                fosite.ExactScopeStrategy,
		AudienceMatchingStrategy:     fosite.ExactAudienceMatchingStrategy,
		RedirectSecureChecker:        secureRedirect,
		OmitRedirectScopeParam:       true,
		ClientAuthenticationStrategy: authenticated,
		SanitationWhiteList:          []string{"code", "redirect_uri", "code_challenge", "code_challenge_method"},
	}
	cfg := &config{Config: base}
	base.AuthorizeEndpointHandlers, cfg.grants = handlers(cfg, tokens, ids)
	return fosite.NewOAuth2Provider(adapter{}, cfg)
}

// grants are the handlers of each grant type.
type grants struct{ code, refresh, machine fosite.TokenEndpointHandlers }

// handlers returns the grants, each in the order in which they must run: what issues
// the code before what binds to it, what issues the access token before what
// hashes it.
func handlers(cfg *config, tokens strategy, ids idTokens) (fosite.AuthorizeEndpointHandlers, grants) {
	store := adapter{}
	issuer := &openid.IDTokenHandleHelper{IDTokenStrategy: ids}
	code := &oauth2.AuthorizeExplicitGrantHandler{
		AccessTokenStrategy: tokens, RefreshTokenStrategy: tokens, AuthorizeCodeStrategy: tokens,
		CoreStorage: store, TokenRevocationStorage: store, Config: cfg,
	}
	machine := &oauth2.ClientCredentialsGrantHandler{
		HandleHelper: &oauth2.HandleHelper{AccessTokenStrategy: tokens, AccessTokenStorage: store, Config: cfg},
		Config:       cfg,
	}
	refresh := &oauth2.RefreshTokenGrantHandler{
		AccessTokenStrategy: tokens, RefreshTokenStrategy: tokens, TokenRevocationStorage: store, Config: cfg,
	}
	oidcCode := &openid.OpenIDConnectExplicitHandler{
		OpenIDConnectRequestStorage:   store,
		OpenIDConnectRequestValidator: openid.NewOpenIDConnectRequestValidator(nil, cfg),
		Config:                        cfg, IDTokenHandleHelper: issuer,
	}
	oidcRefresh := &openid.OpenIDConnectRefreshHandler{IDTokenHandleHelper: issuer, Config: cfg}
	proof := &pkce.Handler{AuthorizeCodeStrategy: tokens, Storage: store, Config: cfg}
	return fosite.AuthorizeEndpointHandlers{code, oidcCode, proof},
		grants{
			code:    fosite.TokenEndpointHandlers{code, oidcCode, proof},
			refresh: fosite.TokenEndpointHandlers{refresh, oidcRefresh},
			machine: fosite.TokenEndpointHandlers{machine},
		}
}

// config is fosite's configuration, with what depends on the request.
type config struct {
	*fosite.Config
	grants grants
}

// GetTokenEndpointHandlers returns those of what was presented, which the unit
// knows: no grant can be answered by the handlers of another, and none is asked
// in vain (fosite collects a stack trace for each that says no).
func (c *config) GetTokenEndpointHandlers(ctx context.Context) fosite.TokenEndpointHandlers {
	switch u := unitFrom(ctx); {
	case u.code != nil:
		return c.grants.code
	case u.refresh != nil:
		return c.grants.refresh
	}
	return c.grants.machine
}

// GetEnforcePKCE demands PKCE of everybody but the confidential clients that are
// registered without it (D9).
func (c *config) GetEnforcePKCE(ctx context.Context) bool {
	client := unitFrom(ctx).client
	return client.Public() || !client.PKCEOptional
}

// GetRefreshTokenScopes asks for offline_access where a refresh token is first
// issued. Where one is exchanged, the grant has decided, and the request may
// have narrowed the access token's scope.
func (c *config) GetRefreshTokenScopes(ctx context.Context) []string {
	if unitFrom(ctx).refresh != nil {
		return []string{}
	}
	return []string{scopeOffline}
}

// secureRedirect is ours, because fosite's own checkers let javascript: and
// data: through.
func secureRedirect(_ context.Context, u *url.URL) bool { return ValidRedirectURI(u.String()) == nil }

// authenticated hands fosite the client that the endpoint has authenticated.
func authenticated(ctx context.Context, _ *http.Request, _ url.Values) (fosite.Client, error) {
	return engineClient{unitFrom(ctx)}, nil
}

// engineRequest is a request that holds nothing but the parameters that we have
// checked; fosite never sees the one that came over the wire.
func engineRequest(params map[string]string) *http.Request {
	form := url.Values{}
	for name, value := range params {
		if value != "" {
			form.Set(name, value)
		}
	}
	return &http.Request{Method: http.MethodPost, Header: http.Header{}, Form: form, PostForm: form}
}
