// Package guard protects an API with Watchgate: a middleware for net/http that
// asks, on every call, whether the access token or API key is good, for this scope,
// for this tenant, right now. It needs nothing but the standard library.
//
//	g, err := guard.New(guard.Config{
//		Issuer:   "https://auth.example.com",
//		ClientID: "monitor-api",
//		Secret:   os.Getenv("API_SECRET"),
//	})
//	...
//	read := g.Require("monitor:read", guard.PathValue("tenant"))
//	mux.Handle("GET /t/{tenant}/monitors", read(monitors))
//
// The handler behind it finds out who calls with [PrincipalFrom]. It runs only for
// a call that is allowed; every other one is answered here:
//
//	plain HTTP, with RequireHTTPS     403  (error is https_required)
//	no token                          401  WWW-Authenticate: Bearer
//	malformed, twice, two credentials 400  error="invalid_request"
//	in the query or in a cookie       400  error="invalid_request"
//	token not active                  401  error="invalid_token"
//	active, but for another tenant    404
//	a scope is missing                403  error="insufficient_scope", scope="..."
//	signed in too long ago, or too    401  error="insufficient_user_authentication",
//	weakly                                 acr_values="...", max_age="..."
//	nobody signed in: a key, machine  403  error="insufficient_user_authentication"
//	an API key is over its rate       429  Retry-After, RateLimit, RateLimit-Policy
//	Watchgate does not answer         503  Retry-After
//
// (RFC 6750 section 3, RFC 9470 section 3.) The body is a JSON object with error
// and error_description; where there is no token, there is no error code, and the
// object has one member, message. [Config.NotFound] replaces the 404's, and
// [Config.Errors] adds this API's own codes. A token is taken from the Authorization
// header and from nowhere else. Programs that do not speak net/http use [Guard.Check].
//
// # API keys
//
// A key is a bearer token, and, with [Config.APIKeyHeader], may be in X-API-Key
// instead. Watchgate is told where each call came from: keys can be bound to addresses
// and to HTTPS. Behind a proxy, this API only sees the proxy, so that [Config.ClientIP]
// and [Config.Proto] have to say what it says. What is called api_key or access_token
// in the query or in a cookie is refused, and so is whatever Watchgate issued there,
// under any name; an API that uses one of these names for something else has to
// choose another.
//
// Each question about a key counts against its rate. A call whose tenant is another
// than the key's, and an attempt that is repeated, may count too.
//
// # The tenant
//
// The tenant of a call is in its URL, its host name or the row that it is about,
// and never in the token. Name it, and nobody can use their token on somebody
// else's data, whatever the handler forgets. Watchgate calls another tenant's
// token inactive, exactly as if it did not exist, so an inactive one is asked
// about once more, without the tenant: is it good elsewhere, its holder need not
// sign in again, and gets 404. A call whose tenant is blank is answered 404 and
// nobody is asked.
//
// # When there is no answer
//
// No answer is not a yes. Each attempt has a second, there are two retries after
// network errors and 5xx, with growing random pauses, and all of it has three
// seconds; then the call fails with 503. A 429 is not retried: the call fails with
// the Retry-After that came, as 503 where this API asks too often, and as 429 where
// its caller's key is over its rate. Redirects are not followed, and nothing but a JSON
// answer of the configured issuer counts.
//
// # How fresh an answer is
//
// Without a cache, which is the default, a decision is linearizable: it rests on
// a question that was sent after the call came in, so that what was revoked before
// is refused. Calls that ask the same at the same time do share requests, but only
// such as were not sent yet when they came, and never about an API key: each of its
// calls counts.
//
// With [Config.Cache], an answer may be up to Cache.MaxAge old (60 s at most), and
// is never used beyond the token's expiry, nor about an API key. Only active answers
// are kept: garbage cannot push them out, and a token that is new is good at once. An inactive token
// costs two questions each time (one where no tenant is named); Watchgate answers
// those from memory.
//
// # What it does not do
//
// It issues nothing, keeps no session, and does not verify proof of possession: a
// token that is bound to a key (RFC 9449, RFC 8705) is no bearer token and is
// refused as invalid.
package guard
