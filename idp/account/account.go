package account

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/watchgate/watchgate/idp"
	"github.com/watchgate/watchgate/internal/flow"
	"github.com/watchgate/watchgate/internal/limit"
	"github.com/watchgate/watchgate/internal/mail"
	"github.com/watchgate/watchgate/internal/place"
	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
)

// People knows who is signed in. *idp.Server is it.
type People interface {
	// Handles is that of [idp.Server].
	Handles(r *http.Request) [][]byte
	// StepUp is that of [idp.Server].
	StepUp(w http.ResponseWriter, r *http.Request, live storage.LiveSession, n storage.Need, p storage.LoginPurpose, returnTo string) error
}

// Prover knows what people can prove themselves by.
type Prover interface {
	// Ways is that of [idp.Prover].
	Ways(ctx context.Context, t storage.TenantID, u storage.UserID) (idp.Ways, error)
}

// Apps are the registered apps, and what their scopes mean.
type Apps interface {
	// Client is that of [storage.ClientReader].
	Client(ctx context.Context, id storage.ClientID) (storage.Client, error)
	// ListResourceServers is that of [storage.ResourceServerReader].
	ListResourceServers(ctx context.Context) ([]storage.ResourceServer, error)
}

// Store is the part of the storage that the pages read and write.
type Store interface {
	storage.TenantOpener
	storage.SessionLookups
	Apps
}

// Config is what the pages need. What stands before Prover is required.
type Config struct {
	// Base is the issuer, without a trailing slash.
	Base   string
	Store  Store
	People People
	Now    func() time.Time
	// CookieKey authenticates the forms: at least 32 bytes, the same on every node. It
	// may be that of package idp.
	CookieKey []byte

	// Prover is the deployment's second factors; nil: there are none, and the pages
	// about them say nothing of adding and removing any.
	Prover Prover
	// Post sends people mails; nil: nobody gets any, and no address is confirmed.
	Post mail.Post
	// Places says where an address is; nil: nobody knows.
	Places *place.Places
	// Support is whom people ask whose tenant names nobody.
	Support string
}

// Pages are the pages about people's own accounts. It is safe for concurrent use.
type Pages struct {
	cfg    Config
	origin string // scheme and host of Base
	path   string // path of Base
	mails  *limit.Limiter
}

// New returns the pages, or what is wrong with the configuration.
func New(cfg Config) (*Pages, error) {
	u, err := url.Parse(cfg.Base)
	switch {
	case err != nil:
		return nil, fmt.Errorf("account: base: %w", err)
	case (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || strings.HasSuffix(cfg.Base, "/"):
		return nil, errors.New("account: the base must be an absolute http or https URL without a trailing slash")
	case cfg.Store == nil || cfg.People == nil || cfg.Now == nil:
		return nil, errors.New("account: Store, People and Now are required")
	case len(cfg.CookieKey) < flow.KeyLen:
		return nil, fmt.Errorf("account: CookieKey must have at least %d bytes", flow.KeyLen)
	}
	return &Pages{
		cfg: cfg, origin: u.Scheme + "://" + u.Host, path: u.EscapedPath(), mails: limit.New(limit.Config{Now: cfg.Now}),
	}, nil
}

// Mount registers the pages.
func (p *Pages) Mount(m *web.Mux) {
	m.Page("GET "+p.path+"/account", p.choose)
	for path, show := range map[string]page{
		"": p.overview, "/security": p.security, "/sessions": p.sessions, "/apps": p.apps,
		"/factors/{factor}": p.askRemove, "/factors/{factor}/name": p.askName, "/sessions/others": p.askEndOthers, "/sessions/{session}": p.askEnd, "/apps/{client}": p.askWithdraw,
	} {
		m.Page("GET "+p.path+"/account/{tenant}"+path, p.shown(show))
	}
	for path, take := range map[string]form{
		"/address": p.sendLink, "/security/passkey": p.add(storage.PurposeEnrolPasskey), "/security/app": p.add(storage.PurposeEnrolTOTP),
		"/security/codes":   p.add(storage.PurposeRecoveryCodes),
		"/factors/{factor}": p.remove, "/factors/{factor}/name": p.rename, "/sessions/others": p.endOthers, "/sessions/{session}": p.end, "/apps/{client}": p.withdraw,
	} {
		m.Page("POST "+p.path+"/account/{tenant}"+path, web.SameOrigin(p.taken(take), p.origin))
	}
}

// now is the injected clock, in what a store keeps.
func (p *Pages) now() time.Time { return p.cfg.Now().UTC().Truncate(time.Millisecond) }
