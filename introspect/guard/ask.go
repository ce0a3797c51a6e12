package guard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	maxConnections = 256
	maxAnswer      = 64 << 10 // bytes
	firstPause     = 50 * time.Millisecond
	maxDoublings   = 5
	maxRetryAfter  = time.Hour
)

// newTransport keeps connections open for a busy API. HTTP/1.1, because one HTTP/2
// connection that hangs would hold up every call.
func newTransport(dial time.Duration) *http.Transport {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: dial, KeepAlive: 15 * time.Second}).DialContext,
		TLSHandshakeTimeout:    dial,
		MaxIdleConns:           maxConnections,
		MaxIdleConnsPerHost:    maxConnections,
		MaxConnsPerHost:        maxConnections,
		IdleConnTimeout:        time.Minute, // less than Watchgate's two
		MaxResponseHeaderBytes: 16 << 10,
		DisableCompression:     true,
		Protocols:              &protocols,
	}
}

// reply is what a question got.
type reply struct {
	principal *Principal // nil: the token is not active
	err       error      // an *UnavailableError, a *RateLimitError, or nil
	attempts  int
	cached    bool
}

// send asks until there is an answer, or no reason to go on.
func (g *Guard) send(ctx context.Context, q question, token string) reply {
	// Another call's answer may have come while this one waited for its turn.
	if p := g.kept(&q); p != nil {
		return reply{principal: p, cached: true}
	}
	form := url.Values{"token": {token}}
	for name, value := range map[string]string{"tenant": q.tenant, "ip": q.ip, "proto": q.proto, "scope_needed": q.scope} {
		if value != "" {
			form.Set(name, value)
		}
	}
	body := form.Encode()
	for attempt := 1; ; attempt++ {
		asked := g.cfg.Now() // before it is sent: an answer is as old as its question
		p, err := g.attempt(ctx, body)
		if err == nil {
			g.keep(q, p, asked)
			return reply{principal: p, attempts: attempt}
		}
		if !err.again || attempt > g.cfg.Retries || !pause(ctx, attempt) {
			return reply{err: err.error, attempts: attempt}
		}
	}
}

