package guard

import (
	"context"
	"errors"
	"time"
)

// Decision is what became of a call, in a word that can be a metric's label.
type Decision string

// Decisions.
const (
	Allowed                    Decision = "allowed"
	NoCredential               Decision = "no_credential"
	InvalidRequest             Decision = "invalid_request"
	InvalidToken               Decision = "invalid_token"
	OtherTenant                Decision = "other_tenant"
	InsufficientScope          Decision = "insufficient_scope"
	InsufficientAuthentication Decision = "insufficient_authentication"
	HTTPSRequired              Decision = "https_required"
	RateLimited                Decision = "rate_limited"
	Unavailable                Decision = "unavailable"
	// Canceled: the caller went away before there was an answer.
	Canceled Decision = "canceled"
)

// Event is what [Config.Observe] sees of a decision. It has nothing of the token.
type Event struct {
	Decision Decision
	// Cached: the answer that decided was kept from an earlier question.
	Cached bool
	// Attempts is how many requests were sent for this decision: 0 where the answer
	// was cached, or shared with another call that counts them.
	Attempts int
	Duration time.Duration
	// Err is why the call is not allowed; nil where it is. Watch for
	// [ErrOwnCredentials]: nobody but the operator of this API can mend that.
	Err error
}

// decisions are in the order of how often they happen.
var decisions = []struct {
	is   error
	name Decision
}{
	{ErrInvalidToken, InvalidToken},
	{ErrNoCredential, NoCredential},
	{ErrInsufficientScope, InsufficientScope},
	{ErrOtherTenant, OtherTenant},
	{ErrInsufficientAuthentication, InsufficientAuthentication},
	{ErrRateLimited, RateLimited},
	{ErrInvalidRequest, InvalidRequest},
	{ErrHTTPSRequired, HTTPSRequired},
	{context.Canceled, Canceled},
	{ErrUnavailable, Unavailable},
}

func decisionOf(err error) Decision {
	if err == nil {
		return Allowed
	}
	for _, d := range decisions {
		if errors.Is(err, d.is) {
			return d.name
		}
	}
	return Unavailable
}
