// Package authz is the OAuth 2.0 and OpenID Connect engine: the authorization,
// token, revocation and UserInfo endpoints, the metadata documents and the JWK
// set.
//
// It owns the protocol rules: which request gets a code, which code or refresh
// token gets tokens, what an ID token says, which error a client reads. It does
// not know how people sign in (package idp, reached through [SignIn]), how a
// resource server asks about a token (package introspect), or where rows live
// (package storage).
//
// # How a request runs
//
// Our own parser and checks come first: strict parameters, the redirect matcher,
// client authentication, and every rule about life and expiry, on the injected
// clock. What they let through runs through fosite, which this package alone
// imports. Fosite's storage is a unit of work that lives as long as the request:
// its reads answer from what was read in one statement before fosite ran, its
// writes are noted, and one storage call sends them all when every handler has
// agreed. So a code exchange is two round trips, and nothing is written for a
// request that fails.
//
// # Tokens under an API key
//
// Whoever holds an API key may exchange it for tokens (RFC 8693), through a client
// that is registered for that. Fosite knows no such grant, so these are minted here.
// They hang on the key: every statement that looks at one of them looks at the key,
// the statement that stores them fails if the key changed since it was read, and a
// refresh is held to what the key may at that moment, from where it may be used. They
// never give what makes keys. What a key looks like and what its profile demands is
// not known here (see [KeyForms]). Nowhere else does a key open anything (AK-09).
//
// # Errors go back at once
//
// A refusal goes to a proven redirect URI without a page in between, and without
// anybody being signed in, as RFC 6749 section 4.1.2.1 has it. That a stranger
// could register an app to use it as a redirector (AZ-26) does not arise: every
// client was registered by the operator, and there is no registration over the
// network. Whoever adds one has to put a page before the redirects of its
// clients.
//
// # What fosite does not get to decide
//
// Redirect URIs, client secrets, states, response modes, expiry, reuse of codes
// and refresh tokens, scope narrowing, resource indicators, ID token claims, and
// every byte that a client reads. The tests are named after the defects that
// this closes.
package authz
