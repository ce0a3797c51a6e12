package authz

import (
	"errors"
	"net/http"

	"github.com/ory/fosite"

	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
)

// sentences are what a client reads beside an error code when nothing more
// precise is said. Only characters of RFC 6749 section 5.2.
var sentences = map[string]string{
	"invalid_request":                   "The request is malformed or lacks a parameter.",
	"invalid_client":                    "The client could not be authenticated.",
	"invalid_grant":                     "The grant is not valid, has expired or was revoked.",
	"unauthorized_client":               "The client may not use this grant type.",
	"unsupported_grant_type":            "This grant type is not supported.",
	"unsupported_response_type":         "Only response_type=code is supported.",
	"invalid_scope":                     "A requested scope is malformed, unknown or not allowed for the client.",
	"invalid_target":                    "A requested resource is malformed, unknown or not allowed.",
	"access_denied":                     "The request was denied.",
	"login_required":                    "The person has to sign in.",
	"consent_required":                  "The person has to approve the access.",
	"interaction_required":              "The person has to do something.",
	"account_selection_required":        "The person has to choose an account.",
	"unmet_authentication_requirements": "The sign-in does not reach the requested level.",
	"request_not_supported":             "Request objects are not supported.",
	"request_uri_not_supported":         "Request objects by reference are not supported.",
	"registration_not_supported":        "The registration parameter is not supported.",
	"server_error":                      "Something went wrong on our side.",
	"temporarily_unavailable":           "The server cannot answer right now. Try again in a moment.",
}

// fromFosite renames the codes of fosite that no RFC knows.
var fromFosite = map[string]string{
	"invalid_state":             "invalid_request",
	"insufficient_entropy":      "invalid_request",
	"unsupported_response_mode": "invalid_request",
	"scope_not_granted":         "invalid_scope",
	"token_inactive":            "invalid_grant",
	"token_expired":             "invalid_grant",
	"invalid_token":             "invalid_grant",
	"not_found":                 "invalid_grant",
}

// refusal returns an error of the protocol; public "" takes the code's usual
// sentence, and a code that we do not know becomes server_error.
func refusal(code, public string) *web.Error {
	usual, known := sentences[code]
	if !known {
		code, usual = "server_error", sentences["server_error"]
	}
	if public == "" {
		public = usual
	}
	return web.Refuse(statusOf(code), code, public, nil)
}

func statusOf(code string) int {
	switch code {
	case "invalid_client":
		return http.StatusUnauthorized
	case "server_error":
		return http.StatusInternalServerError
	case "temporarily_unavailable":
		return http.StatusServiceUnavailable
	}
	return http.StatusBadRequest
}

// because returns e with its cause, for the log.
func because(e *web.Error, cause error) *web.Error {
	c := *e
	c.Err = cause
	return &c
}

// reason is a cause that is one short stable code.
type reason string

func (r reason) Error() string { return string(r) }

// invalidGrant is the one answer to every code or refresh token that is not
// good; why is for the log.
func invalidGrant(why string) *web.Error { return because(refusal("invalid_grant", ""), reason(why)) }

// refusedGrant is invalidGrant, with a word for the one reason that its rightful client can
// do something about: it sends the person to sign in again (RF-14).
func refusedGrant(why string) *web.Error {
	if why != tooWeak {
		return invalidGrant(why)
	}
	return because(refusal("invalid_grant", "The organization asks for a stronger sign-in: the person has to sign in again."), reason(why))
}

// engineError is the one mapping of what fosite says. Its hints and debug texts
// never leave: only the code does.
func engineError(err error) *web.Error {
	var protocol *fosite.RFC6749Error
	var own *web.Error
	switch {
	case errors.As(err, &own):
		return own
	case !errors.As(err, &protocol):
		return because(refusal("server_error", ""), err)
	}
	code := protocol.ErrorField
	if renamed, ok := fromFosite[code]; ok {
		code = renamed
	}
	return because(refusal(code, ""), err)
}

// storeError maps what a store says when nothing more precise is known:
// a lost race is a grant that is no longer good, everything else is an outage.
func storeError(err error) *web.Error {
	var own *web.Error
	switch {
	case errors.As(err, &own):
		return own
	case errors.Is(err, storage.ErrConsumed), errors.Is(err, storage.ErrNotFound):
		return because(refusal("invalid_grant", ""), err)
	}
	return web.Unavailable(err)
}

// tenantClosed is what a machine gets that may not act in its tenant now, whatever
// the reason; why is for the log.
func tenantClosed(why error) *web.Error {
	return because(refusal("unauthorized_client", "The client may not get tokens right now."), why)
}

// machineError maps what a store says about a token without a grant: the tenant
// that the client acts in is gone, or the store is away.
func machineError(err error) *web.Error {
	if errors.Is(err, storage.ErrNotFound) {
		return tenantClosed(err)
	}
	return web.Unavailable(err)
}
