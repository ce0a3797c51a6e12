package manage

import "net/http"

// Kind is a type of problem. Its page is docs/problems/KIND.md.
type Kind string

// What the caller can put right by asking in another way.
const (
	InvalidRequest       Kind = "invalid-request" // the request's form: a parameter, a header, JSON itself
	Invalid              Kind = "invalid"         // fields of the body
	UnsupportedMediaType Kind = "unsupported-media-type"
	NotAcceptable        Kind = "not-acceptable"
	PayloadTooLarge      Kind = "payload-too-large"
	MethodNotAllowed     Kind = "method-not-allowed"
)

// Who asks, and what they may.
const (
	Unauthenticated   Kind = "unauthenticated"
	InsufficientScope Kind = "insufficient-scope" // of the credential
	Forbidden         Kind = "forbidden"          // the role or the kind of credential may not
	ScopeExceeds      Kind = "scope-exceeds"      // more than the caller's own rights
	LifetimeExceeds   Kind = "lifetime-exceeds"   // longer than the caller's own key
	TooManyKeys       Kind = "too-many-keys"
	EmailNotVerified  Kind = "email-not-verified"
	MFARequired       Kind = "mfa-required"   // RFC 9470
	Reauthenticate    Kind = "reauthenticate" // RFC 9470
	NotAllowed        Kind = "not-allowed"    // the profile does not do that
	TenantSuspended   Kind = "tenant-suspended"
	LastOwner         Kind = "last-owner" // the tenant would be left without one
	QuotaExceeded     Kind = "quota-exceeded"
)

// What stands in the way.
const (
	NotFound             Kind = "not-found"
	Conflict             Kind = "conflict"
	AlreadyExists        Kind = "already-exists"
	DomainNotProved      Kind = "domain-not-proved" // the record is not there, or nobody could look
	DomainTaken          Kind = "domain-taken"      // another tenant has proved it
	Gone                 Kind = "gone"
	PreconditionFailed   Kind = "precondition-failed"
	PreconditionRequired Kind = "precondition-required"
	IdempotencyMismatch  Kind = "idempotency-mismatch"
	IdempotencyInFlight  Kind = "idempotency-in-flight"
	Unavailable          Kind = "unavailable"
	Internal             Kind = "internal"
)

// typePrefix is where the pages of the problem types are read.
const typePrefix = "https://github.com/watchgate/watchgate/blob/main/docs/problems/"

// quotaType is registered with IANA (draft-ietf-httpapi-ratelimit-headers section 6.2).
const quotaType = "https://iana.org/assignments/http-problem-types#quota-exceeded"

// kindFacts is what every problem of a kind has in common.
type kindFacts struct {
	status int
	title  string // does not change from one occurrence to the next (RFC 9457 section 3.1.3)
	// plain is the detail where nobody gave another.
	plain string
}

