package idp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/idp/provider"
	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
)

// errNoBackchannel: the path names nothing that speaks to us.
var errNoBackchannel = errors.New("idp: no connection that has a back channel")

// caller is the connection at whose back channel somebody calls.
type caller struct {
	tenant     storage.TenantID
	connection storage.Connection
	connector  Connector
}

// caller finds who calls, by the path. Whether the connection is disabled, or its tenant
// suspended, does not matter: what ends there stays ended.
func (s *Server) caller(r *http.Request) (caller, error) {
	c := caller{tenant: storage.TenantID(r.PathValue("tenant"))}
	con, err := s.cfg.Store.Tenant(c.tenant).Connection(r.Context(), storage.ConnectionID(r.PathValue("connection")))
	if errors.Is(err, storage.ErrNotFound) || err == nil && con.Kind == storage.Passkey {
		return caller{}, errNoBackchannel
	}
	if err != nil {
		return caller{}, away(err)
	}
	c.connection = con
	c.connector, err = s.cfg.Connect(r.Context(), c.tenant, con)
	return c, err
}

// endpoint is the URL of one of a connection's back channels, as providers are told it.
func (s *Server) endpoint(kind string, c caller) string {
	at := provider.Addresses{Issuer: s.cfg.Base, Tenant: c.tenant, Connection: c.connection.ID}
	if kind == "revocation" {
		return at.Revocation()
	}
	return at.Backchannel()
}

// once uses a token's id up, for one connection and one use (OpenID Connect Back-Channel
// Logout section 2.6, step 8). One that was used up in vain may come again, to this node.
func (s *Server) once(ctx context.Context, use string, c caller, t LogoutToken) error {
	key := use + " " + string(c.connection.ID)
	if s.endings.pay(key + " " + t.ID) {
		return nil
	}
	err := s.cfg.Store.Tenant(c.tenant).Once(ctx, key, t.ID, t.ExpiresAt)
	if errors.Is(err, storage.ErrConsumed) {
		return fmt.Errorf("%w: its jti was used before", ErrUpstreamInvalid)
	}
	if err != nil {
		return away(err)
	}
	return nil
}

// failed notes that a token which was used up had no effect.
func (s *Server) failed(use string, c caller, t LogoutToken, cause error) error {
	s.endings.owe(use+" "+string(c.connection.ID)+" "+t.ID, t.ExpiresAt, s.now())
	return away(cause)
}

func (e *endings) owe(key string, until, now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.owed == nil {
		e.owed = map[string]time.Time{}
	}
	for k, end := range e.owed {
		if now.After(end) {
			delete(e.owed, k)
		}
	}
	e.owed[key] = until
}

func (e *endings) pay(key string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, owed := e.owed[key]
	delete(e.owed, key)
	return owed
}

// upstreamRefused answers a call at a back channel that has no effect. An unknown
// connection is refused as a bad token is: the path tells nobody which there are.
// Whoever calls so can call often, so that one a minute of each kind and address is
// recorded.
func (s *Server) upstreamRefused(ctx context.Context, c caller, status int, cause error) error {
	reason := "invalid"
	switch {
	case errors.Is(cause, ErrUpstreamUnavailable):
		return web.Unavailable(cause) // its keys could not be had
	case errors.Is(cause, errNoBackchannel):
		reason = "unknown_connection"
	case !errors.Is(cause, ErrUpstreamInvalid):
		return away(cause)
	}
	refusal := web.Refuse(status, "invalid_request", "The token is not valid for this connection.", cause)
	if !s.strays.Allow(ctx, s.now(), string(c.tenant), "upstream "+reason) {
		return refusal
	}
	record := s.cfg.Store.AppendPlatformEvent
	if c.tenant != "" {
		record = s.cfg.Store.Tenant(c.tenant).AppendEvent
	}
	if err := record(ctx, audit.UpstreamRefused(ctx, s.now(), c.connection.ID, reason)); err != nil {
		return web.Unavailable(err)
	}
	return refusal
}
