package outbound

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"time"

	"golang.org/x/sync/singleflight"
)

// Limits (NW-06).
const (
	connectTimeout = 2 * time.Second
	tlsTimeout     = 3 * time.Second
	defaultTimeout = 10 * time.Second
	maxHeader      = 16 << 10 // bytes of a response's header
)

// Config is the policy of a client. The zero value is the strictest.
type Config struct {
	// AllowLoopbackHTTP is for development only: URLs whose host is a literal
	// loopback address (http://127.0.0.1:8081, https://[::1]:8443) may be
	// fetched, by http too and on any port. A name that resolves to loopback
	// stays refused.
	AllowLoopbackHTTP bool
	Timeout           time.Duration    // of a request with its body; 0: 10 s
	UserAgent         string           // "": "watchgate"
	Ports             []int            // allowed beside 443
	RootCAs           *x509.CertPool   // nil: the system's
	Deny              []netip.Prefix   // refused beside special-use ranges: the deployment's own public addresses
	Now               func() time.Time // for the rate limit; nil: time.Now
}

// Client makes requests under a policy. It is safe for concurrent use.
type Client struct {
	cfg       Config
	ports     map[string]bool
	dialer    net.Dialer // Control is set by dial
	transport *http.Transport
	lanes     lanes
	flights   singleflight.Group
}

// New returns a client.
func New(cfg Config) *Client {
	if cfg.Timeout == 0 {
		cfg.Timeout = defaultTimeout
	}
	if cfg.UserAgent == "" {
		cfg.UserAgent = "watchgate"
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	c := &Client{cfg: cfg, ports: portSet(cfg.Ports), dialer: net.Dialer{Timeout: connectTimeout}, lanes: lanes{now: cfg.Now}}
	c.transport = &http.Transport{
		// No Proxy: the environment decides nothing here (NW-05).
		DialContext:            c.dial,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: cfg.RootCAs},
		TLSHandshakeTimeout:    tlsTimeout,
		ResponseHeaderTimeout:  cfg.Timeout,
		MaxResponseHeaderBytes: maxHeader,
		// A connection serves one request, so that none is shared between
		// tenants, and every request's address is checked (NW-03).
		DisableKeepAlives: true,
	}
	return c
}

// HTTP returns a client for libraries. A response's body fails with
// [ErrTooLarge] after limit bytes, counted after decompression. At most
// redirects are followed, only for GET, never from https to http, and without
// credentials; one more is [ErrRefused].
func (c *Client) HTTP(limit int64, redirects int) *http.Client {
	return &http.Client{
		Transport: &guard{client: c, limit: limit},
		Timeout:   c.cfg.Timeout,
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			last := via[len(via)-1]
			switch {
			case len(via) > redirects:
				return failure(ErrRefused, errors.New("redirect not followed"))
			case last.Method != http.MethodGet:
				return failure(ErrRefused, errors.New("redirect of a request with a body"))
			case last.URL.Scheme == "https" && req.URL.Scheme != "https":
				return failure(ErrRefused, errors.New("redirect from https to http"))
			}
			req.Header.Del("Authorization")
			return nil
		},
	}
}

// dial connects to one host and port. Only a literal loopback address, in
// development, may reach loopback; everything else must turn out public.
func (c *Client) dial(ctx context.Context, network, address string) (net.Conn, error) {
	check := c.public
	if host, _, err := net.SplitHostPort(address); err == nil && c.cfg.AllowLoopbackHTTP && literalLoopback(host) {
		check = loopbackOnly
	}
	d := c.dialer
	d.ControlContext = check
	return d.DialContext(ctx, network, address)
}

func portSet(more []int) map[string]bool {
	set := map[string]bool{"": true, "443": true}
	for _, p := range more {
		set[portName(p)] = true
	}
	return set
}
