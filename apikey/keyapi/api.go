package keyapi

import (
	"context"
	"time"

	"github.com/watchgate/watchgate/apikey"
	"github.com/watchgate/watchgate/internal/catalogue"
	"github.com/watchgate/watchgate/internal/manage"
	"github.com/watchgate/watchgate/storage"
)

// path is where keys live.
const path = "/v1/auth/keys"

// tag groups the operations in the document.
const tag = "API keys"

// The scopes of the operations; every catalogue has them.
const (
	ScopeRead  = "api-keys:read"
	ScopeWrite = "api-keys:write"
)

// Finder reads a key with what its life hangs on; [storage.KeyLookups] is one.
type Finder interface {
	// FindKey returns the key with that hash; nil: there is none.
	FindKey(ctx context.Context, hash [32]byte) (*storage.LiveKey, error)
}

// Watch knows, without asking the database, that something happened to a key.
type Watch interface {
	// Changed returns a function that reports whether the key, or its tenant, may have
	// changed since that function was called last, and the first time since Changed
	// was. It is true when in doubt, and is called by one goroutine, five times a
	// second.
	Changed(tenant storage.TenantID, id storage.KeyID) func() bool
}

// Config is what the operations need.
type Config struct {
	Keys      *apikey.Keys
	Catalogue *catalogue.Catalogue // nil: there is none
	Finder    Finder
	// Auth looks again at the access tokens that streams were opened with.
	Auth  manage.Authenticator
	Watch Watch // nil: streams look at the database twice a second
	// Streams is how many a tenant may have open at this node, a person a quarter of
	// them, and as many again for keys that listen to themselves, one each; 0: 100.
	Streams int
	// NodeStreams is how many all tenants together may have open at this node; 0:
	// 10000.
	NodeStreams int
	// Ticker makes the pulse of a stream; nil: time.NewTicker's.
	Ticker func(time.Duration) (beats <-chan time.Time, stop func())
	Now    func() time.Time // nil: time.Now
}

// API is the operations.
type API struct {
	cfg   Config
	seats seats
}

// New registers the operations.
func New(frame *manage.API, cfg Config) *API {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Streams == 0 {
		cfg.Streams = 100
	}
	if cfg.NodeStreams == 0 {
		cfg.NodeStreams = 10_000
	}
	if cfg.Ticker == nil {
		cfg.Ticker = pulse
	}
	a := &API{cfg: cfg, seats: seats{tenant: cfg.Streams, node: cfg.NodeStreams, taken: map[seat]int{}}}
	a.mount(frame)
	return a
}

func pulse(d time.Duration) (<-chan time.Time, func()) {
	t := time.NewTicker(d)
	return t.C, t.Stop
}

// KeyPath is the part of an operation's input that names a key.
type KeyPath struct {
	ID string `path:"id" minLength:"1" maxLength:"64" example:"key_01kavq3n8e5t7w2m4d6g9hj0bc" doc:"The id of the key."`
}

func (p KeyPath) key() storage.KeyID { return storage.KeyID(p.ID) }

// actor is who asks, in the service's words.
func actor(ctx context.Context) apikey.Actor { return actorOf(manage.PrincipalFrom(ctx)) }

func actorOf(p manage.Principal) apikey.Actor { return apikey.Actor(p) }
