package guard

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// Guard decides about calls. It is safe for use by many goroutines; make one, and
// keep it as long as the program runs: its connections are its own.
type Guard struct {
	cfg           Config
	authorization string // of the guard itself
	cache         *cache // nil: nothing is kept
	lanes         lanes
}

// New returns a Guard, or every problem of the configuration at once. It does not
// ask anybody: see [Guard.Ping].
func New(cfg Config) (*Guard, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, err
	}
	g := &Guard{cfg: cfg, lanes: lanes{of: map[question]*lane{}}}
	// RFC 6749 section 2.3.1: both parts are form-encoded before they are joined.
	r := http.Request{Header: http.Header{}}
	r.SetBasicAuth(url.QueryEscape(cfg.ClientID), url.QueryEscape(cfg.Secret))
	g.authorization = r.Header.Get("Authorization")
	if cfg.Cache.MaxAge > 0 {
		g.cache = newCache(cfg.Cache)
	}
	return g, nil
}

// String leaves the secret out.
func (g *Guard) String() string { return "guard.Guard of " + g.cfg.Endpoint }

// GoString leaves the secret out.
func (g *Guard) GoString() string { return g.String() }

// Check decides about a call that presented a token: who it is, or which of this
// package's errors says why not. It is what [Guard.Require] does, for programs
// that do not speak net/http; a deadline of ctx is kept.
func (g *Guard) Check(ctx context.Context, token string, need Need) (Principal, error) {
	began := g.begin()
	r := reply{err: wellFormed(token)}
	if g.cfg.RequireHTTPS && plainProto(need.Proto) != "https" {
		r.err = ErrHTTPSRequired
	}
	if r.err == nil {
		r = g.decide(ctx, token, &need)
	}
	g.observe(ctx, began, r)
	if r.err != nil {
		return Principal{}, r.err
	}
	return r.principal.own(), nil
}

// Ping asks about a string that is no token, so that a typo in the secret is seen
// when the API starts and not by its first customer: an [UnavailableError], which
// is [ErrOwnCredentials] when the credentials are refused.
//
// It does not check Issuer, which only the answer about an active token names, nor
// whether this API has registered the scopes, and sees the tenants, that calls
// need. Watchgate counts the string as a guess like any other (token scanning), so
// that it is no health check to repeat every second.
func (g *Guard) Ping(ctx context.Context) error {
	r := g.ask(ctx, "ping", "", &Need{})
	if r.err == nil && r.principal != nil {
		return unavailable(errors.New("the endpoint calls everything active"))
	}
	return r.err
}

// begin is when a decision begins, if anybody wants to know how long it takes.
func (g *Guard) begin() time.Time {
	if g.cfg.Observe == nil {
		return time.Time{}
	}
	return g.cfg.Now()
}

func (g *Guard) observe(ctx context.Context, began time.Time, r reply) {
	if g.cfg.Observe == nil {
		return
	}
	g.cfg.Observe(ctx, Event{
		Decision: decisionOf(r.err), Cached: r.cached, Attempts: r.attempts, Duration: g.cfg.Now().Sub(began), Err: r.err,
	})
}

// wellFormed returns why a string cannot be a token that anybody issued.
func wellFormed(token string) error {
	switch {
	case token == "":
		return ErrNoCredential
	case len(token) > maxToken || !b64token(token):
		return ErrInvalidToken
	}
	return nil
}

// decide is the decision about a well-formed token, in this order: is it active, for
// this tenant, with these scopes, after such a sign-in. A reply without an error has
// a principal.
func (g *Guard) decide(ctx context.Context, token string, need *Need) reply {
	r := g.holder(ctx, token, need)
	if r.err == nil {
		r.err = need.met(r.principal, g.cfg.Now)
	}
	return r
}

// holder finds who holds a token that is good for the tenant of a call.
func (g *Guard) holder(ctx context.Context, token string, need *Need) reply {
	anyTenant := need.Tenant == "" && need.AnyTenant
	if !anyTenant && !nameable(need.Tenant) {
		return reply{err: ErrOtherTenant}
	}
	r := g.ask(ctx, token, need.Tenant, need)
	switch {
	case r.err != nil:
	case r.principal == nil && anyTenant:
		r.err = ErrInvalidToken
	case r.principal == nil:
		return g.elsewhere(ctx, token, need, r.attempts)
	case !anyTenant && !r.principal.of(need.Tenant):
		// A server that does not know tenant= must not open one tenant to another.
		r.err = ErrOtherTenant
	}
	return r
}

// elsewhere tells a dead token from one that is good for another tenant, by a
// question without one. It never allows anything, and whoever holds the token
// learns no more than that it is good.
func (g *Guard) elsewhere(ctx context.Context, token string, need *Need, attempts int) reply {
	tenant := need.Tenant
	r := g.ask(ctx, token, "", need)
	r.attempts += attempts
	switch {
	case r.err != nil:
	case r.principal == nil:
		r.err = ErrInvalidToken
	case r.principal.of(tenant) && r.cached:
		// The answer without a tenant is the older one.
		r.err = ErrInvalidToken
	case r.principal.of(tenant):
		// Something changed between the two questions.
		r.err = unavailable(fmt.Errorf("the answers about tenant %q contradict each other", tenant))
	default:
		r.err = ErrOtherTenant
	}
	return r
}

// maxTenant bounds a tenant's slug or id, in bytes.
const maxTenant = 255

// nameable reports whether a string can be a tenant's slug or id.
func nameable(tenant string) bool {
	return len(tenant) <= maxTenant && scopeToken(tenant)
}

// ask finds out what a token is good for where the call came from; the reply's error
// is an [UnavailableError] or a [RateLimitError], and its principal nil when the token
// is not active.
func (g *Guard) ask(ctx context.Context, token, tenant string, need *Need) reply {
	q := question{digest: digest(token), tenant: tenant, key: isKey(token)}
	if p := g.kept(&q); p != nil {
		return reply{principal: p, cached: true}
	}
	q.ip, q.proto = g.origin(need)
	if q.key {
		q.scope = need.Scope
	}
	return g.askAnew(ctx, q, token)
}

func (g *Guard) askAnew(ctx context.Context, q question, token string) reply {
	if q.key {
		ctx, cancel := context.WithTimeout(ctx, g.cfg.Timeout)
		defer cancel()
		return g.send(ctx, q, token)
	}
	return g.lanes.do(ctx, g.cfg.Timeout, q, func(ctx context.Context) reply { return g.send(ctx, q, token) })
}

// kept returns what the cache knows about a question, or nil.
func (g *Guard) kept(q *question) *Principal {
	if g.cache == nil || q.key {
		return nil
	}
	return g.cache.get(q, g.cfg.Now())
}

// keep is for later calls. A key's answer is for one call: see question.
func (g *Guard) keep(q question, p *Principal, asked time.Time) {
	if g.cache != nil && p != nil && !q.key && !p.underKey() {
		q.ip, q.proto = "", ""
		g.cache.put(q, p, asked)
	}
}

// apiKey is the token_type of API keys; a token that was made under one has its
// key_id.
const apiKey = "api_key"

// digest is what the guard remembers of a token. One of the usual length is hashed
// where it lies on the stack.
func digest(token string) [sha256.Size]byte {
	var usual [128]byte
	if len(token) > len(usual) {
		return sha256.Sum256([]byte(token))
	}
	return sha256.Sum256(usual[:copy(usual[:], token)])
}

func unavailable(cause error) *UnavailableError {
	return &UnavailableError{Cause: cause, RetryAfter: time.Second}
}
