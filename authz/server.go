package authz

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/ory/fosite"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/internal/assurance"
	"github.com/watchgate/watchgate/internal/catalogue"
	"github.com/watchgate/watchgate/internal/limit"
	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
)

// Lifetimes of what the engine issues. None of them depends on the client.
const (
	CodeLifetime    = 60 * time.Second
	AccessLifetime  = time.Hour
	IDTokenLifetime = time.Hour
	// RefreshLifetime is the absolute end of a token family, counted from its
	// grant; RefreshIdle the longest silence within it.
	RefreshLifetime = 30 * 24 * time.Hour
	RefreshIdle     = 14 * 24 * time.Hour
)

// SignIn is how a person gets signed in when a request cannot be answered with
// the sessions that the browser has.
type SignIn interface {
	// Handles returns the SHA-256 of the session handles in this browser's
	// cookies.
	Handles(r *http.Request) [][]byte
	// Begin stores the request, answers with a redirect to the first page of the
	// sign-in, and leads to Approve or Refuse.
	Begin(w http.ResponseWriter, r *http.Request, req storage.AuthorizeRequest) error
}

// Signer signs ID tokens and recognizes our own.
type Signer interface {
	// Sign returns a compact JWS with the active key of alg.
	Sign(ctx context.Context, alg, typ string, claims any) (string, error)
	// Verify returns the payload of a JWS made with one of our published keys,
	// whether it has expired or not.
	Verify(ctx context.Context, compact string) ([]byte, error)
	Keys
}

// Keys are the public halves of what signs.
type Keys interface {
	// JWKS returns the public JWK set, in JSON.
	JWKS(ctx context.Context) ([]byte, error)
	// Algs returns the algorithms that there are keys for.
	Algs() []string
}

// Store is the part of the storage that the engine uses.
type Store interface {
	storage.TokenLookups
	// AuthorizeView is that of [storage.SessionLookups].
	AuthorizeView(ctx context.Context, client storage.ClientID, redirectHost, resource string, handles [][]byte) (storage.Client, []storage.LiveSession, error)
	// Client is that of [storage.ClientReader].
	Client(ctx context.Context, id storage.ClientID) (storage.Client, error)
	// TenantByID is that of [storage.TenantReader].
	TenantByID(ctx context.Context, id storage.TenantID) (storage.Tenant, error)
	// ListResourceServers is that of [storage.ResourceServerReader].
	ListResourceServers(ctx context.Context) ([]storage.ResourceServer, error)
	// AppendPlatformEvent is that of [storage.PlatformLog].
	AppendPlatformEvent(ctx context.Context, ev storage.Event) error
	// FindKey is that of [storage.KeyLookups].
	FindKey(ctx context.Context, hash [32]byte) (*storage.LiveKey, error)
	storage.TenantOpener
}

// Config is what an engine needs. What stands before Rules is required.
type Config struct {
	// Issuer is the issuer identifier: an absolute URL without query, fragment
	// or trailing slash.
	Issuer string
	Store  Store
	Signer Signer
	SignIn SignIn
	// SuccessorKey derives each refresh token from its predecessor: at least 32
	// bytes, the same on every node. Changing it costs the retries under way.
	SuccessorKey []byte
	Now          func() time.Time
	// Rules say what a request asks of a session, beside what the tenant's policy and
	// the app do; the zero value asks for nothing more.
	Rules assurance.Rules
	// Keys knows API keys; nil: there are none, and no token exchange.
	Keys KeyForms
	// Catalogue says what scopes imply and roles permit; nil: nothing is implied,
	// and nothing forbidden.
	Catalogue *catalogue.Catalogue
	// KeyLimits counts exchanges as uses of their keys; nil: no key has a rate.
	KeyLimits *limit.Limiter
}

// Server is the engine.
type Server struct {
	cfg       Config
	base      string // path of the issuer, without a trailing slash
	engine    *fosite.Fosite
	views     *memory[viewKey, view]
	machines  *memory[machineKey, machine]
	resources *resources
	limiter   *audit.Limiter // of what strangers can put into the trail
}

// New returns an engine, or what is wrong with the configuration.
func New(cfg Config) (*Server, error) {
	u, err := url.Parse(cfg.Issuer)
	switch {
	case err != nil:
		return nil, fmt.Errorf("authz: issuer: %w", err)
	case (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || u.User != nil:
		return nil, errors.New("authz: the issuer must be an absolute http or https URL")
	case strings.ContainsAny(cfg.Issuer, "?#") || strings.HasSuffix(cfg.Issuer, "/"):
		return nil, errors.New("authz: the issuer must have no query, no fragment and no trailing slash")
	case cfg.Store == nil || cfg.Signer == nil || cfg.SignIn == nil || cfg.Now == nil:
		return nil, errors.New("authz: Store, Signer, SignIn and Now are required")
	case len(cfg.SuccessorKey) < 32:
		return nil, errors.New("authz: SuccessorKey must have at least 32 bytes")
	}
	s := &Server{
		cfg: cfg, base: u.EscapedPath(),
		views: newMemory[viewKey, view](viewLife), machines: newMemory[machineKey, machine](machineLife),
		limiter: audit.NewLimiter(),
		resources: &resources{
			list: cfg.Store.ListResourceServers, servers: newMemory[struct{}, []storage.ResourceServer](resourcesLife),
		},
	}
	s.engine = newEngine(strategy{successorKey: cfg.SuccessorKey}, idTokens{issuer: cfg.Issuer, signer: cfg.Signer})
	return s, nil
}

// Mount registers the endpoints.
func (s *Server) Mount(m *web.Mux) {
	m.Page("GET "+s.base+"/oauth2/authorize", s.authorize)
	m.Page("POST "+s.base+"/oauth2/authorize", s.authorize)
	m.Browser("POST "+s.base+"/oauth2/token", s.token)
	m.Browser("POST "+s.base+"/oauth2/revoke", s.revoke)
	m.Browser("GET "+s.base+"/oauth2/userinfo", s.userinfo)
	m.Browser("POST "+s.base+"/oauth2/userinfo", s.userinfo)
	m.Browser("GET "+s.base+"/.well-known/jwks.json", s.jwks)
	for _, path := range metadataPaths(s.base) {
		m.Browser("GET "+path, s.metadata)
	}
}

// now is the injected clock, in what a store keeps: UTC, in milliseconds.
func (s *Server) now() time.Time { return s.cfg.Now().UTC().Truncate(time.Millisecond) }
