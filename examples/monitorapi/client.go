package monitorapi

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// client is a public OAuth client: it has no secret, and PKCE proves that the
// one who redeems a code is the one who asked for it (RFC 7636).
type client struct {
	issuer, id, redirectURI string
	http                    *http.Client
	now                     func() time.Time

	mu   sync.Mutex
	meta *metadata // nil until it was read
}

// metadata is RFC 8414 section 2, as far as the page uses it.
type metadata struct {
	Issuer    string `json:"issuer"`
	Authorize string `json:"authorization_endpoint"`
	Token     string `json:"token_endpoint"`
	UserInfo  string `json:"userinfo_endpoint"`
	Revoke    string `json:"revocation_endpoint"`
	SignOut   string `json:"end_session_endpoint"`
}

// tokens is a token response (RFC 6749 section 5.1).
type tokens struct {
	Access    string `json:"access_token"`
	Refresh   string `json:"refresh_token"`
	IDToken   string `json:"id_token"`
	Scope     string `json:"scope"`
	ExpiresIn int64  `json:"expires_in"` // seconds

	ends time.Time
}

// identity is who signed in.
type identity struct {
	Subject string `json:"sub"`
	Name    string `json:"name"`
	Email   string `json:"email"`
	Tenant  string `json:"tenant"` // the slug
}

// oauthProblem is an error response (RFC 6749 sections 4.1.2.1 and 5.2).
type oauthProblem struct {
	Code        string `json:"error"`
	Description string `json:"error_description"`
}

func (p *oauthProblem) Error() string { return "monitorapi: oauth error " + p.Code }

// appScopes are what the page asks for.
const appScopes = "openid profile email offline_access " + scopeRead

// discover reads the metadata once; a document of another issuer is refused
// (RFC 8414 section 3.3).
func (c *client) discover(ctx context.Context) (metadata, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.meta != nil {
		return *c.meta, nil
	}
	var m metadata
	if err := c.get(ctx, c.issuer+"/.well-known/openid-configuration", "", &m); err != nil {
		return metadata{}, err
	}
	if m.Issuer != c.issuer || m.Authorize == "" || m.Token == "" {
		return metadata{}, fmt.Errorf("monitorapi: the metadata is that of %q", m.Issuer)
	}
	c.meta = &m
	return m, nil
}

// tenantClaim asks for the tenant, which no scope stands for (OIDC Core section
// 5.5).
const tenantClaim = `{"id_token":{"tenant":null},"userinfo":{"tenant":null}}`

// authURL is where the browser goes to sign in.
func (c *client) authURL(m metadata, state string, a attempt, hint string) string {
	sum := sha256.Sum256([]byte(a.verifier))
	q := url.Values{
		"response_type": {"code"}, "client_id": {c.id}, "redirect_uri": {c.redirectURI}, "scope": {appScopes},
		"state": {state}, "nonce": {a.nonce}, "claims": {tenantClaim},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}
	if hint != "" {
		q.Set("login_hint", hint)
	}
	return m.Authorize + "?" + q.Encode()
}

// redeem exchanges a code, and checks the ID token that came with it.
func (c *client) redeem(ctx context.Context, code string, a attempt) (tokens, identity, error) {
	t, err := c.exchange(ctx, url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {c.redirectURI}, "code_verifier": {a.verifier},
	})
	if err != nil {
		return tokens{}, identity{}, err
	}
	who, err := c.identify(t.IDToken, a.nonce)
	if err != nil {
		return tokens{}, identity{}, err
	}
	if who = c.complete(ctx, t.Access, who); who.Tenant == "" {
		return tokens{}, identity{}, errors.New("monitorapi: the authorization server did not say the tenant")
	}
	return t, who, nil
}

// refresh exchanges the refresh token. The answer to a lost answer is the same
// answer: asking again within 30 s is safe.
func (c *client) refresh(ctx context.Context, old tokens) (tokens, error) {
	t, err := c.exchange(ctx, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {old.Refresh}})
	if err != nil {
		return tokens{}, err
	}
	if t.Refresh == "" {
		t.Refresh = old.Refresh
	}
	if t.Scope == "" {
		t.Scope = old.Scope
	}
	return t, nil
}

