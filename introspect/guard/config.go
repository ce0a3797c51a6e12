package guard

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// Config is what [New] needs. Issuer, ClientID and Secret are required; the zero
// value of everything else is a good choice. It prints without its secret.
type Config struct {
	// Issuer is the authorization server, byte for byte as its metadata says:
	// https://auth.example.com, without a slash at its end. Answers of any other
	// issuer are not believed.
	Issuer string
	// Endpoint is where questions are asked (RFC 7662). Default: Issuer followed by
	// /oauth2/introspect. It must be https, or http on this machine. Its host must be
	// the issuer's: Watchgate answers 421 for any other. To ask at a private address,
	// leave it as it is and see Transport.
	Endpoint string
	// ClientID and Secret are this API's own credentials there, as
	// `watchgate resource-server create` showed them.
	ClientID, Secret string

	// Realm is named in every challenge (RFC 9110 section 11.5). Default: none.
	Realm string
	// ResourceMetadata is the URL of this API's protected resource metadata, for the
	// challenge's resource_metadata parameter (RFC 9728 section 5.1). Default: none.
	ResourceMetadata string
	// Errors are this API's own words for why a call is refused. Default: none.
	Errors ErrorCodes
	// NotFound answers calls on a tenant that the token is not for. Let it be what
	// answers paths that do not exist. Default: 404 with a JSON body.
	NotFound http.Handler

	// APIKeyHeader lets API keys be in the header X-API-Key, too. Both headers in one
	// call are 400. Default: X-API-Key is not looked at.
	APIKeyHeader bool
	// RequireHTTPS refuses calls over plain HTTP: 403, error "https_required". They are
	// not redirected, which would have the next one send its credential in the clear
	// as well, and nobody is asked about it.
	RequireHTTPS bool
	// ClientIP is the caller's address, "ip" or "ip:port", for API keys that are good
	// from some addresses only. An API behind a proxy reads it from the header that
	// its own proxy sets, and from nothing that a stranger can. Default: RemoteAddr.
	ClientIP func(*http.Request) string
	// Proto is how the caller came: "https", or "http". An API behind a proxy that
	// ends TLS reads it from the header that this proxy sets. Default: by the
	// request's TLS. Anything but https counts as http.
	Proto func(*http.Request) string

	// Cache keeps active answers for a short time. The zero value keeps none: then
	// what is revoked is refused from that moment on.
	Cache Cache

	// AttemptTimeout bounds one request to Endpoint. Default: 1 s.
	AttemptTimeout time.Duration
	// Timeout bounds everything that one question needs, retries included, beside
	// the deadline of the call's own context. Default: 3 s.
	Timeout time.Duration
	// Retries is how many more requests follow one that failed with a network error
	// or 5xx. Default: 2. Negative: none.
	Retries int

	// Observe is called once after each decision, before the call goes on: it must
	// not block, and may be called by many goroutines at once. Default: none, at no
	// cost.
	Observe func(context.Context, Event)

	// AllowHTTP lets Endpoint be http on another machine. Tokens and Secret can be
	// read by everybody on the way then.
	AllowHTTP bool
	// Transport carries the requests. Default: one of the guard's own, HTTP/1.1 with
	// up to 256 connections that are kept open, the system's certificates and the
	// environment's proxy. Set it for a private certificate authority
	// (TLSClientConfig), or to ask at a private address: an http.Transport's
	// DialContext may dial that, whatever address it is given. It replaces the
	// guard's own as a whole; let it keep more than two connections
	// (MaxIdleConnsPerHost).
	Transport http.RoundTripper
	// Now is the clock. Default: time.Now.
	Now func() time.Time
}

// ErrorCodes are an API's own error codes. Each becomes the member "code" of the
// refusals of its kind; "error" stays that of RFC 6750.
type ErrorCodes struct {
	Unauthenticated string // of 401; blank: no such member
	Forbidden       string // of 403; blank: no such member
}

