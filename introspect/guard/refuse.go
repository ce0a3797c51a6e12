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
	noCredential, invalidRequest, invalidToken, https, scope, authentication, noPerson refusal

	notFound http.Handler
}

func newRefusals(cfg Config, need Need) refusals {
	challenge := func(params ...string) []string { return []string{challenge(cfg, params)} }
	what, where := "access token", "Authorization: Bearer ..."
	if cfg.APIKeyHeader {
		what, where = "access token or API key", "Authorization: Bearer ..., or X-API-Key: ..."
	}
	unauthenticated, forbidden := code(cfg.Errors.Unauthenticated), code(cfg.Errors.Forbidden)
	return refusals{
		// RFC 6750 section 3.1: no error code for who sent no credentials.
		noCredential: refusal{http.StatusUnauthorized, challenge(),
			`{` + unauthenticated + `"message":"an ` + what + ` is needed: ` + where + `"}`},
		invalidRequest: refusal{http.StatusBadRequest, challenge("error", "invalid_request"),
			problem("", "invalid_request", "one credential, in one header: "+where)},
		invalidToken: refusal{http.StatusUnauthorized, challenge("error", "invalid_token"),
			problem(unauthenticated, "invalid_token", "the "+what+" is not active")},
		https: refusal{http.StatusForbidden, nil,
			problem(forbidden, "https_required", "use https; what was sent in the clear should be replaced")},
		scope: refusal{http.StatusForbidden, challenge("error", "insufficient_scope", "scope", need.Scope),
			problem(forbidden, "insufficient_scope", "the "+what+" lacks a scope")},
		authentication: refusal{http.StatusUnauthorized, challenge(stepUp(need)...),
			problem(unauthenticated, stepUpCode, stepUpWords(need))},
		noPerson: refusal{http.StatusForbidden, challenge("error", stepUpCode, "error_description", noPersonWords),
			problem(forbidden, stepUpCode, noPersonWords)},
		notFound: cfg.NotFound,
	}
}

// code is the member of an API's own code; "" where it has none.
func code(own string) string {
	if own == "" {
		return ""
	}
	return `"code":"` + own + `",`
}

// stepUpCode is RFC 9470 section 3's.
const stepUpCode = "insufficient_user_authentication"

// noPersonWords go with 403: no sign-in would help, so that nothing is asked for.
const noPersonWords = "this needs a person who signed in, which an API key and a machine have not"

func stepUpWords(need Need) string {
	switch {
	case need.MaxAge <= 0:
		return "a stronger sign-in is needed"
	case len(need.ACR) == 0:
		return "a more recent sign-in is needed"
	}
	return "a stronger or more recent sign-in is needed"
}

// stepUp is RFC 9470 section 3.
func stepUp(need Need) []string {
	params := []string{"error", stepUpCode, "error_description", stepUpWords(need)}
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

func problem(own, code, description string) string {
	return `{` + own + `"error":"` + code + `","error_description":"` + description + `"}`
}

func (s *refusals) write(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case errors.Is(err, ErrNoCredential):
		s.noCredential.write(w)
	case errors.Is(err, ErrInvalidRequest):
		s.invalidRequest.write(w)
	case errors.Is(err, ErrHTTPSRequired):
		s.https.write(w)
	case errors.Is(err, ErrInvalidToken):
		s.invalidToken.write(w)
	case errors.Is(err, ErrOtherTenant):
		w.Header().Set("Cache-Control", "no-store")
		s.notFound.ServeHTTP(w, r)
	case errors.Is(err, ErrInsufficientScope):
		s.scope.write(w)
	case noPerson(err):
		s.noPerson.write(w)
	case errors.Is(err, ErrInsufficientAuthentication):
		s.authentication.write(w)
	case errors.Is(err, ErrRateLimited):
		writeRateLimited(w, err)
	default:
		writeUnavailable(w, err)
	}
}

func noPerson(err error) bool {
	var a *AuthenticationError
	return errors.As(err, &a) && a.NoPerson
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
	refusal{status: http.StatusNotFound, body: problem("", "not_found", "there is nothing here for this credential")}.write(w)
}

// writeRateLimited passes on what Watchgate said about the key.
func writeRateLimited(w http.ResponseWriter, err error) {
	wait := time.Second
	var limited *RateLimitError
	if errors.As(err, &limited) {
		wait = limited.RetryAfter
		w.Header().Set("RateLimit-Policy", limited.Policy)
		w.Header().Set("RateLimit", limited.Limit)
	}
	w.Header().Set("Retry-After", seconds(wait))
	refusal{status: http.StatusTooManyRequests, body: problem("", "slow_down", "the API key is used too often")}.write(w)
}

// seconds rounds up.
func seconds(d time.Duration) string { return strconv.Itoa(int((d + time.Second - 1) / time.Second)) }

func writeUnavailable(w http.ResponseWriter, err error) {
	wait := time.Second
	var u *UnavailableError
	if errors.As(err, &u) {
		wait = max(wait, u.RetryAfter)
	}
	w.Header().Set("Retry-After", seconds(wait))
	refusal{status: http.StatusServiceUnavailable, body: problem("", "temporarily_unavailable", "the credential cannot be checked now")}.write(w)
}
