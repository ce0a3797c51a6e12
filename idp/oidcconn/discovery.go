package oidcconn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

const (
	// discoveryAge is how long a discovery document is used before it is read
	// again; staleAge how long it, or a key set, may serve while the provider
	// is away (FO-21).
	discoveryAge = time.Hour
	staleAge     = 24 * time.Hour
	// retryAge is the least time between two attempts to read again what we
	// still hold a copy of.
	retryAge = time.Minute
	// fetchTimeout bounds a fetch that several callers wait for.
	fetchTimeout = 15 * time.Second
)

// metadata is what we read of a discovery document (OpenID Connect Discovery
// section 3; RFC 9207 section 3).
type metadata struct {
	Issuer                string   `json:"issuer"`
	AuthorizationEndpoint string   `json:"authorization_endpoint"`
	TokenEndpoint         string   `json:"token_endpoint"`
	JWKSURI               string   `json:"jwks_uri"`
	UserinfoEndpoint      string   `json:"userinfo_endpoint"`
	AuthMethods           []string `json:"token_endpoint_auth_methods_supported"`
	IssInResponse         bool     `json:"authorization_response_iss_parameter_supported"`
}

// provider is a checked discovery document with its key set.
type provider struct {
	oidc *oidc.Provider
	meta metadata
	keys *keySet
	read time.Time
}

// discover returns the provider: the one that was read within the hour, or a
// fresh one. While the provider is away the old one serves for a day.
func (c *connector) discover(ctx context.Context) (*provider, error) {
	c.mu.Lock()
	known, tried := c.provider, c.tried
	c.mu.Unlock()
	now := c.cfg.Now()
	if known != nil && (now.Sub(known.read) < discoveryAge || now.Sub(tried) < retryAge) && now.Sub(known.read) < staleAge {
		return known, nil
	}
	fresh, err, _ := c.flights.Do("discovery", func() (any, error) { return c.readDiscovery(ctx, known) })
	if err == nil {
		return fresh.(*provider), nil
	}
	if known != nil && now.Sub(known.read) < staleAge {
		return known, nil
	}
	return nil, err
}

// readDiscovery outlives the caller that began it: others wait for it too.
func (c *connector) readDiscovery(ctx context.Context, known *provider) (*provider, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
	defer cancel()
	fresh, err := c.fetchProvider(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tried = c.cfg.Now()
	if err != nil {
		return nil, err
	}
	if known != nil && known.meta.JWKSURI == fresh.meta.JWKSURI {
		fresh.keys = known.keys
	}
	c.provider = fresh
	return fresh, nil
}

func (c *connector) fetchProvider(ctx context.Context) (*provider, error) {
	if why := c.whyUnusable(); why != "" {
		return nil, invalid("%s", why)
	}
	// go-oidc's own comparison knows no metadata that several issuers share.
	ctx = oidc.InsecureIssuerURLContext(ctx, c.con.Issuer)
	found, err := oidc.NewProvider(oidc.ClientContext(ctx, c.cfg.Client), c.con.Issuer)
	switch {
	case err != nil && reached(err):
		return nil, invalid("discovery: %w", brief(err))
	case err != nil:
		return nil, unavailable("discovery", brief(err))
	}
	p := &provider{oidc: found, read: c.cfg.Now()}
	if err := found.Claims(&p.meta); err != nil {
		return nil, invalid("discovery: %w", err)
	}
	if !c.namesIssuer(p.meta.Issuer) {
		return nil, invalid("discovery names the issuer %.200q, and not the connection's", p.meta.Issuer) // FO-01
	}
	if err := p.meta.check(c.cfg.AllowLoopbackHTTP); err != nil {
		return nil, err
	}
	p.keys = newKeySet(c.cfg, p.meta.JWKSURI, c.algs)
	return p, nil
}

// address is an endpoint of a provider.
type address struct {
	name, url string
	needed    bool
}

func (m metadata) addresses() []address {
	return []address{
		{"authorization_endpoint", m.AuthorizationEndpoint, true},
		{"token_endpoint", m.TokenEndpoint, true},
		{"jwks_uri", m.JWKSURI, true},
		{"userinfo_endpoint", m.UserinfoEndpoint, false},
	}
}

// check refuses endpoints that must not be used (FO-22).
func (m metadata) check(loopbackHTTP bool) error {
	for _, e := range m.addresses() {
		if e.url == "" && !e.needed {
			continue
		}
		if err := checkURL(e.url, loopbackHTTP); err != nil {
			return invalid("discovery: %s: %w", e.name, err)
		}
	}
	return nil
}

// authStyle is how we present our secret at the token endpoint: by Basic unless
// the provider only takes the form. It is never tried out, because a failed
// trial spends the code.
func (m metadata) authStyle(secret string) oauth2.AuthStyle {
	basic := len(m.AuthMethods) == 0 || slices.Contains(m.AuthMethods, "client_secret_basic")
	if secret != "" && basic {
		return oauth2.AuthStyleInHeader
	}
	return oauth2.AuthStyleInParams
}

// reached reports whether the provider answered, so that what is wrong is the
// answer and not the way to it.
func reached(err error) bool {
	var network net.Error
	return !errors.As(err, &network) && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF)
}

// maxCause is how much of a library's error text is kept, in bytes: some quote
// the whole answer.
const maxCause = 256

// brief keeps what errors.Is and errors.As see of err, and cuts its text.
func brief(err error) error {
	text := err.Error()
	if len(text) <= maxCause {
		return err
	}
	return &cut{text: fmt.Sprintf("%.*s...", maxCause, text), cause: err}
}

type cut struct {
	text  string
	cause error
}

func (c *cut) Error() string { return c.text }
func (c *cut) Unwrap() error { return c.cause }
