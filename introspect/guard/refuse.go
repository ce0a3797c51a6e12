package guard

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// refusal is an answer to a call that is not allowed, made when the API starts.
type refusal struct {
	status    int
	challenge []string // WWW-Authenticate; nil: none
	body      string
}

// refusals are those of one gate.
type refusals struct {
	noCredential, invalidRequest, invalidToken, scope, authentication refusal

	notFound http.Handler
}

func newRefusals(cfg Config, need Need) refusals {
	challenge := func(params ...string) []string { return []string{challenge(cfg, params)} }
	return refusals{
		// RFC 6750 section 3.1: no error code for who sent no credentials.
		noCredential: refusal{http.StatusUnauthorized, challenge(),
			`{"message":"an access token is needed: Authorization: Bearer ..."}`},
		invalidRequest: refusal{http.StatusBadRequest, challenge("error", "invalid_request"),
			problem("invalid_request", "the Authorization header is malformed or repeated")},
		invalidToken: refusal{http.StatusUnauthorized, challenge("error", "invalid_token"),
			problem("invalid_token", "the access token is not active")},
		scope: refusal{http.StatusForbidden, challenge("error", "insufficient_scope", "scope", need.Scope),
			problem("insufficient_scope", "the access token lacks a scope")},
		authentication: refusal{http.StatusUnauthorized, challenge(stepUp(need)...),
			problem("insufficient_user_authentication", "the user has to sign in again, or more strongly")},
		notFound: cfg.NotFound,
	}
}

// stepUp is RFC 9470 section 3.
func stepUp(need Need) []string {
	params := []string{"error", "insufficient_user_authentication"}
	if len(need.ACR) > 0 {
		params = append(params, "acr_values", strings.Join(need.ACR, " "))
	}
	if need.MaxAge > 0 {
		params = append(params, "max_age", strconv.Itoa(int(need.MaxAge/time.Second)))
	}
	return params
}

// challenge is RFC 6750 section 3. Every value was looked at before: none has a
// quote or a backslash.
func challenge(cfg Config, params []string) string {
	if cfg.Realm != "" {
		params = append([]string{"realm", cfg.Realm}, params...)
	}
	if cfg.ResourceMetadata != "" {
		params = append(params, "resource_metadata", cfg.ResourceMetadata)
	}
	var s strings.Builder
	s.WriteString("Bearer")
	for i := 0; i < len(params); i += 2 {
		if i > 0 {
			s.WriteByte(',')
		}
		s.WriteString(" " + params[i] + `="` + params[i+1] + `"`)
	}
	return s.String()
}

func problem(code, description string) string {
	return `{"error":"` + code + `","error_description":"` + description + `"}`
}

func (s *refusals) write(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case errors.Is(err, ErrNoCredential):
		s.noCredential.write(w)
	case errors.Is(err, ErrInvalidRequest):
		s.invalidRequest.write(w)
	case errors.Is(err, ErrInvalidToken):
		s.invalidToken.write(w)
	case errors.Is(err, ErrOtherTenant):
		w.Header().Set("Cache-Control", "no-store")
		s.notFound.ServeHTTP(w, r)
	case errors.Is(err, ErrInsufficientScope):
		s.scope.write(w)
	case errors.Is(err, ErrInsufficientAuthentication):
		s.authentication.write(w)
	default:
		writeUnavailable(w, err)
	}
}

func (no refusal) write(w http.ResponseWriter) {
	h := w.Header()
	if no.challenge != nil {
		h["Www-Authenticate"] = no.challenge
	}
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(no.body)+1))
	w.WriteHeader(no.status)
	// The status is written: a client that went away is nobody to tell.
	_, _ = w.Write([]byte(no.body + "\n"))
}

func notFound(w http.ResponseWriter, _ *http.Request) {
	refusal{status: http.StatusNotFound, body: problem("not_found", "there is nothing here for this access token")}.write(w)
}

func writeUnavailable(w http.ResponseWriter, err error) {
	wait := time.Second
	var u *UnavailableError
	if errors.As(err, &u) {
		wait = max(wait, u.RetryAfter)
	}
	w.Header().Set("Retry-After", strconv.Itoa(int((wait+time.Second-1)/time.Second)))
	refusal{status: http.StatusServiceUnavailable, body: problem("temporarily_unavailable", "the access token cannot be checked now")}.write(w)
}
