// Package oidcconn signs people in through an upstream OpenID provider: the
// authorization code flow with PKCE (S256), state, nonce and the iss response
// parameter, over go-oidc and x/oauth2.
//
// It owns what may be believed of a provider: the discovery document and its
// endpoints (exact issuer, https), the key set and how long it lives, the ID
// token and userinfo (OpenID Connect Core sections 3.1.3.7 and 5.3.2), the
// claims that are taken over, its logout tokens, and Okta's calls to revoke. It
// owns what each product does otherwise (quirks.go, and a file for each), what
// its evidence proves of second factors, and the look at a connection without
// anybody signing in. It does not own the transaction, state, browser and single
// use (package idp), which claims give which role (idp too), what to ask an
// administrator for (package provider), the client that reaches out (package
// outbound), or sealing (package seal). Upstream tokens are dropped as soon as
// they have been read (FO-24).
package oidcconn
