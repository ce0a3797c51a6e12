package idp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/internal/assurance"
	"github.com/watchgate/watchgate/internal/flow"
	"github.com/watchgate/watchgate/internal/mail"
	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
)

// Authorizer decides what the client gets. It is the protocol engine.
type Authorizer interface {
	// ToApprove returns what the person has to be shown before the client gets a
	// code: every scope, which may be more than req.Scopes (the claims parameter
	// implies some), and the version of the client that this is about. No scopes:
	// there is nothing to ask. s.Consent is what they approved earlier for this
	// client, redirect host and resource.
	ToApprove(ctx context.Context, req storage.AuthorizeRequest, s storage.LiveSession) (scopes []string, clientVersion int64, err error)
	// Approve issues the code and writes the authorization response. approved is
	// the version of the client that the person saw when they agreed just now; 0:
	// nobody was asked. An error that wraps [storage.ErrConflict] says that
	// something is no longer live, or no longer what they saw.
	Approve(w http.ResponseWriter, r *http.Request, req storage.AuthorizeRequest, s storage.LiveSession, approved int64) error
	// Refuse writes an authorization error response.
	Refuse(w http.ResponseWriter, r *http.Request, req storage.AuthorizeRequest, code string) error
}

// Settler is an [Authorizer] that answers at once where there is nothing to ask.
type Settler interface {
	// Settle issues the code of the transaction's request and writes the authorization
	// response, if the client may have it without a question. live is the session that a
	// begins, with what the person approved; session, code and the transaction's end are
	// stored together. entered is called when they are, before the response; its error is returned.
	// done: a response was written, or err says why not. Otherwise nothing has happened.
	Settle(w http.ResponseWriter, r *http.Request, c storage.Client, live storage.LiveSession, a storage.Arrival, entered func() error) (done bool, err error)
}

// DomainOwners is home-realm discovery.
type DomainOwners interface {
	// DomainOwner is that of [storage.Lookups].
	DomainOwner(ctx context.Context, domain string) (storage.DomainOwner, error)
}

// Catalogue has the scopes in words, and the tenants.
type Catalogue interface {
	// ListResourceServers is that of [storage.ResourceServerReader].
	ListResourceServers(ctx context.Context) ([]storage.ResourceServer, error)
	// TenantByID is that of [storage.TenantReader].
	TenantByID(ctx context.Context, id storage.TenantID) (storage.Tenant, error)
}

// Trail records what was refused before a tenant was known.
type Trail interface {
	// AppendPlatformEvent is that of [storage.PlatformLog].
	AppendPlatformEvent(ctx context.Context, ev storage.Event) error
}

// Store is the part of the storage that signing in uses.
type Store interface {
	storage.Logins
	storage.SessionLookups
	storage.LocalLookups
	storage.TenantOpener
	DomainOwners
	Catalogue
	Trail
}

// Lifetimes are upper limits; a tenant's policy may tighten the first two. A
// zero value takes the default.
type Lifetimes struct {
	Session time.Duration // of a session, absolute; 24 h
	Idle    time.Duration // of a session, without activity; 1 h
	Login   time.Duration // of a transaction; 10 min, and never more
	Access  time.Duration // of an app's access, for the consent page; 1 h
	Offline time.Duration // of offline access, for the consent page; 30 days
}

// Config is what a Server needs. What stands before Lifetimes is required.
type Config struct {
	// Base is the issuer: an http or https URL without query, fragment or
	// trailing slash. Its scheme decides how cookies are named and marked.
	Base    string
	Store   Store
	Connect Connect
	Steps   *flow.Steps
	// CookieKey authenticates the sign-out form: at least 32 bytes, the same on
	// every node.
	CookieKey []byte
	Now       func() time.Time
	Lifetimes Lifetimes

	// Rules say what a request asks of a session.
	Rules assurance.Rules
	// Prover and Enroller are the local factors; nil: there are none, and what needs
	// one is refused.
	Prover   Prover
	Enroller Enroller
	// Post sends people mails; nil: nobody gets any, and nobody signs in by a link.
	Post mail.Post
	// Support is whom people ask whose tenant names nobody: an address or a sentence.
	Support string
}

