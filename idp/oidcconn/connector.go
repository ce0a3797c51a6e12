package oidcconn

import (
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/sync/singleflight"

	"github.com/watchgate/watchgate/idp"
	"github.com/watchgate/watchgate/storage"
)

// maxParam bounds what a provider puts into the callback's URL, in bytes.
const maxParam = 4096

// connector is one version of one connection. It is safe for concurrent use.
type connector struct {
	cfg    Config
	tenant storage.TenantID
	con    storage.Connection
	quirks quirks
	algs   []string

	secrets []clientSecret
	working atomic.Int32 // which of them worked last

	flights  singleflight.Group
	mu       sync.Mutex
	provider *provider
	tried    time.Time  // when discovery was last asked for
	org      *connector // see organization
}

var (
	_ idp.Connector          = (*connector)(nil)
	_ idp.Examiner           = (*connector)(nil)
	_ idp.LogoutVerifier     = (*connector)(nil)
	_ idp.RevocationVerifier = (*connector)(nil)
)

// AuthURL returns the authentication request (OpenID Connect Core section
// 3.1.2.1). Errors wrap [idp.ErrUpstreamInvalid] and
// [idp.ErrUpstreamUnavailable].
func (c *connector) AuthURL(ctx context.Context, req idp.UpstreamRequest) (string, error) {
	p, err := c.discover(ctx)
	if err != nil {
		return "", err
	}
	options := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(req.Verifier), oidc.Nonce(req.Nonce)}
	for name, value := range c.params(req) {
		if value != "" {
			options = append(options, oauth2.SetAuthURLParam(name, value))
		}
	}
	return c.oauth2(p, "", req.RedirectURI).AuthCodeURL(req.State, options...), nil
}

// params are the optional parameters of an authentication request; empty ones are not
// sent.
func (c *connector) params(req idp.UpstreamRequest) map[string]string {
	params := map[string]string{
		"login_hint": req.LoginHint, "prompt": req.Prompt, "acr_values": strings.Join(req.ACRValues, " "),
	}
	if req.MaxAge != nil {
		params["max_age"] = strconv.FormatInt(*req.MaxAge, 10)
	}
	if c.quirks.ask != nil {
		c.quirks.ask(c.con, req, params)
	}
	return params
}

// Finish checks the authentication response, exchanges the code and verifies
// what comes. Errors wrap one of the sentinels of package idp.
func (c *connector) Finish(ctx context.Context, cb idp.UpstreamCallback) (idp.Subject, error) {
	p, err := c.discover(ctx)
	if err != nil {
		return idp.Subject{}, err
	}
	code, err := c.checkResponse(p, cb.Params)
	if err != nil {
		return idp.Subject{}, err
	}
	tokens, err := c.exchange(ctx, p, code, cb)
	if err != nil {
		return idp.Subject{}, err
	}
	t, err := c.verify(ctx, p, tokens, cb.Nonce)
	if err != nil {
		return idp.Subject{}, err
	}
	return c.subject(ctx, p, t, tokens)
}

func (c *connector) oauth2(p *provider, secret, redirectURI string) *oauth2.Config {
	endpoint := p.oidc.Endpoint()
	endpoint.AuthStyle = p.meta.authStyle(secret)
	return &oauth2.Config{
		ClientID: c.con.ClientID, ClientSecret: secret, Endpoint: endpoint, RedirectURL: redirectURI, Scopes: c.scopes(),
	}
}

// scopes are those that are asked for, openid always among them.
func (c *connector) scopes() []string {
	all := slices.Clone(c.con.Scopes)
	if !slices.Contains(all, oidc.ScopeOpenID) {
		all = append([]string{oidc.ScopeOpenID}, all...)
	}
	if c.quirks.scopes != nil {
		for _, s := range c.quirks.scopes(c.con) {
			if !slices.Contains(all, s) {
				all = append(all, s)
			}
		}
	}
	return all
}

// checkResponse returns the code of a response that this provider made. The
// issuer comes first: of a mixed-up response neither code nor error is acted
// on (RFC 9207 section 2.4).
func (c *connector) checkResponse(p *provider, params url.Values) (string, error) {
	for _, name := range []string{"iss", "error", "code"} {
		if len(params[name]) > 1 || len(params.Get(name)) > maxParam {
			return "", invalid("the response's %s is repeated or too long", name)
		}
	}
	if iss, sent := params.Get("iss"), params.Has("iss"); (sent || p.meta.IssInResponse) && iss != c.con.Issuer {
		return "", invalid("the response is not from the connection's issuer")
	}
	if params.Get("error") != "" {
		return "", responseError(params.Get("error"))
	}
	if params.Get("code") == "" {
		return "", invalid("the response has neither code nor error")
	}
	return params.Get("code"), nil
}
