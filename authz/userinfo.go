package authz

import (
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
)

const realm = `Bearer realm="watchgate"`

// userinfo is the UserInfo endpoint (OIDC Core 1.0 section 5.3), by GET and by
// POST: what the token's scopes and the claims parameter ask for about the
// person, and always sub.
func (s *Server) userinfo(w http.ResponseWriter, r *http.Request) error {
	raw, err := bearer(w, r)
	if err != nil {
		return err
	}
	if raw == "" {
		// Nothing was presented: the challenge has no error code (RFC 6750
		// section 3.1).
		w.Header().Set("WWW-Authenticate", realm)
		w.WriteHeader(http.StatusUnauthorized)
		return nil
	}
	live, err := s.presented(r, raw)
	if err != nil {
		return err
	}
	return web.WriteJSON(w, http.StatusOK, about(live))
}

// presented is the token, if it is live and good for UserInfo.
func (s *Server) presented(r *http.Request, raw string) (*storage.LiveToken, error) {
	ref, err := token.Parse(token.Access, raw)
	if err != nil {
		return nil, invalidToken("malformed")
	}
	_, live, err := s.cfg.Store.FindAccess(r.Context(), "", ref)
	switch {
	case err != nil && !errors.Is(err, storage.ErrNotFound):
		return nil, web.Unavailable(err)
	case live == nil:
		return nil, invalidToken("unknown")
	}
	if why := live.Dead(s.now()); why != "" {
		return nil, invalidToken(why)
	}
	web.Annotate(r.Context(), "client", string(live.Client))
	if live.User == "" || !slices.Contains(live.Scopes, scopeOpenID) {
		e := web.Refuse(http.StatusForbidden, "insufficient_scope", "The access token lacks the scope openid.", nil)
		return nil, challenged(e, `, scope="openid"`)
	}
	return live, nil
}

// about is the answer for a live token.
func about(live *storage.LiveToken) map[string]any {
	who := identity{user: live.UserInfo, tenantID: string(live.Life.TenantID), tenant: live.Life.TenantSlug}
	claims := who.byScope(live.Scopes)
	var asked map[string]json.RawMessage
	if live.Claims != "" && json.Unmarshal([]byte(live.Claims), &asked) == nil {
		for name := range asked {
			who.add(claims, name)
		}
	}
	claims["sub"] = string(live.User)
	return claims
}

// invalidToken is the one answer to every token that is not good; why is for
// the log.
func invalidToken(why string) *web.Error {
	e := web.Refuse(http.StatusUnauthorized, "invalid_token", "The access token is not valid.", reason(why))
	return challenged(e, "")
}

// challenged adds the challenge of RFC 6750 section 3.
func challenged(e *web.Error, more string) *web.Error {
	return e.With("WWW-Authenticate", realm+`, error="`+e.Code+`", error_description="`+e.Public+`"`+more)
}

// bearer returns the access token of a request, "" when there is none: from the
// Authorization header, or from the form of a POST (RFC 6750 sections 2.1 and
// 2.2). The query is not looked at. Two at once are refused.
func bearer(w http.ResponseWriter, r *http.Request) (string, error) {
	inBody, err := bodyToken(w, r)
	if err != nil {
		return "", err
	}
	headers := r.Header["Authorization"]
	if len(headers) > 1 || (len(headers) == 1 && inBody != "") {
		e := refusal("invalid_request", "The request presents more than one credential.")
		return "", challenged(e, "")
	}
	if len(headers) == 0 {
		return inBody, nil
	}
	scheme, credential, _ := strings.Cut(headers[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", nil
	}
	if credential = strings.TrimSpace(credential); credential == "" {
		return "", challenged(refusal("invalid_request", "The access token is missing."), "")
	}
	return credential, nil
}

// bodyToken reads access_token from a form. Any other body is not looked at.
func bodyToken(w http.ResponseWriter, r *http.Request) (string, error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if r.Method != http.MethodPost || err != nil || kind != "application/x-www-form-urlencoded" {
		return "", nil
	}
	plain := *r
	plain.URL = &url.URL{Path: r.URL.Path}
	form, err := web.ReadForm(w, &plain)
	if err != nil {
		return "", err
	}
	return form.Get("access_token"), nil
}