// pause waits for a random time below a bound that doubles ("full jitter"), so that
// many APIs do not come back at the same moment. It reports false when ctx is done.
func pause(ctx context.Context, attempt int) bool {
	timer := time.NewTimer(rand.N(firstPause << min(attempt-1, maxDoublings)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// failure is an attempt without an answer. Again: another one may get one.
type failure struct {
	error // an *UnavailableError or a *RateLimitError
	again bool
}

func failed(again bool, cause error) *failure { return &failure{unavailable(cause), again} }

// attempt is one request. The transport is used without an http.Client, and so
// without redirects: neither token nor secret goes where the configuration does not
// say.
func (g *Guard) attempt(ctx context.Context, form string) (*Principal, *failure) {
	ctx, cancel := context.WithTimeout(ctx, g.cfg.AttemptTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.cfg.Endpoint, strings.NewReader(form))
	if err != nil {
		return nil, failed(false, err)
	}
	h := req.Header
	h.Set("Authorization", g.authorization)
	h.Set("Content-Type", "application/x-www-form-urlencoded")
	h.Set("Accept", "application/json")
	h.Set("User-Agent", "watchgate-guard")
	// Asking twice does no harm: the transport may repeat it where the server closed
	// a kept connection. (A header without values is not sent.)
	h["Idempotency-Key"] = nil
	resp, err := g.cfg.Transport.RoundTrip(req)
	if err != nil {
		return nil, failed(true, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, failed(true, err)
	}
	return g.read(resp, body)
}

// read takes an answer for what it says, if it is one.
func (g *Guard) read(resp *http.Response, body []byte) (*Principal, *failure) {
	kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch {
	case resp.StatusCode != http.StatusOK:
		return nil, g.refused(resp)
	case err != nil || kind != "application/json":
		return nil, failed(false, errors.New("the answer is not application/json"))
	case len(body) > maxAnswer:
		return nil, failed(false, errors.New("the answer is longer than 64 KiB"))
	}
	p, err := g.describe(body)
	if err != nil {
		return nil, failed(false, err)
	}
	return p, nil
}

// refused is a status other than 200: of an API key that is used too often, or of
// this API's own question.
func (g *Guard) refused(resp *http.Response) *failure {
	wait := retryAfter(resp.Header.Get("Retry-After"), g.cfg.Now())
	policy := resp.Header.Values("RateLimit-Policy")
	if resp.StatusCode == http.StatusTooManyRequests && len(policy) == 1 && !strings.Contains(policy[0], ",") && namesPolicy(resp.Header, keyPolicy) {
		return &failure{error: &RateLimitError{RetryAfter: wait, Policy: policy[0], Limit: resp.Header.Get("RateLimit")}}
	}
	return &failure{&UnavailableError{Cause: causeOf(resp), RetryAfter: wait}, resp.StatusCode >= 500}
}

// keyPolicy is the rate limit of an API key, as Watchgate names it.
const keyPolicy = `"key"`

// failuresPolicy is the rate limit of an address from which too many wrong
// credentials came, as Watchgate names it.
const failuresPolicy = `"introspection-failures"`

// causeOf says what a status other than 200 means.
func causeOf(resp *http.Response) error {
	switch {
	case resp.StatusCode == http.StatusUnauthorized:
		return ErrOwnCredentials
	case resp.StatusCode == http.StatusTooManyRequests && namesPolicy(resp.Header, failuresPolicy):
		return fmt.Errorf("%w for now: too many wrong ones came from this address", ErrOwnCredentials)
	case resp.StatusCode == http.StatusMisdirectedRequest:
		return errors.New("the endpoint answered 421: it was asked for a host that is not the issuer's. " +
			"Endpoint's host has to be the issuer's, and a proxy in between has to keep it")
	}
	return fmt.Errorf("the endpoint answered %d", resp.StatusCode)
}

// namesPolicy reports whether the RateLimit-Policy header lists a policy
// (draft-ietf-httpapi-ratelimit-headers section 3).
func namesPolicy(h http.Header, policy string) bool {
	for item := range strings.SplitSeq(strings.Join(h.Values("RateLimit-Policy"), ","), ",") {
		if name, _, _ := strings.Cut(item, ";"); strings.TrimSpace(name) == policy {
			return true
		}
	}
	return false
}

// answer is RFC 7662 section 2.2, with Watchgate's tenant.
type answer struct {
	Active   *bool           `json:"active"`
	Issuer   string          `json:"iss"`
	Subject  string          `json:"sub"`
	Username string          `json:"username"`
	ClientID string          `json:"client_id"`
	Tenant   string          `json:"tenant"`
	TenantID string          `json:"tenant_id"`
	Scope    string          `json:"scope"`
	TokenID  string          `json:"jti"`
	Expires  int64           `json:"exp"`
	AuthTime int64           `json:"auth_time"`
	ACR      string          `json:"acr"`
	Type     string          `json:"token_type"`
	KeyID    string          `json:"key_id"`
	AMR      []string        `json:"amr"`
	Bound    json.RawMessage `json:"cnf"` // to a key, RFC 7800
}

// describe returns who holds an active token, and nil for one that is not.
func (g *Guard) describe(body []byte) (*Principal, error) {
	var a answer
	if err := json.Unmarshal(body, &a); err != nil {
		return nil, fmt.Errorf("the answer is not one JSON object of RFC 7662: %w", err)
	}
	switch {
	case a.Active == nil:
		return nil, errors.New("the answer does not say active")
	case !*a.Active:
		return nil, nil
	case a.Issuer != g.cfg.Issuer:
		return nil, fmt.Errorf("the answer is of the issuer %q", a.Issuer)
	case len(a.Bound) > 0 && string(a.Bound) != "null":
		// Whoever stole it has no key; taken as a bearer token it would need none
		// (RFC 9449 section 7.2).
		return nil, nil
	}
	return &Principal{
		Subject: a.Subject, Username: a.Username, ClientID: a.ClientID, Tenant: a.Tenant, TenantID: a.TenantID,
		Scopes: strings.Fields(a.Scope), TokenID: a.TokenID, ExpiresAt: instant(a.Expires), AuthTime: instant(a.AuthTime),
		ACR: a.ACR, AMR: a.AMR, TokenType: a.Type, KeyID: a.KeyID,
	}, nil
}

// instant is a NumericDate; 0 stands for none.
func instant(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}

// retryAfter reads RFC 9110 section 10.2.3, within reason.
func retryAfter(value string, now time.Time) time.Duration {
	wait := time.Second
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		wait = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(value); err == nil {
		wait = at.Sub(now)
	}
	return min(max(wait, time.Second), maxRetryAfter)
}
