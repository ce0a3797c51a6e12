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

	Discovery func(doc map[string]any)                          // bends the discovery document
	Response  func(params url.Values)                           // bends the authorization response
	Claims    func(claims map[string]any)                       // bends the ID token's claims
	Sign      func(payload []byte) string                       // replaces the ID token's signature
	Userinfo  func(claims map[string]any)                       // bends the userinfo answer
	Intercept func(w http.ResponseWriter, r *http.Request) bool // answers instead of the provider

	mu     sync.Mutex
	codes  map[string]grant
	tokens map[string]map[string]any
	seen   map[string]int
	asked  url.Values
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
		Keys: []jose.JSONWebKey{RSAKey("rsa-1")},
		Person: map[string]any{
			"sub": "alice-sub", "email": "alice@acme.test", "email_verified": true, "name": "Alice Archer",
		},
	}
	server := httptest.NewTLSServer(p)
	t.Cleanup(server.Close)
	p.Issuer, p.Client = server.URL, server.Client()
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

// Seen is how often a path was asked for.
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
	p.mu.Unlock()
	if p.Intercept != nil && p.Intercept(w, r) {
		return
	}
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		p.discovery(w)
	case "/authorize":
		p.authorize(w, r)
	case "/token":
		p.token(w, r)
	case "/userinfo":
		p.userinfo(w, r)
	case "/jwks":
		p.jwks(w)
	default:
		http.NotFound(w, r)
	}
}

func (p *Provider) discovery(w http.ResponseWriter) {
	doc := map[string]any{
		"issuer": p.Issuer, "authorization_endpoint": p.Issuer + "/authorize", "token_endpoint": p.Issuer + "/token",
		"userinfo_endpoint": p.Issuer + "/userinfo", "jwks_uri": p.Issuer + "/jwks",
		"response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
		"id_token_signing_alg_values_supported":          []string{"RS256"},
		"authorization_response_iss_parameter_supported": true,
	}
	if p.Discovery != nil {
		p.Discovery(doc)
	}
	writeJSON(w, http.StatusOK, doc)
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

// token redeems a code once, for the client that got it, with its verifier.
func (p *Provider) token(w http.ResponseWriter, r *http.Request) {
	id, secret, _ := r.BasicAuth()
	id, _ = url.QueryUnescape(id)
	secret, _ = url.QueryUnescape(secret)
	if id != ClientID || secret != ClientSecret {
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
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	for _, k := range p.Keys {
		set.Keys = append(set.Keys, k.Public())
	}
	writeJSON(w, http.StatusOK, set)
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
