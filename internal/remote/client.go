package remote

import (
	"context"
	"errors"
	"net/http"
	"time"

	"golang.org/x/oauth2"
)

// Config is which server is called, and as whom.
type Config struct {
	// Server is the address of the server: its issuer.
	Server string
	// APIKey is used instead of a sign-in; "": people sign in.
	APIKey string
	// Tenant chooses among the tenants that were signed in to at the server, by slug
	// or id; "" is the last one.
	Tenant string
	// Dir keeps the credentials; see [Dir].
	Dir string
	Now func() time.Time
	// Show shows the page on which to sign in. nil: nobody is there to see it.
	Show func(page string)
}

// Client calls one server. It is not safe for concurrent use.
type Client struct {
	cfg    Config
	server string
	http   *http.Client
	// retryWait is how long to wait before what was not answered is sent again.
	retryWait time.Duration
}

// New returns a client, or what is wrong with the address.
func New(cfg Config) (*Client, error) {
	server, err := ParseServer(cfg.Server)
	if err != nil {
		return nil, err
	}
	return &Client{cfg: cfg, server: server, http: newHTTP(), retryWait: time.Second}, nil
}

// ErrNotSignedIn: nobody signed in to the server, and nobody is there to do it.
var ErrNotSignedIn = errors.New("nobody is signed in to this server")

// spare is how long an access token must still be good to be used.
const spare = 30 * time.Second

// credential is what the API gets now. renew asks for another than the one that was
// just refused.
func (c *Client) credential(ctx context.Context, renew bool) (string, error) {
	if c.cfg.APIKey != "" {
		return c.cfg.APIKey, nil
	}
	var access string
	found := false
	err := change(c.cfg.Dir, func(w wallet) (wallet, error) {
		e, ok := w.find(c.server, c.cfg.Tenant)
		if !ok {
			return w, nil
		}
		if !renew && e.Access != "" && c.cfg.Now().Add(spare).Before(e.AccessEnds) {
			access, found = e.Access, true
			return w, nil
		}
		renewed, err := c.refresh(ctx, e)
		switch {
		case over(err):
			return w.without(e), nil
		case err != nil:
			return w, err
		}
		access, found = renewed.Access, true
		return w.update(renewed), nil
	})
	if err != nil || found {
		return access, err
	}
	_, access, err = c.signIn(ctx, stepUp{})
	return access, err
}

// refresh exchanges an entry's refresh token.
func (c *Client) refresh(ctx context.Context, e entry) (entry, error) {
	m, err := discover(ctx, c.http, c.server)
	if err != nil {
		return e, err
	}
	ctx = context.WithValue(ctx, oauth2.HTTPClient, c.http)
	tok, err := m.config("").TokenSource(ctx, &oauth2.Token{RefreshToken: e.Refresh}).Token()
	if err != nil {
		return e, tokenError(err)
	}
	return e.with(tok, c.cfg.Now()), nil
}

// with is the entry with the tokens of an answer.
func (e entry) with(tok *oauth2.Token, now time.Time) entry {
	e.Access, e.Refresh = tok.AccessToken, tok.RefreshToken
	e.AccessEnds = now.Add(time.Duration(tok.ExpiresIn) * time.Second).UTC().Truncate(time.Second)
	return e
}

// SignIn lets a person sign in with a browser, and keeps what that gives.
func (c *Client) SignIn(ctx context.Context) (Who, error) {
	who, _, err := c.signIn(ctx, stepUp{})
	return who, err
}

func (c *Client) signIn(ctx context.Context, need stepUp) (Who, string, error) {
	if c.cfg.Show == nil {
		return Who{}, "", ErrNotSignedIn
	}
	m, err := discover(ctx, c.http, c.server)
	if err != nil {
		return Who{}, "", err
	}
	tok, err := signIn(ctx, c.http, m, c.cfg.Show, need)
	if err != nil {
		return Who{}, "", err
	}
	who, err := c.whoami(ctx, tok.AccessToken)
	if err == nil {
		err = c.keep(ctx, m, who, tok)
	}
	if err != nil {
		return Who{}, "", errors.Join(err, c.revoke(ctx, m, tok.RefreshToken))
	}
	if c.cfg.Tenant != "" && c.cfg.Tenant != who.Tenant && c.cfg.Tenant != who.TenantID {
		return Who{}, "", errOtherTenant
	}
	return who, tok.AccessToken, nil
}

// errOtherTenant: the person signed in to another tenant than was asked for.
var errOtherTenant = errors.New("the sign-in was to another tenant than --tenant names; it is kept, and not used now")

// keep puts a sign-in into the place of an earlier one to the same tenant, which is
// ended.
func (c *Client) keep(ctx context.Context, m metadata, who Who, tok *oauth2.Token) error {
	e := entry{Server: c.server, TenantID: who.TenantID, Tenant: who.Tenant, SignedInAt: c.cfg.Now().UTC().Truncate(time.Second)}
	var old entry
	err := change(c.cfg.Dir, func(w wallet) (wallet, error) {
		old, _ = w.find(c.server, who.TenantID)
		return w.put(e.with(tok, c.cfg.Now())), nil
	})
	if err == nil && old.Refresh != "" {
		// It is of no use any more. That the server cannot be told is no reason to
		// fail: it expires.
		_ = c.revoke(ctx, m, old.Refresh)
	}
	return err
}
