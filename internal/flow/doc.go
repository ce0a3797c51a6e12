// Package flow binds the steps of a login transaction to the browser that takes
// them. Each form and each trip to an identity provider carries a verifier, a
// MAC over (transaction, step, browser, version), so that a step cannot be
// skipped, repeated, or finished in somebody else's browser (RFC 9700 sections
// 2.1 and 4.4; requirement AZ-34). The nonce and the PKCE verifier of the
// upstream leg are derived in the same way: nothing of them is stored. A page that
// shows something that may change carries the version that it showed.
//
// The package owns the MAC. It does not own the transaction (package storage),
// which steps there are and who may take them (package idp), or the single use
// of a step, which is one conditional statement of the store.
package flow
