package oidcconn

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/watchgate/watchgate/idp"
	"github.com/watchgate/watchgate/internal/outbound"
	"github.com/watchgate/watchgate/internal/seal"
	"github.com/watchgate/watchgate/storage"
)

// Leeway is how far a provider's clock may be from ours (FO-05).
const Leeway = 60 * time.Second

// maxConnectors bounds the cache; a deployment with more connections in use
// discovers some of them again.
const maxConnectors = 10_000

// defaultAlgs are accepted where the connection names none.
var defaultAlgs = []string{"RS256", "ES256"}

// asymmetric are the algorithms that a connection may name. There is no none
// and no HS* among them, whatever is stored: with an HMAC the provider's public
// key, or our client secret, would sign ID tokens (FO-05).
var asymmetric = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}

// Opener opens a connection's sealed client secret.
type Opener interface {
	Open(p seal.Place, sealed []byte) ([]byte, error)
}

// Config is what connectors share.
type Config struct {
	// Client is the guarded one (package outbound): it limits time and size,
	// and reaches no private address. Its redirects are not followed.
	Client *http.Client
	Opener Opener
	// Graph is the origin of Microsoft Graph; "": Microsoft's own. Tests put theirs here.
	Graph string
	// AllowLoopbackHTTP accepts plain http on loopback addresses: development
	// only.
	AllowLoopbackHTTP bool
	Now               func() time.Time
}

// Connect returns what opens connections. Connectors are kept by the
// connection's id and version, so that a changed connection begins afresh. The
// error is the sealed secret's that cannot be opened, or wraps
// [idp.ErrUpstreamInvalid] for a connection that cannot be used.
func Connect(cfg Config) idp.Connect {
	c := &connectors{cfg: cfg, byID: map[storage.ConnectionID]*connector{}}
	client := *cfg.Client
	// A redirected token request would carry the client secret to whoever the
	// answer names (FO-23).
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return errRedirect }
	client.Jar = nil
	client.Transport = outages{client.Transport}
	c.cfg.Client = &client
	return c.connect
}

var errRedirect = errors.New("oidcconn: redirects are not followed")

// connectors keeps the connector of each connection.
type connectors struct {
	cfg Config

	mu   sync.Mutex
	byID map[storage.ConnectionID]*connector
}

func (c *connectors) connect(_ context.Context, t storage.TenantID, con storage.Connection) (idp.Connector, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if known, ok := c.byID[con.ID]; ok && known.tenant == t && known.con.Version == con.Version {
		return known, nil
	}
	fresh, err := newConnector(c.cfg, t, con)
	if err != nil {
		return nil, err
	}
	if len(c.byID) >= maxConnectors {
		clear(c.byID)
	}
	c.byID[con.ID] = fresh
	return fresh, nil
}

func newConnector(cfg Config, t storage.TenantID, con storage.Connection) (*connector, error) {
	if con.Kind != storage.OIDC {
		return nil, invalid("the connection's kind is not oidc")
	}
	if err := checkURL(con.Issuer, cfg.AllowLoopbackHTTP); err != nil {
		return nil, invalid("issuer: %w", err)
	}
	algs := acceptedAlgs(con.Algs)
	if len(algs) == 0 {
		return nil, invalid("no acceptable signing algorithm")
	}
	quirks, known := products[con.Preset]
	if !known {
		return nil, invalid("no such preset: %.40q", con.Preset)
	}
	secrets, err := openSecrets(cfg.Opener, t, con)
	if err != nil {
		return nil, err
	}
	return &connector{cfg: cfg, tenant: t, con: con, quirks: quirks, secrets: secrets, algs: algs}, nil
}

func acceptedAlgs(named []string) []string {
	if len(named) == 0 {
		return defaultAlgs
	}
	return slices.DeleteFunc(slices.Clone(named), func(a string) bool { return !slices.Contains(asymmetric, a) })
}

// invalid is an [idp.ErrUpstreamInvalid] with its reason for the log.
func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %w", idp.ErrUpstreamInvalid, fmt.Errorf(format, args...))
}

// unavailable is an [idp.ErrUpstreamUnavailable] with its cause for the log. An
// address that we refuse to go to is none: the connection is configured wrongly,
// and will be in a minute, too.
func unavailable(what string, cause error) error {
	if errors.Is(cause, outbound.ErrRefused) {
		return invalid("%s: %w", what, cause)
	}
	return fmt.Errorf("%w: %s: %w", idp.ErrUpstreamUnavailable, what, cause)
}
