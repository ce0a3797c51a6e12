package introspect

import (
	"context"
	"hash/maphash"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/internal/catalogue"
	"github.com/watchgate/watchgate/internal/clientauth"
	"github.com/watchgate/watchgate/internal/limit"
	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/introspect/coherence"
	"github.com/watchgate/watchgate/storage"
)

// Lookup finds a token or an API key, with what its life hangs on, and the resource
// server that asks, in one statement at most. [storage.IntrospectLookup] and
// [storage.KeyLookups] are one. storage.ErrNotFound: no such resource server; nil: no
// such token or key; any other error: no answer.
type Lookup interface {
	Introspect(ctx context.Context, rs storage.ResourceServerID, ref storage.TokenRef) (storage.ResourceServer, *storage.LiveToken, error)
	IntrospectKey(ctx context.Context, rs storage.ResourceServerID, hash [32]byte) (storage.ResourceServer, *storage.LiveKey, error)
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
	Issuer string           // the iss of every answer
	Now    func() time.Time // nil: time.Now
	Log    *slog.Logger     // what could not be recorded; nil: nowhere
	Signer Signer           // signs answers (RFC 9701); nil: there are no signed ones
	Limits Limits           // the zero value has none; see [DefaultLimits]
	// Keys knows API keys; nil: there are none.
	Keys Keys
	// Catalogue says what scopes imply and what roles permit; nil: nothing is implied,
	// and no role restricts.
	Catalogue *catalogue.Catalogue
	// KeyLimits counts how often keys are used whose profile has a rate; nil: no key
	// has one.
	KeyLimits *limit.Limiter
	// Node says what may be trusted of that which is remembered; nil: nothing is
	// remembered, and each question costs one statement.
	Node *coherence.Node
	// CacheBytes is how much memory the remembered answers take, at most; 0:
	// DefaultCacheBytes.
	CacheBytes int64
	// Registerer gets the metrics; nil: none are kept.
	Registerer prometheus.Registerer
}

// Server answers introspection requests.
type Server struct {
	cfg      Config
	known    *recent // credentials that were good lately
	recorded *audit.Limiter
	crossed  *audit.Limiter
	seed     maphash.Seed
	limits   *limits
	scans    *scans
	memory   *memory
	own      *ownReadings
	flights  *flights
	metrics  metrics
	uses     *uses
}

// New returns a Server.
func New(cfg Config) *Server {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	m := remembering(cfg)
	return &Server{
		memory: m, own: newOwnReadings(m.node), flights: newFlights(), metrics: newMetrics(cfg.Registerer, m),
		cfg: cfg, known: newRecent(), recorded: audit.NewLimiter(), crossed: audit.NewLimiter(), seed: maphash.MakeSeed(),
		limits: newLimits(cfg.Limits, cfg.Now), scans: newScans(cfg.Registerer), uses: newUses(cfg.Registerer),
	}
}

// remembering is a memory of the size that is configured, and one that nothing is
// ever kept in when there is no node.
func remembering(cfg Config) *memory {
	switch {
	case cfg.Node == nil:
		return newMemory(coherence.New(coherence.Config{}), 1)
	case cfg.CacheBytes <= 0:
		return newMemory(cfg.Node, DefaultCacheBytes)
	}
	return newMemory(cfg.Node, cfg.CacheBytes)
}

// Mount adds POST /oauth2/introspect and /forward-auth.
func (s *Server) Mount(m *web.Mux) {
	m.APIQuick("POST /oauth2/introspect", s.quick, s.introspect)
	s.mountForwardAuth(m)
}

// introspect is RFC 7662: form and credentials are read, the question is put, and
// the verdict is written.
func (s *Server) introspect(w http.ResponseWriter, r *http.Request) error {
	form, err := web.ReadForm(w, r)
	if err != nil {
		return err
	}
	caller, err := credentials(r, form)
	if err != nil {
		return s.anonymous(r, caller, s.refuse(r.Context(), caller, err))
	}
	v, err := s.ask(r.Context(), caller, question{
		now: s.cfg.Now(), token: form.Get("token"),
		tenant: form.Get("tenant"), tenantBlank: form.Blank["tenant"], scope: form.Get("scope"),
		ip: form.Get("ip"), proto: form.Get("proto"), needed: recorded(form.Get("scope_needed")),
	})
	if err != nil {
		return err
	}
	return s.write(w, r, v)
}

// recorded is what is kept of a text that is for the record alone.
func recorded(s string) string {
	if len(s) > maxSpelling {
		return ""
	}
	return s
}

// write is the answer of RFC 7662, and what has to be done after it.
func (s *Server) write(w http.ResponseWriter, r *http.Request, v verdict) error {
	s.limits.tell(r.Context(), w.Header(), v.rs.ID)
	if v.question.token == "" {
		return web.Refuse(http.StatusBadRequest, "invalid_request", "The token parameter is missing.", nil)
	}
	if err := s.reply(w, r, v); err != nil {
		return err
	}
	s.after(r.Context(), w, v)
	return nil
}

// after records what a verdict has to leave in a trail. The answer is on its way
// by then: that something was stored must not show that there is such a token.
func (s *Server) after(ctx context.Context, w http.ResponseWriter, v verdict) {
	if v.why == otherTenant || v.why == foreignServer {
		s.denied(ctx, w, v)
	}
	s.scanned(ctx, w, v)
}

// caller is who asks, as presented.
type caller = clientauth.Credentials