func (c *client) exchange(ctx context.Context, form url.Values) (tokens, error) {
	m, err := c.discover(ctx)
	if err != nil {
		return tokens{}, err
	}
	form.Set("client_id", c.id)
	var t tokens
	if err := c.post(ctx, m.Token, form, &t); err != nil {
		return tokens{}, err
	}
	if t.Access == "" {
		return tokens{}, errors.New("monitorapi: the token response has no access token")
	}
	t.ends = c.now().Add(time.Duration(t.ExpiresIn) * time.Second)
	return t, nil
}

// revoke ends the grant (RFC 7009).
func (c *client) revoke(ctx context.Context, t tokens) error {
	m, err := c.discover(ctx)
	if err != nil || m.Revoke == "" || t.Refresh == "" {
		return err
	}
	return c.post(ctx, m.Revoke, url.Values{"token": {t.Refresh}, "client_id": {c.id}}, nil)
}

// audience is aud, which is a string or a list (RFC 7519 section 4.1.3).
type audience []string

func (a *audience) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		var one string
		err := json.Unmarshal(b, &one)
		*a = audience{one}
		return err
	}
	return json.Unmarshal(b, (*[]string)(a))
}

// identify reads an ID token that came straight from the token endpoint, whose
// connection stands for its signature (OIDC Core section 3.1.3.7, number 6). One
// that came any other way needs the signature checked.
func (c *client) identify(idToken, nonce string) (identity, error) {
	parts := strings.Split(idToken, ".")
	if len(parts) != 3 {
		return identity{}, errors.New("monitorapi: the token response has no ID token")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return identity{}, fmt.Errorf("monitorapi: id token: %w", err)
	}
	var claims struct {
		identity
		Issuer   string   `json:"iss"`
		Audience audience `json:"aud"`
		Nonce    string   `json:"nonce"`
		Expires  int64    `json:"exp"`
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		return identity{}, fmt.Errorf("monitorapi: id token: %w", err)
	}
	if claims.Issuer != c.issuer || !slices.Contains(claims.Audience, c.id) || claims.Nonce != nonce ||
		claims.Subject == "" || c.now().Unix() >= claims.Expires {
		return identity{}, errors.New("monitorapi: the ID token is not for this sign-in")
	}
	return claims.identity, nil
}

// complete adds what the ID token left out from userinfo, which must speak of the
// same subject (Core section 5.3.2). A userinfo that fails leaves gaps, no more.
func (c *client) complete(ctx context.Context, access string, who identity) identity {
	m, err := c.discover(ctx)
	if err != nil || m.UserInfo == "" {
		return who
	}
	var info identity
	if err := c.get(ctx, m.UserInfo, access, &info); err != nil || info.Subject != who.Subject {
		return who
	}
	if who.Tenant != "" {
		info.Tenant = who.Tenant
	}
	return info
}

func (c *client) get(ctx context.Context, target, access string, v any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return fmt.Errorf("monitorapi: request: %w", err)
	}
	if access != "" {
		req.Header.Set("Authorization", "Bearer "+access)
	}
	return c.do(req, v)
}

func (c *client) post(ctx context.Context, target string, form url.Values, v any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(form.Encode()))
	if err != nil {
		return fmt.Errorf("monitorapi: request: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return c.do(req, v)
}

// do reads a JSON answer into v (nil: none is read). An OAuth error comes back as
// *oauthProblem.
func (c *client) do(req *http.Request, v any) error {
	req.Header.Set("Accept", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("monitorapi: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 256<<10))
	if err != nil {
		return fmt.Errorf("monitorapi: read answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		p := &oauthProblem{}
		if json.Unmarshal(body, p) == nil && p.Code != "" {
			return p
		}
		return fmt.Errorf("monitorapi: %s answered %d", req.URL.Path, resp.StatusCode)
	}
	if v == nil {
		return nil
	}
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("monitorapi: answer of %s: %w", req.URL.Path, err)
	}
	return nil
}
