package apikey

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/internal/catalogue"
	"github.com/watchgate/watchgate/internal/seal"
	"github.com/watchgate/watchgate/storage"
)

// Store is what keys are kept in.
type Store interface {
	storage.TenantOpener
	storage.TenantReader
	storage.KeyLookups
	storage.TokenLookups
}

// Signer signs keys that are JWTs; a [signer.Signer] for [storage.SignAPIKeys] is one.
type Signer interface {
	// Active returns the kid of the key that signs now.
	Active(ctx context.Context, alg string) (kid string, err error)
	// SignWith signs by the key of a kid, the same bytes for the same claims.
	SignWith(ctx context.Context, kid, typ string, claims any) (string, error)
	// Verify returns the payload of what one of its keys signed.
	Verify(ctx context.Context, compact string) ([]byte, error)
}

// Poster sends webhooks. It must go to public addresses only.
type Poster interface {
	Do(*http.Request) (*http.Response, error)
}

// Config is what Keys need. Signer may be nil where no profile makes JWTs, and Poster
// where nobody is to be called.
type Config struct {
	Store     Store
	Profiles  *Profiles            // nil: DefaultProfiles
	Catalogue *catalogue.Catalogue // nil: there is none
	Signer    Signer
	Sealer    *seal.Sealer
	Now       func() time.Time
	Issuer    string
	Log       *slog.Logger // nil: nothing is logged
	Poster    Poster
	// LoopbackWebhooks lets webhooks be saved that name a loopback address, where
	// Poster goes there: in development.
	LoopbackWebhooks bool
	// Registerer gets the counter of signals; nil: none is kept.
	Registerer prometheus.Registerer
	// Teller tells people of leaks, and of successors that nobody picked up; nil: nobody
	// is told.
	Teller Teller
}

// Keys are the API keys of a deployment. They are safe for concurrent use.
type Keys struct {
	cfg      Config
	poster   Poster
	prefixes map[string]bool
	jwt      bool // a profile makes JWTs
	rules    map[string]rules
	signals  *prometheus.CounterVec
	refusals *audit.Limiter
}

// New returns the keys of a deployment.
func New(cfg Config) *Keys {
	if cfg.Profiles == nil {
		cfg.Profiles = DefaultProfiles()
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	k := &Keys{
		cfg: cfg, poster: unredirected(cfg.Poster), prefixes: map[string]bool{}, rules: map[string]rules{},
		signals: signals(cfg.Registerer), refusals: audit.NewLimiter(),
	}
	for _, p := range cfg.Profiles.All() {
		k.rules[p.Name] = rules{httpsOnly: p.HTTPSOnly, rate: p.Rate}
		k.jwt = k.jwt || p.Format == JWT
		if p.Format == Opaque {
			k.prefixes[p.Prefix] = true
		}
	}
	return k
}

// now is the clock in the precision of the store.
func (k *Keys) now() time.Time { return k.cfg.Now().UTC().Truncate(time.Millisecond) }

func (k *Keys) tenant(a Actor) storage.TenantStore { return k.cfg.Store.Tenant(a.Tenant) }

// signals are the node's, whoever counts them first.
func signals(reg prometheus.Registerer) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "watchgate_signals_total", Help: "Security events that somebody should act on, by kind.",
	}, []string{"signal"})
	if reg == nil {
		return c
	}
	var there prometheus.AlreadyRegisteredError
	if err := reg.Register(c); errors.As(err, &there) {
		if other, ok := there.ExistingCollector.(*prometheus.CounterVec); ok {
			return other
		}
	}
	return c
}
