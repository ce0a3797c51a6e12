package optest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// The one client that the provider knows.
const (
	ClientID     = "watchgate"
	ClientSecret = "s3cret with space:and%sign"
)

// Provider is a running OpenID provider. Its fields may be changed between
// requests; a nil function changes nothing.
type Provider struct {
	// Issuer is its URL: https, on loopback, without a trailing slash.
	Issuer string
	// Client trusts the provider's certificate.
	Client *http.Client
	Now    func() time.Time
	// Person is who signs in next: the claims about them, with sub.
	Person map[string]any
	// IDTokenClaims are those of Person's that are in the ID token; the others
	// are at userinfo. Nil: all.
	IDTokenClaims []string
	// Keys are what signs (the first one) and what is published.
	Keys []jose.JSONWebKey
	// KeyIssuers are the issuers that keys are published for, by kid; a key that is not
	// in here names none.
	KeyIssuers map[string]string
	// Secrets are the client secrets that are accepted.
	Secrets []string

	Discovery func(doc map[string]any)                          // bends the discovery document
	Response  func(params url.Values)                           // bends the authorization response
	Claims    func(claims map[string]any)                       // bends the ID token's claims
	Sign      func(payload []byte) string                       // replaces the ID token's signature
	Userinfo  func(claims map[string]any)                       // bends the userinfo answer
	Intercept func(w http.ResponseWriter, r *http.Request) bool // answers instead of the provider
	// Elsewhere answers for hosts and paths that are not the provider's; nil: 404.
	Elsewhere http.Handler

	mu     sync.Mutex
	codes  map[string]grant
	tokens map[string]map[string]any
	seen   map[string]int
	asked  url.Values
	server *httptest.Server
}

// grant is what a code stands for.
type grant struct {
	params   url.Values
	person   map[string]any
	authTime time.Time
}

// New starts a provider whose clock is now. It stops at the test's end.
func New(t testing.TB, now func() time.Time) *Provider {
	t.Helper()
	p := &Provider{
		Now: now, codes: map[string]grant{}, tokens: map[string]map[string]any{}, seen: map[string]int{},
		Keys: []jose.JSONWebKey{RSAKey("rsa-1")}, Secrets: []string{ClientSecret},
		Person: map[string]any{
			"sub": "alice-sub", "email": "alice@acme.test", "email_verified": true, "name": "Alice Archer",
		},
	}
	p.server = httptest.NewTLSServer(p)
	t.Cleanup(p.server.Close)
	p.Issuer, p.Client = p.server.URL, p.server.Client()
	return p
}

// rsaKey is made once: it is the slow part of a test.
var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// RSAKey returns an RS256 key with that kid; all of them are the same key.
func RSAKey(kid string) jose.JSONWebKey {
	return jose.JSONWebKey{Key: rsaKey(), KeyID: kid, Algorithm: "RS256", Use: "sig"}
}

// ECKey returns a fresh ES256 key.
func ECKey(kid string) jose.JSONWebKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return jose.JSONWebKey{Key: key, KeyID: kid, Algorithm: "ES256", Use: "sig"}
}

// Seen is how often a path, or a host, was asked for.
func (p *Provider) Seen(path string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen[path]
}

// Asked returns the parameters of the last authentication request.
func (p *Provider) Asked() url.Values {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.asked)
}

// ServeHTTP implements http.Handler.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.seen[r.URL.Path]++
	p.seen[r.Host]++
	p.mu.Unlock()
	w.Header().Set("Date", p.Now().UTC().Format(http.TimeFormat))
	if p.Intercept != nil && p.Intercept(w, r) {
		return
	}
	doc := p.document()
	scheme := "https://"
	if r.TLS == nil {
		scheme = "http://"
	}
	switch scheme + r.Host + r.URL.Path {
	case p.base() + "/.well-known/openid-configuration":
		writeJSON(w, http.StatusOK, doc)
	case doc["authorization_endpoint"]:
		p.authorize(w, r)
	case doc["token_endpoint"]:
		p.token(w, r)
	case doc["userinfo_endpoint"]:
		p.userinfo(w, r)
	case doc["jwks_uri"]:
		p.jwks(w)
	default:
		p.elsewhere(w, r)
	}
}

func (p *Provider) elsewhere(w http.ResponseWriter, r *http.Request) {
	if p.Elsewhere == nil {
		http.NotFound(w, r)
		return
	}
	p.Elsewhere.ServeHTTP(w, r)
}

func (p *Provider) base() string { return strings.TrimSuffix(p.Issuer, "/") }

// document is the discovery document, bent.
func (p *Provider) document() map[string]any {
	base := p.base()
	doc := map[string]any{
		"issuer": p.Issuer, "authorization_endpoint": base + "/authorize", "token_endpoint": base + "/token",
		"userinfo_endpoint": base + "/userinfo", "jwks_uri": base + "/jwks",
		"response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
		"id_token_signing_alg_values_supported":          []string{"RS256"},
		"authorization_response_iss_parameter_supported": true,
	}
	if p.Discovery != nil {
		p.Discovery(doc)
	}
	return doc
}

