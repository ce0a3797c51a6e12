package monitorapi

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
)

// refusal is why a call is not answered (RFC 6750 section 3.1).
type refusal struct {
	status      int
	code        string // "" for a call without credentials: no error code then
	description string
	scope       string // what would have been enough
}

var (
	noToken      = &refusal{status: http.StatusUnauthorized}
	badRequest   = &refusal{status: http.StatusBadRequest, code: "invalid_request", description: "the Authorization header is malformed or repeated"}
	invalidToken = &refusal{status: http.StatusUnauthorized, code: "invalid_token", description: "the access token is not active"}
	notFound     = &refusal{status: http.StatusNotFound, code: "not_found", description: "there is nothing here for this access token"}
	unavailable  = &refusal{status: http.StatusServiceUnavailable, code: "temporarily_unavailable", description: "the access token cannot be checked now"}
)

// scopeAll implies all scopes of this API.
const scopeAll = "monitoring:admin"

var (
	tokenForm = regexp.MustCompile(`^[A-Za-z0-9._~+/-]+=*$`) // RFC 6750 section 2.1
	slugForm  = regexp.MustCompile(`^[a-z0-9-]{1,63}$`)
)

// bearer reads the token of the Authorization header; nothing else is looked at.
func bearer(h http.Header) (string, *refusal) {
	values := h.Values("Authorization")
	if len(values) > 1 {
		return "", badRequest
	}
	scheme, token, _ := strings.Cut(h.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", noToken
	}
	if !tokenForm.MatchString(token) {
		return "", badRequest
	}
	return token, nil
}

// guard decides each call.
type guard struct {
	introspector
	base string
	log  *slog.Logger
}

// check returns the credential of a call on a tenant that needs a scope, or why
// there is none.
func (g guard) check(r *http.Request, tenant, scope string) (credential, *refusal) {
	token, no := bearer(r.Header)
	if no != nil {
		return credential{}, no
	}
	c, no := g.active(r.Context(), token, tenant)
	if no != nil {
		return credential{}, no
	}
	if !c.has(scope, scopeAll) {
		return credential{}, &refusal{
			status: http.StatusForbidden, code: "insufficient_scope", description: "the access token lacks a scope", scope: scope,
		}
	}
	return c, nil
}

// active asks for the tenant of the URL. "Not active" does not tell a dead token
// from one of another tenant, so a second question, without tenant, decides
// between 401 and 404: whoever holds a good token learns that this tenant has
// nothing for it, and need not sign in again.
func (g guard) active(ctx context.Context, token, tenant string) (credential, *refusal) {
	if slugForm.MatchString(tenant) {
		c, err := g.ask(ctx, token, tenant)
		if err != nil {
			return credential{}, g.unanswered(ctx, err)
		}
		if c.Active && c.Tenant == tenant {
			return c, nil
		}
	}
	c, err := g.ask(ctx, token, "")
	if err != nil {
		return credential{}, g.unanswered(ctx, err)
	}
	if c.Active {
		return credential{}, notFound
	}
	return credential{}, invalidToken
}

func (g guard) unanswered(ctx context.Context, err error) *refusal {
	g.log.ErrorContext(ctx, "a token could not be checked", slog.Any("err", err))
	return unavailable
}

// refuse writes a refusal. The resource_metadata parameter leads a client to the
// authorization server (RFC 9728 section 5.1).
func (g guard) refuse(w http.ResponseWriter, no *refusal) {
	switch no.status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusBadRequest:
		w.Header().Set("WWW-Authenticate", g.challenge(no))
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "1")
	}
	body := map[string]string{"error": no.code, "error_description": no.description}
	if no.code == "" {
		body = map[string]string{"message": "an access token is needed: Authorization: Bearer ..."}
	}
	writeJSON(w, no.status, body)
}

func (g guard) challenge(no *refusal) string {
	s := `Bearer realm="monitoring"`
	if no.code != "" {
		s += `, error="` + no.code + `", error_description="` + no.description + `"`
	}
	if no.scope != "" {
		s += `, scope="` + no.scope + `"`
	}
	return s + `, resource_metadata="` + g.base + metadataPath + `"`
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// The status is written: a client that went away is nobody to tell.
	_, _ = w.Write(append(body, '\n'))
}
