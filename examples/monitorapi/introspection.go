package monitorapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// errUnavailable: the authorization server did not answer the question. That is
// neither yes nor no.
var errUnavailable = errors.New("monitorapi: introspection is unavailable")

// credential is the answer of RFC 7662 section 2.2, as far as this API uses it.
type credential struct {
	Active  bool   `json:"active"`
	Scope   string `json:"scope"`
	Issuer  string `json:"iss"`
	Tenant  string `json:"tenant"` // the slug
	Subject string `json:"sub"`
}

// has reports whether the credential holds one of the scopes.
func (c credential) has(scopes ...string) bool {
	held := strings.Fields(c.Scope)
	return slices.ContainsFunc(scopes, func(s string) bool { return slices.Contains(held, s) })
}

// introspector asks the authorization server about tokens.
type introspector struct {
	url, issuer string
	id, secret  string
	http        *http.Client
}

// ask returns what a token is good for. With a tenant, a token of any other one
// is not active, exactly as if it did not exist. errUnavailable.
func (i introspector) ask(ctx context.Context, token, tenant string) (credential, error) {
	form := url.Values{"token": {token}, "token_type_hint": {"access_token"}}
	if tenant != "" {
		form.Set("tenant", tenant)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, i.url, strings.NewReader(form.Encode()))
	if err != nil {
		return credential{}, fmt.Errorf("%w: %w", errUnavailable, err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	// RFC 6749 section 2.3.1: both parts are form-encoded before they are joined.
	req.SetBasicAuth(url.QueryEscape(i.id), url.QueryEscape(i.secret))
	resp, err := i.http.Do(req)
	if err != nil {
		return credential{}, fmt.Errorf("%w: %w", errUnavailable, err)
	}
	defer resp.Body.Close()
	return i.read(resp)
}

func (i introspector) read(resp *http.Response) (credential, error) {
	if resp.StatusCode != http.StatusOK {
		return credential{}, fmt.Errorf("%w: status %d", errUnavailable, resp.StatusCode)
	}
	var c credential
	if err := json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&c); err != nil {
		return credential{}, fmt.Errorf("%w: %w", errUnavailable, err)
	}
	if c.Active && c.Issuer != i.issuer {
		return credential{}, fmt.Errorf("%w: the answer is from issuer %q", errUnavailable, c.Issuer)
	}
	return c, nil
}