var kinds = map[Kind]kindFacts{
	InvalidRequest:       {http.StatusBadRequest, "The request is not well formed", "The request cannot be read."},
	Invalid:              {http.StatusUnprocessableEntity, "A field is not valid", "At least one field of the request is not valid."},
	UnsupportedMediaType: {http.StatusUnsupportedMediaType, "The body is of a type that is not read here", "Send JSON, and say so in Content-Type."},
	NotAcceptable:        {http.StatusNotAcceptable, "No form of the answer is acceptable", "Answers are application/json or application/ld+json."},
	PayloadTooLarge:      {http.StatusRequestEntityTooLarge, "The request is too large", "The request is larger than this server reads."},
	MethodNotAllowed:     {http.StatusMethodNotAllowed, "The method is not allowed here", "The header Allow names the methods that are."},

	Unauthenticated:   {http.StatusUnauthorized, "No live credential", "Send a live access token or API key."},
	InsufficientScope: {http.StatusForbidden, "The credential lacks a scope", "The credential does not have every scope that this needs."},
	Forbidden:         {http.StatusForbidden, "Not permitted", "This is not permitted to you."},
	ScopeExceeds:      {http.StatusForbidden, "More rights than the caller has", "Nobody can give away more than they have themselves."},
	LifetimeExceeds:   {http.StatusForbidden, "A longer life than the caller's own", "A key cannot make another that outlives it."},
	TooManyKeys:       {http.StatusConflict, "The number of keys is reached", "Revoke a key that is no longer needed first."},
	EmailNotVerified:  {http.StatusForbidden, "The e-mail address is not verified", "Verify your e-mail address first."},
	MFARequired:       {http.StatusUnauthorized, "A second factor is required", "Sign in again with a second factor."},
	Reauthenticate:    {http.StatusUnauthorized, "A fresh sign-in is required", "Sign in again, and try again with the new token."},
	NotAllowed:        {http.StatusForbidden, "The key profile does not do that", "The profile of this key does not allow that."},
	TenantSuspended:   {http.StatusForbidden, "The tenant is suspended", "The tenant is suspended: nothing of it can be changed."},
	LastOwner:         {http.StatusConflict, "The last owner stays one", "A tenant has at least one owner who is not disabled. Make somebody else an owner first."},
	QuotaExceeded:     {http.StatusTooManyRequests, "The quota is exceeded", "Wait for as long as Retry-After says, and send less."},

	NotFound:             {http.StatusNotFound, "Not found", "There is no such thing here."},
	AlreadyExists:        {http.StatusConflict, "It is already there", "There is one like this already."},
	DomainNotProved:      {http.StatusConflict, "The domain is not proved", "The TXT record that proves the domain was not found."},
	DomainTaken:          {http.StatusConflict, "The domain is another tenant's", "A domain belongs to one tenant, and another has proved that this one is theirs."},
	Conflict:             {http.StatusConflict, "It changed meanwhile", "Read it again and decide again."},
	Gone:                 {http.StatusGone, "It can be had no more", "It was there, and can be had no more."},
	PreconditionFailed:   {http.StatusPreconditionFailed, "It is no longer the version that was meant", "Read it again and send its new ETag in If-Match."},
	PreconditionRequired: {http.StatusPreconditionRequired, "If-Match is required", "Say in If-Match which version is meant."},
	IdempotencyMismatch:  {http.StatusUnprocessableEntity, "The Idempotency-Key belongs to another request", "Use a new key for a new request."},
	IdempotencyInFlight:  {http.StatusConflict, "The same request is being answered", "Wait for as long as Retry-After says, and send it again with the same key."},
	Unavailable:          {http.StatusServiceUnavailable, "Cannot answer right now", "The server cannot answer right now. Try again in a moment."},
	Internal:             {http.StatusInternalServerError, "Something went wrong on our side", "Something went wrong on our side. The header X-Request-Id says where to look."},
}

// uri is the problem's type.
func (k Kind) uri() string {
	if k == QuotaExceeded {
		return quotaType
	}
	return typePrefix + string(k) + ".md"
}

// Status is the HTTP status of the kind.
func (k Kind) Status() int { return k.facts().status }

func (k Kind) facts() kindFacts {
	if f, ok := kinds[k]; ok {
		return f
	}
	return kinds[Internal]
}

// kindOf is the kind of a refusal that was not made here.
func kindOf(status int) Kind {
	switch status {
	case http.StatusUnauthorized:
		return Unauthenticated
	case http.StatusForbidden:
		return Forbidden
	case http.StatusNotFound:
		return NotFound
	case http.StatusMethodNotAllowed:
		return MethodNotAllowed
	case http.StatusRequestEntityTooLarge:
		return PayloadTooLarge
	case http.StatusTooManyRequests:
		return QuotaExceeded
	case http.StatusServiceUnavailable:
		return Unavailable
	}
	if status >= 400 && status < 500 {
		return InvalidRequest
	}
	return Internal
}
