package monitorapi

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/watchgate/watchgate/introspect/guard"
	"github.com/watchgate/watchgate/templates"
)

// Config is what the API and its page need.
type Config struct {
	// Issuer is the authorization server, byte for byte as its metadata says.
	Issuer string
	// IntrospectURL is its introspection endpoint; empty: the issuer followed by
	// /oauth2/introspect. It is https, or on this machine.
	IntrospectURL string
	// ResourceServerID and Secret are what the API proves itself with there.
	ResourceServerID, Secret string
	// ClientID is the page's registration as a public client, with the redirect
	// URI BaseURL + /callback. Default demo-spa.
	ClientID string
	// BaseURL is the origin under which browsers reach this handler: pages that are
	// asked for under another Host lead there, because cookies and the redirect URI
	// belong to one host. A proxy in front must pass the Host on. Empty: any host.
	BaseURL string
	// Tenants are the slugs that the page tries. Default acme and globex.
	Tenants []string
	// TenantNames are what the page calls the tenants, by slug; one without a name
	// is called by its slug. Default: the names of the demonstration.
	TenantNames map[string]string
	// People are shown on the page before the sign-in; may be empty.
	People []templates.DemoPerson

	// Resources are what the API has in place of the monitors, alerts and settings of
	// the demonstration, each reached at /t/{tenant}/NAME. Default: those.
	Resources []Resource
	// Scopes are what its metadata says that it knows (RFC 9728). Default: those of
	// the demonstration.
	Scopes []string

	// Errors are the codes in its refusals. Default: guard's.
	Errors guard.ErrorCodes
	// RequireHTTPS refuses calls over plain HTTP.
	RequireHTTPS bool

	HTTPClient *http.Client // of the page; nil: one with a timeout of 5 s that follows no redirect
	Now        func() time.Time
	Log        *slog.Logger // nil: slog.Default()
}

func (c Config) withDefaults() Config {
	c.BaseURL = strings.TrimSuffix(c.BaseURL, "/")
	if c.ClientID == "" {
		c.ClientID = "demo-spa"
	}
	if len(c.Tenants) == 0 {
		c.Tenants = []string{"acme", "globex"}
	}
	if c.TenantNames == nil {
		c.TenantNames = map[string]string{"acme": "Acme Monitoring", "globex": "Globex Corporation"}
	}
	if len(c.Scopes) == 0 {
		c.Scopes = []string{scopeRead, scopeAlert, scopeConfig, scopeAll}
	}
	if c.HTTPClient == nil {
		c.HTTPClient = newHTTPClient()
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return c
}

// newHTTPClient follows no redirect: the token endpoint sends none, and a token must
// not travel along.
func newHTTPClient() *http.Client {
	return &http.Client{
		Timeout:       5 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// New returns the API and the page as one handler, for the root of its own port.
// Issuer, BaseURL, ResourceServerID, Secret and Now are required; an error says what
// is wrong with them.
func New(cfg Config) (http.Handler, error) {
	cfg = cfg.withDefaults()
	api, err := newAPI(cfg)
	if err != nil {
		return nil, fmt.Errorf("monitorapi: %w", err)
	}
	mux := http.NewServeMux()
	api.mount(mux)
	newApp(cfg).mount(mux)
	mux.Handle("GET "+templates.AssetPrefix, templates.AssetHandler())
	return http.MaxBytesHandler(headers(oneHost(cfg.BaseURL, mux)), maxBody), nil
}

// maxBody bounds what is read of a request, in bytes.
const maxBody = 16 << 10

func headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy",
			"default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}
