// Package devidp is the demo identity provider that "watchgate dev" starts: an
// OpenID provider (OpenID Connect Core, code flow with PKCE) whose sign-in page
// has a button for each demo person and asks for no password.
//
// It stands in for the identity providers of the demo tenants. Each tenant has a
// client of its own, and the page offers only that tenant's people. It keeps
// nobody signed in: every request shows the buttons, so that each ID token rests
// on a fresh authentication. Everything it knows is in memory; its signing key is
// made at each start.
//
// It owns the demo people and their claims. It is no identity provider for
// anything else: whoever reaches it can be anybody, and so it redirects to
// loopback addresses only.
package devidp
