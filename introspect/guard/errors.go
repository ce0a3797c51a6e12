package guard

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Why a call is not allowed. Use errors.Is; none of their texts is meant for the
// caller of an API.
var (
	// ErrNoCredential: there is no bearer token, and no API key. 401 without an error
	// code.
	ErrNoCredential = errors.New("guard: no access token")
	// ErrInvalidRequest: the credential is malformed, there are two, or it is in the
	// query or in a cookie. 400.
	ErrInvalidRequest = errors.New("guard: the credential is malformed, repeated or in the wrong place")
	// ErrHTTPSRequired: the call came over plain HTTP. 403.
	ErrHTTPSRequired = errors.New("guard: HTTPS is required")
	// ErrInvalidToken: the token is not active, whatever the reason. 401.
	ErrInvalidToken = errors.New("guard: the access token is not active")
	// ErrOtherTenant: the token is good, and not for this tenant. 404.
	ErrOtherTenant = errors.New("guard: the access token is not for this tenant")
	// ErrInsufficientScope is what every [ScopeError] is. 403.
	ErrInsufficientScope = errors.New("guard: the access token lacks a scope")
	// ErrInsufficientAuthentication is what every [AuthenticationError] is. 401, or 403
	// where there is no person who could sign in again.
	ErrInsufficientAuthentication = errors.New("guard: the authentication is too old or too weak")
	// ErrRateLimited is what every [RateLimitError] is: the API key is good, and was
	// used too often. 429.
	ErrRateLimited = errors.New("guard: the API key is over its rate")
	// ErrUnavailable is what every [UnavailableError] is: nobody can tell. 503.
	ErrUnavailable = errors.New("guard: the access token cannot be checked")
	// ErrOwnCredentials: Watchgate refuses the guard's own ClientID and Secret, or
	// does not look at them for now, because too many wrong ones came from this
	// address. Such an error is ErrUnavailable too: it is not the caller's fault.
	ErrOwnCredentials = errors.New("guard: ClientID and Secret are refused")
)

// ScopeError says which scopes a call needs. It is [ErrInsufficientScope].
type ScopeError struct {
	Needed string // space-separated; all of them
}

func (e *ScopeError) Error() string {
	return fmt.Sprintf("%v: it needs %q", ErrInsufficientScope, e.Needed)
}

// Unwrap returns ErrInsufficientScope.
func (e *ScopeError) Unwrap() error { return ErrInsufficientScope }

// AuthenticationError says what authentication a call needs (RFC 9470). It is
// [ErrInsufficientAuthentication].
type AuthenticationError struct {
	ACR    []string      // one of these; empty: any
	MaxAge time.Duration // since the user signed in; 0: any
	// NoPerson: it is an API key, a token that was made under one, or a machine's. No
	// sign-in can be got for it.
	NoPerson bool
}

func (e *AuthenticationError) Error() string {
	return fmt.Sprintf("%v: it needs acr %q, max_age %v", ErrInsufficientAuthentication, strings.Join(e.ACR, " "), e.MaxAge)
}

// Unwrap returns ErrInsufficientAuthentication.
func (e *AuthenticationError) Unwrap() error { return ErrInsufficientAuthentication }

// RateLimitError says when an API key may be used again. It is [ErrRateLimited].
type RateLimitError struct {
	RetryAfter time.Duration // at least 1 s
	// Policy and Limit are the RateLimit-Policy and RateLimit headers
	// (draft-ietf-httpapi-ratelimit-headers sections 3 and 4).
	Policy, Limit string
}

func (e *RateLimitError) Error() string {
	return fmt.Sprintf("%v for %v", ErrRateLimited, e.RetryAfter)
}

// Unwrap returns ErrRateLimited.
func (e *RateLimitError) Unwrap() error { return ErrRateLimited }

// UnavailableError says why there is no answer. It is [ErrUnavailable], and its
// cause: context.Canceled when the caller went away, [ErrOwnCredentials] when
// this API's own secret is wrong.
type UnavailableError struct {
	Cause error
	// RetryAfter is when to try again, at least 1 s.
	RetryAfter time.Duration
}

func (e *UnavailableError) Error() string { return fmt.Sprintf("%v: %v", ErrUnavailable, e.Cause) }

// Unwrap returns ErrUnavailable and the cause.
func (e *UnavailableError) Unwrap() []error { return []error{ErrUnavailable, e.Cause} }
