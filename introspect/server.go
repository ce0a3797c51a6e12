package introspect

import (
	"context"
	"errors"
	"hash/maphash"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/internal/clientauth"
	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
)

// Lookup finds a token, with what its life hangs on, and the resource server
// that asks, in one statement at most. [storage.IntrospectLookup] is one; a
// cache is another. storage.ErrNotFound: no such resource server; a nil token:
// no such token; any other error: no answer.
type Lookup interface {
	Introspect(ctx context.Context, rs storage.ResourceServerID, ref storage.TokenRef) (storage.ResourceServer, *storage.LiveToken, error)
}

// Callers finds the resource server that asks about something that is no token.
type Callers interface {
	ResourceServer(ctx context.Context, id storage.ResourceServerID) (storage.ResourceServer, error)
}

// Trail records that somebody asked who may not, and, in the tenant's own trail,
// that a token was used where another tenant was named.
type Trail interface {
	AppendPlatformEvent(ctx context.Context, ev storage.Event) error
	storage.TenantOpener
}

// Store is what an introspection needs of the store.
type Store interface {
	Lookup
	Callers
	Trail
}

// Config is what a Server needs.
type Config struct {
	Store  Store
	Lookup Lookup           // asked instead of Store when set: a cache
	Issuer string           // the iss of every answer
	Now    func() time.Time // nil: time.Now
	Log    *slog.Logger     // what could not be recorded; nil: nowhere
}

// Server answers introspection requests.
type Server struct {
	cfg      Config
	known    *recent // credentials that were good lately
	recorded *audit.Limiter
	crossed  *audit.Limiter
	seed     maphash.Seed
}

// New returns a Server.
func New(cfg Config) *Server {
	if cfg.Lookup == nil {
		cfg.Lookup = cfg.Store
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Server{
		cfg: cfg, known: newRecent(), recorded: audit.NewLimiter(), crossed: audit.NewLimiter(), seed: maphash.MakeSeed(),
	}
}

// Mount adds POST /oauth2/introspect.
func (s *Server) Mount(m *web.Mux) { m.API("POST /oauth2/introspect", s.introspect) }

// introspect takes every request through the same steps:
//
//  1. the form;
//  2. the caller's credentials: none, or of another kind, and nothing is looked up;
//  3. caller and token, in one statement (none when the token is malformed);
//  4. is the caller a resource server that may ask;
//  5. the decision, and the answer.
func (s *Server) introspect(w http.ResponseWriter, r *http.Request) error {
	form, err := web.ReadForm(w, r)
	if err != nil {
		return err
	}
	caller, err := credentials(r, form)
	if err != nil {
		return s.refuse(r.Context(), caller, err)
	}
	q := question{form: form, now: s.cfg.Now()}
	if q.ref, err = token.Parse(token.Access, form.Get("token")); err != nil {
		return s.malformed(w, r, caller, q)
	}
	q.rs, q.token, err = s.cfg.Lookup.Introspect(r.Context(), storage.ResourceServerID(caller.ID), q.ref)
	if err := s.authenticate(r.Context(), caller, q, err); err != nil {
		return s.refuse(r.Context(), caller, err)
	}
	return s.answer(w, r, q)
}

// credentials reads who asks. A secret is needed, in the header or in the body.
func credentials(r *http.Request, form web.Form) (clientauth.Credentials, error) {
	if h := r.Header["Authorization"]; len(h) == 1 && isBearer(h[0]) {
		// A user's access token is no resource server's credential (RFC 7662
		// section 2.3, RFC 6750 section 3.1).
		return clientauth.Credentials{UsedHeader: true}, web.Refuse(http.StatusUnauthorized, "invalid_token",
			"Access tokens do not authorize introspection.", errBearer).With("WWW-Authenticate", `Bearer error="invalid_token"`)
	}
	c, err := clientauth.Read(r, form)
	if err == nil && c.Method == storage.AuthNone {
		return c, clientauth.Invalid(c).With("WWW-Authenticate", clientauth.Challenge)
	}
	return c, err
}

func isBearer(header string) bool {
	scheme, _, _ := strings.Cut(header, " ")
	return strings.EqualFold(scheme, "Bearer")
}

// Causes of refusals, for the log.
var (
	errBearer   = errors.New("bearer token instead of a resource server's credentials")
	errUnknown  = errors.New("no such resource server")
	errDisabled = errors.New("resource server is disabled")
	errSecret   = errors.New("wrong secret")
)

// authenticate decides whether the caller may ask; found is the error of the
// lookup. The answer is the same for every reason, and takes the same time.
func (s *Server) authenticate(ctx context.Context, c clientauth.Credentials, q question, found error) error {
	unknown := errors.Is(found, storage.ErrNotFound)
	if found != nil && !unknown {
		return web.Unavailable(found)
	}
	good := clientauth.Check(c, c.Method, q.rs.Secrets, q.now)
	refusal := clientauth.Invalid(c)
	switch {
	case unknown:
		refusal.Err = errUnknown
	case !good:
		refusal.Err = errSecret
	case !q.rs.DisabledAt.IsZero():
		refusal.Err = errDisabled
	default:
		s.known.add(q.now, c.ID, c.Secret)
		web.Annotate(ctx, "resource_server", string(q.rs.ID))
		return nil
	}
	return refusal
}

// malformed answers a request whose token is missing, garbage, or of a kind that
// resource servers learn nothing about. There is nothing to look up but the
// caller, and not even that when the same credentials were good a moment ago:
// the answer tells nothing, so that it does no harm if they were withdrawn since.
// Garbage, which anybody can send to an API, costs no query then.
func (s *Server) malformed(w http.ResponseWriter, r *http.Request, caller clientauth.Credentials, q question) error {
	if s.known.has(q.now, caller.ID, caller.Secret) {
		web.Annotate(r.Context(), "resource_server", caller.ID)
		return s.answer(w, r, q)
	}
	var err error
	q.rs, err = s.cfg.Store.ResourceServer(r.Context(), storage.ResourceServerID(caller.ID))
	if err := s.authenticate(r.Context(), caller, q, err); err != nil {
		return s.refuse(r.Context(), caller, err)
	}
	return s.answer(w, r, q)
}

// answer writes the decision.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, q question) error {
	if q.form.Get("token") == "" {
		return web.Refuse(http.StatusBadRequest, "invalid_request", "The token parameter is missing.", nil)
	}
	scopes, why := q.decide()
	if why != "" {
		web.Annotate(r.Context(), "inactive", why)
		err := writeInactive(w)
		if why == otherTenant || why == foreignServer {
			s.denied(r.Context(), w, q)
		}
		return err
	}
	web.Annotate(r.Context(), "tenant_id", string(q.token.Life.TenantID))
	return web.WriteJSON(w, http.StatusOK, s.describe(q, scopes))
}
