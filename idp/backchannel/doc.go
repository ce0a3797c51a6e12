// Package backchannel tells apps that a session is over (OpenID Connect Back-Channel
// Logout 1.0), after it has ended.
//
// It owns the logout token and the worker that delivers it. Whom to tell is a row that
// the store writes in the transaction that ends the session, so that a crash forgets
// nobody; it is delivered at least once, and twice only where a node dies, or loses the
// store, between the app's answer and the note of it. Any number of nodes may work: an
// attempt belongs to whoever has claimed it.
//
// Apps are kept apart. A few deliveries at once go to one app, and only one to an app
// whose last answer was slow or missing: whoever does not answer holds up nobody else.
//
// It does not own when a session ends (package idp, and whoever suspends or disables),
// which apps want to know (their registration), or what providers tell us (package idp).
package backchannel