// Server signs people in. It is safe for concurrent use once SetAuthorizer has
// been called.
type Server struct {
	cfg        Config
	origin     string // scheme and host of Base
	path       string // path of Base
	cookies    cookieStore
	strays     *audit.Limiter
	authorizer Authorizer
	links      links // that are on their way
	endings    endings
}

// New returns a Server, or what is wrong with the configuration.
func New(cfg Config) (*Server, error) {
	u, err := url.Parse(cfg.Base)
	switch {
	case err != nil:
		return nil, fmt.Errorf("idp: base: %w", err)
	case (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || u.User != nil:
		return nil, errors.New("idp: the base must be an absolute http or https URL")
	case strings.ContainsAny(cfg.Base, "?#") || strings.HasSuffix(cfg.Base, "/"):
		return nil, errors.New("idp: the base must have no query, no fragment and no trailing slash")
	case cfg.Store == nil || cfg.Connect == nil || cfg.Steps == nil || cfg.Now == nil:
		return nil, errors.New("idp: Store, Connect, Steps and Now are required")
	case len(cfg.CookieKey) < flow.KeyLen:
		return nil, fmt.Errorf("idp: CookieKey must have at least %d bytes", flow.KeyLen)
	}
	cfg.Lifetimes = cfg.Lifetimes.orDefault()
	return &Server{
		cfg: cfg, origin: u.Scheme + "://" + u.Host, path: u.EscapedPath(),
		cookies: cookieStore{secure: u.Scheme == "https"}, strays: audit.NewLimiter(),
	}, nil
}

// maxLogin is the longest life of a transaction (FO-02).
const maxLogin = 10 * time.Minute

func (l Lifetimes) orDefault() Lifetimes {
	for _, d := range []struct {
		value    *time.Duration
		standard time.Duration
	}{
		{&l.Session, 24 * time.Hour}, {&l.Idle, time.Hour}, {&l.Login, maxLogin},
		{&l.Access, time.Hour}, {&l.Offline, 30 * 24 * time.Hour},
	} {
		if *d.value <= 0 {
			*d.value = d.standard
		}
	}
	l.Login = min(l.Login, maxLogin)
	return l
}

// SetAuthorizer completes the wiring: the engine needs this Server, and this
// Server the engine. Call it before the first request.
func (s *Server) SetAuthorizer(a Authorizer) { s.authorizer = a }

// Mount registers the pages, and the callback.
func (s *Server) Mount(m *web.Mux) {
	page := func(pattern string, h web.Handler) {
		method, path, _ := strings.Cut(pattern, " ")
		m.Page(method+" "+s.path+path, h)
	}
	page("GET /login", s.own)
	page("GET /login/{login}", s.dispatch)
	page("POST /login/{login}", s.sameOrigin(s.postEmail))
	page("GET /login/{login}/{page}", s.choosePage)
	page("POST /login/{login}/{page}", s.sameOrigin(s.postPage))
	page("GET /login/callback/{connection}", s.callback)
	page("POST /login/callback/{connection}", onlyGET)
	page("GET /login/test/{tenant}/{test}", s.tryConnection)
	s.mountFactors(page)
	s.mountSignOut(page)
	s.mountBackchannel(m)
}

// onlyGET answers where a longer pattern would take the request.
func onlyGET(http.ResponseWriter, *http.Request) error {
	return web.Refuse(http.StatusMethodNotAllowed, "method_not_allowed", "The method is not allowed here.", nil).With("Allow", "GET")
}

// now is the injected clock, in what a store keeps: UTC, in milliseconds.
func (s *Server) now() time.Time { return s.cfg.Now().UTC().Truncate(time.Millisecond) }