// authorize signs Person in and answers at the redirect URI.
func (p *Provider) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	p.mu.Lock()
	p.asked = q
	p.mu.Unlock()
	if q.Get("client_id") != ClientID || q.Get("response_type") != "code" || q.Get("redirect_uri") == "" ||
		q.Get("code_challenge_method") != "S256" || q.Get("code_challenge") == "" {
		http.Error(w, "invalid_request", http.StatusBadRequest)
		return
	}
	code := rand.Text()
	p.mu.Lock()
	p.codes[code] = grant{params: q, person: maps.Clone(p.Person), authTime: p.Now()}
	p.mu.Unlock()
	answer := url.Values{"code": {code}, "state": {q.Get("state")}, "iss": {p.Issuer}}
	if p.Response != nil {
		p.Response(answer)
	}
	http.Redirect(w, r, q.Get("redirect_uri")+"?"+answer.Encode(), http.StatusFound)
}

// credentials are those of the client: by Basic, or else in the form (RFC 6749 section
// 2.3.1).
func credentials(r *http.Request) (id, secret string) {
	id, secret, basic := r.BasicAuth()
	if !basic {
		return r.PostFormValue("client_id"), r.PostFormValue("client_secret")
	}
	id, _ = url.QueryUnescape(id)
	secret, _ = url.QueryUnescape(secret)
	return id, secret
}

// token redeems a code once, for the client that got it, with its verifier.
func (p *Provider) token(w http.ResponseWriter, r *http.Request) {
	if id, secret := credentials(r); id != ClientID || !slices.Contains(p.Secrets, secret) {
		writeJSON(w, http.StatusUnauthorized, map[string]any{"error": "invalid_client"})
		return
	}
	p.mu.Lock()
	g, ok := p.codes[r.PostFormValue("code")]
	delete(p.codes, r.PostFormValue("code"))
	p.mu.Unlock()
	challenge := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	if !ok || r.PostFormValue("redirect_uri") != g.params.Get("redirect_uri") ||
		base64.RawURLEncoding.EncodeToString(challenge[:]) != g.params.Get("code_challenge") {
		writeJSON(w, http.StatusBadRequest, map[string]any{"error": "invalid_grant"})
		return
	}
	access := rand.Text()
	p.mu.Lock()
	p.tokens[access] = g.person
	p.mu.Unlock()
	writeJSON(w, http.StatusOK, map[string]any{
		"access_token": access, "token_type": "Bearer", "expires_in": 300, "id_token": p.idToken(g),
	})
}

func (p *Provider) idToken(g grant) string {
	now := p.Now()
	claims := map[string]any{
		"iss": p.Issuer, "aud": ClientID, "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
		"nonce": g.params.Get("nonce"), "sub": g.person["sub"],
	}
	if g.params.Has("max_age") {
		claims["auth_time"] = g.authTime.Unix()
	}
	for name, v := range g.person {
		if p.IDTokenClaims == nil || slices.Contains(p.IDTokenClaims, name) {
			claims[name] = v
		}
	}
	if p.Claims != nil {
		p.Claims(claims)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	if p.Sign != nil {
		return p.Sign(payload)
	}
	return Sign(p.Keys[0], nil, payload)
}

// Sign returns a compact JWS, with more header members.
func Sign(key jose.JSONWebKey, header map[string]any, payload []byte) string {
	options := (&jose.SignerOptions{}).WithType("JWT")
	for name, v := range header {
		options.WithHeader(jose.HeaderKey(name), v)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(key.Algorithm), Key: key}, options)
	if err != nil {
		panic(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		panic(err)
	}
	compact, err := signed.CompactSerialize()
	if err != nil {
		panic(err)
	}
	return compact
}

func (p *Provider) userinfo(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	person, ok := p.tokens[bearer(r)]
	p.mu.Unlock()
	if !ok {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	claims := maps.Clone(person)
	if p.Userinfo != nil {
		p.Userinfo(claims)
	}
	writeJSON(w, http.StatusOK, claims)
}

func (p *Provider) jwks(w http.ResponseWriter) {
	keys := []map[string]any{}
	for _, k := range p.Keys {
		raw, err := k.Public().MarshalJSON()
		if err != nil {
			panic(err)
		}
		var key map[string]any
		if err := json.Unmarshal(raw, &key); err != nil {
			panic(err)
		}
		if issuer, ok := p.KeyIssuers[k.KeyID]; ok {
			key["issuer"] = issuer
		}
		keys = append(keys, key)
	}
	writeJSON(w, http.StatusOK, map[string]any{"keys": keys})
}

// PublicKey is the public half of the key that signs.
func (p *Provider) PublicKey() crypto.PublicKey { return p.Keys[0].Public().Key }

func bearer(r *http.Request) string {
	const scheme = "Bearer "
	h := r.Header.Get("Authorization")
	if len(h) <= len(scheme) || h[:len(scheme)] != scheme {
		return ""
	}
	return h[len(scheme):]
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}
