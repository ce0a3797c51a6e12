package devidp

import (
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/watchgate/watchgate/templates"
)

// Config is what the provider needs.
type Config struct {
	Issuer  string // an http or https URL without path: http://127.0.0.1:8081
	Clients []Client
	Now     func() time.Time
}

// Client is one tenant's registration of the authorization server.
type Client struct {
	ID     string // watchgate-acme
	Secret string
	// RedirectURIs are compared byte for byte, and lead to loopback.
	RedirectURIs []string
	// Tenant says whose people may be played; empty: what follows "watchgate-"
	// in the ID.
	Tenant string
}

func (c Client) tenant() string {
	if c.Tenant != "" {
		return c.Tenant
	}
	return strings.TrimPrefix(c.ID, "watchgate-")
}

// Lifetimes. A sign-in page may be left open for a while; a code is 60 s at most.
const (
	pendingTTL = 10 * time.Minute
	codeTTL    = time.Minute
	tokenTTL   = 10 * time.Minute
)

type provider struct {
	issuer  string
	home    string // where Watchgate is
	clients map[string]Client
	now     func() time.Time
	key     jose.JSONWebKey

	pending *shelf[request]
	codes   *shelf[code]
	tokens  *shelf[session]
}

// New returns the provider's handler, for the root of its own port. It fails
// when the issuer is no bare origin, a client has no people or no secret, or a
// redirect URI does not lead to loopback.
func New(cfg Config) (http.Handler, error) {
	if err := check(cfg); err != nil {
		return nil, err
	}
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("devidp: signing key: %w", err)
	}
	p := &provider{
		issuer: cfg.Issuer, home: originOf(cfg.Clients[0].RedirectURIs[0]), now: cfg.Now, clients: map[string]Client{},
		key:     jose.JSONWebKey{Key: private, KeyID: rand.Text(), Algorithm: string(jose.RS256), Use: "sig"},
		pending: newShelf[request](cfg.Now, pendingTTL),
		codes:   newShelf[code](cfg.Now, codeTTL),
		tokens:  newShelf[session](cfg.Now, tokenTTL),
	}
	for _, c := range cfg.Clients {
		p.clients[c.ID] = c
	}
	return p.routes(), nil
}

func (p *provider) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", p.metadata)
	mux.HandleFunc("GET /jwks.json", p.jwks)
	mux.HandleFunc("GET /authorize", p.authorize)
	mux.HandleFunc("POST /authorize", p.authorize)
	mux.HandleFunc("GET /authorize/{handle}", p.page)
	mux.HandleFunc("POST /authorize/{handle}", p.choose)
	mux.HandleFunc("POST /token", p.token)
	mux.HandleFunc("GET /userinfo", p.userinfo)
	mux.HandleFunc("POST /userinfo", p.userinfo)
	mux.Handle("GET "+templates.AssetPrefix, templates.AssetHandler())
	mux.HandleFunc("GET /{$}", p.root)
	return http.MaxBytesHandler(headers(p.orNothing(mux)), 64<<10)
}

// headers are those of every answer. The policy has no form-action: browsers
// apply it to every redirect that follows the form, and where the client of our
// client lives is not ours to know.
func headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy",
			"default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

func check(cfg Config) error {
	u, err := url.Parse(cfg.Issuer)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || cfg.Issuer != u.Scheme+"://"+u.Host {
		return fmt.Errorf("devidp: issuer %q is not an origin like http://127.0.0.1:8081", cfg.Issuer)
	}
	if cfg.Now == nil || len(cfg.Clients) == 0 {
		return errors.New("devidp: a clock and at least one client are needed")
	}
	for _, c := range cfg.Clients {
		if err := c.check(); err != nil {
			return fmt.Errorf("devidp: client %q: %w", c.ID, err)
		}
	}
	return nil
}

func (c Client) check() error {
	if c.ID == "" || c.Secret == "" || len(c.RedirectURIs) == 0 {
		return errors.New("an id, a secret and a redirect URI are needed")
	}
	if len(peopleOf(c.tenant())) == 0 {
		return fmt.Errorf("tenant %q has no demo people", c.tenant())
	}
	for _, uri := range c.RedirectURIs {
		if !loopback(uri) {
			return fmt.Errorf("redirect URI %q does not lead to loopback", uri)
		}
	}
	return nil
}

// loopback accepts http and https URLs of this machine, without fragment.
func loopback(uri string) bool {
	u, err := url.Parse(uri)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.User != nil || strings.Contains(uri, "#") {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || (ip != nil && ip.IsLoopback())
}
