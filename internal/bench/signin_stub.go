package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// stubCount is how many providers share the people. The server sends no more than 50
// requests a second to one destination, so that one provider alone would set the rate.
const stubCount = 8

// stub is an OpenID provider that asks nobody anything and keeps nothing: who the
// login_hint names is signed in, and a code says what its ID token will. It has no more
// than a connection needs.
type stub struct {
	issuer, domain string
	signer         jose.Signer
	keys           []byte // its JWK set
	server         *http.Server
}

// stubs are providers, each of a connection and a domain of the site's tenant.
type stubs struct{ all []*stub }

// connectStubs starts the providers and connects the tenant to them.
func (s *site) connectStubs(ctx context.Context) (*stubs, error) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	p := &stubs{}
	for i := range stubCount {
		one, err := startStub(private, fmt.Sprintf("stub%d.test", i))
		if err == nil {
			p.all = append(p.all, one)
			err = s.connectStub(ctx, one)
		}
		if err != nil {
			p.close()
			return nil, err
		}
	}
	return p, nil
}

func (p *stubs) close() {
	for _, one := range p.all {
		one.server.Close()
	}
}

func (s *site) connectStub(ctx context.Context, p *stub) error {
	con, err := s.operate(ctx, []string{"WATCHGATE_CLIENT_SECRET=bench-upstream"}, "connection", "create", "acme",
		"--name", p.domain, "--issuer", p.issuer, "--client-id", stubClient, "--no-check")
	if err != nil {
		return err
	}
	_, err = s.deployment.Operate(ctx, nil, "domain", "add", "--vouch", "acme", con["id"], p.domain)
	return err
}

// stubClient is our client_id at every stub.
const stubClient = "watchgate-bench"

func startStub(private *rsa.PrivateKey, domain string) (*stub, error) {
	key := jose.JSONWebKey{Key: private, KeyID: "stub", Algorithm: string(jose.RS256), Use: "sig"}
	signer, err1 := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: key}, nil)
	keys, err2 := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key.Public()}})
	l, err3 := net.Listen("tcp", "127.0.0.1:0")
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	p := &stub{issuer: "http://" + l.Addr().String(), domain: domain, signer: signer, keys: keys}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", p.metadata)
	mux.HandleFunc("GET /jwks", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, p.keys) })
	mux.HandleFunc("GET /authorize", p.authorize)
	mux.HandleFunc("POST /token", p.token)
	p.server = &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	go func() { _ = p.server.Serve(l) }()
	return p, nil
}

// metadata is OpenID Connect Discovery section 3.
func (p *stub) metadata(w http.ResponseWriter, _ *http.Request) {
	answerJSON(w, map[string]any{
		"issuer": p.issuer, "authorization_endpoint": p.issuer + "/authorize", "token_endpoint": p.issuer + "/token",
		"jwks_uri": p.issuer + "/jwks", "response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
	})
}

// stubCode is what a code says: it is itself all that the provider knows.
type stubCode struct{ Email, Nonce, Client string }

func (p *stub) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	raw, err := json.Marshal(stubCode{Email: q.Get("login_hint"), Nonce: q.Get("nonce"), Client: q.Get("client_id")})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	back := url.Values{"code": {base64.RawURLEncoding.EncodeToString(raw)}, "state": {q.Get("state")}}
	http.Redirect(w, r, q.Get("redirect_uri")+"?"+back.Encode(), http.StatusSeeOther)
}

func (p *stub) token(w http.ResponseWriter, r *http.Request) {
	idToken, err := p.idToken(r.PostFormValue("code"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answerJSON(w, map[string]any{"access_token": rand.Text(), "token_type": "Bearer", "expires_in": 60, "id_token": idToken})
}

// idToken is the ID token of a code (OpenID Connect Core section 2).
func (p *stub) idToken(code string) (string, error) {
	var c stubCode
	raw, err := base64.RawURLEncoding.DecodeString(code)
	if err == nil {
		err = json.Unmarshal(raw, &c)
	}
	if err != nil {
		return "", err
	}
	now := time.Now().Unix()
	claims, err := json.Marshal(map[string]any{
		"iss": p.issuer, "sub": c.Email, "aud": c.Client, "iat": now, "exp": now + 60, "auth_time": now, "nonce": c.Nonce,
		"email": c.Email, "email_verified": true, "name": "A Visitor", "amr": []string{"pwd"},
	})
	if err != nil {
		return "", err
	}
	signed, err := p.signer.Sign(claims)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}

func answerJSON(w http.ResponseWriter, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	writeJSON(w, body)
}

func writeJSON(w http.ResponseWriter, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body)
}