// Cache is for how long, and how many, active answers are kept: those about access
// tokens. An answer about an API key serves one call. It depends on where the call
// came from, and each one counts against the key's rate, so that an answer that is
// used again would let in who may not, or more often than the key may.
type Cache struct {
	// MaxAge is how old an answer may be when it is used: for so long a token that
	// was revoked, or whose user was suspended, can go on working here. 0 keeps
	// nothing; more than 60 s is refused by New.
	MaxAge time.Duration
	// Entries bounds how many answers are kept, each of about half a kilobyte. The
	// oldest of a few go when there are more. Default: 65,536; at most 16,777,216.
	Entries int
}

// Bounds of a cache.
const (
	maxCacheAge     = time.Minute
	maxCacheEntries = 1 << 24
)

// String leaves the secret out.
func (c Config) String() string {
	return fmt.Sprintf("guard.Config{Issuer:%q Endpoint:%q ClientID:%q}", c.Issuer, c.Endpoint, c.ClientID)
}

// GoString leaves the secret out.
func (c Config) GoString() string { return c.String() }

func (c Config) withDefaults() Config {
	if c.Endpoint == "" && c.Issuer != "" {
		c.Endpoint = c.Issuer + "/oauth2/introspect"
	}
	if c.NotFound == nil {
		c.NotFound = http.HandlerFunc(notFound)
	}
	if c.Cache.Entries == 0 {
		c.Cache.Entries = 1 << 16
	}
	if c.AttemptTimeout == 0 {
		c.AttemptTimeout = time.Second
	}
	if c.Timeout == 0 {
		c.Timeout = 3 * time.Second
	}
	if c.Retries == 0 {
		c.Retries = 2
	}
	if c.Transport == nil {
		c.Transport = newTransport(c.AttemptTimeout)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// check returns every problem at once.
func (c Config) check() error {
	var problems []error
	for _, rule := range []struct {
		broken bool
		what   string
	}{
		{c.Issuer == "", "Issuer is missing"},
		{strings.HasSuffix(c.Issuer, "/"), "Issuer ends with a slash, and Watchgate's never does: no answer would be believed. Leave the slash out"},
		{c.ClientID == "", "ClientID is missing"},
		{c.Secret == "", "Secret is missing"},
		{!quotable(c.Realm), "Realm has characters other than printable ASCII, or a quote or a backslash"},
		{!quotable(c.Errors.Unauthenticated) || !quotable(c.Errors.Forbidden), "Errors have characters other than printable ASCII, or a quote or a backslash"},
		{!quotable(c.ResourceMetadata), "ResourceMetadata is not a URL in ASCII"},
		{c.AttemptTimeout < 0 || c.Timeout < 0, "a timeout is negative"},
		{c.Cache.MaxAge < 0 || c.Cache.MaxAge > maxCacheAge, "Cache.MaxAge is not within 0 and 60 s"},
		{c.Cache.Entries < 0 || c.Cache.Entries > maxCacheEntries, "Cache.Entries is not within 0 and 16,777,216"},
	} {
		if rule.broken {
			problems = append(problems, errors.New(rule.what))
		}
	}
	if c.Endpoint != "" {
		problems = append(problems, checkEndpoint(c.Endpoint, c.AllowHTTP))
	}
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("guard: the configuration is not usable: %w", err)
	}
	return nil
}

// checkEndpoint refuses what would show tokens and the secret to the network.
func checkEndpoint(endpoint string, allowHTTP bool) error {
	u, err := url.Parse(endpoint)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.Fragment != "":
		return errors.New("the Endpoint is not a URL with a host, without user and fragment")
	case u.Scheme == "https":
		return nil
	case u.Scheme != "http":
		return fmt.Errorf("the Endpoint has the scheme %q, not https", u.Scheme)
	case allowHTTP || loopback(u.Hostname()):
		return nil
	}
	return fmt.Errorf("the Endpoint is http, and %s is not this machine: tokens and the secret could be read on the way; "+
		"use https, or say AllowHTTP", u.Host)
}

func loopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.IsLoopback()
}

// quotable reports whether s can stand in a quoted-string as it is (RFC 9110
// section 5.6.4).
func quotable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' || s[i] == '"' || s[i] == '\\' {
			return false
		}
	}
	return true
}
