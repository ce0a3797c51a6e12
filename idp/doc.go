// Package idp answers "who is this person": it takes one through a login
// transaction (which tenant, that tenant's identity provider and back, consent)
// and keeps the sessions of the browser.
//
// # The transaction
//
// An authorization request that needs a person waits in a [storage.Login]. What
// comes next follows from the stored step alone: the dispatcher reads it and
// shows the step's page; steps never call each other. Each form and the trip to
// the identity provider carry a verifier (package flow) that is bound to
// (transaction, step, browser, version), and [storage.Logins.AdvanceLogin] is
// the gate through which every step goes once.
//
//	identify --e-mail, tenant--> upstream --callback--> [factor] --> consent --> done
//	   |  ^__________________________|____________________|_________|
//	   |         choose another account; a sign-in that failed
//	   '--no provider--> link: an e-mailed link, or a passkey
//
// A transaction passes a step that has nothing to ask: somebody with a session goes
// from identify to factor, and whoever lacks nothing from there to the app.
//
// A trial of a connection is a transaction of its own kind. Its callback writes a
// report, and signs nobody in.
//
// # Who somebody is, and what they may do
//
// A person is (tenant, connection, issuer, subject), and never an e-mail address. A
// verified address links a new identity to somebody who was invited by it, under the
// conditions of linkable. A role follows from the connection's claim at each sign-in
// ([MapRole]); without one, nobody gets in.
//
// # What it owns and what it does not
//
// It owns the cookies, the pages' handlers, home-realm discovery, users as
// identity providers describe them, and the contracts that a [Connector], a [Prover]
// and an [Enroller] fulfil.
// It does not own a protocol spoken upstream (packages below this one), what
// the client gets in the end ([Authorizer], which package authz implements),
// sentences and HTML (package templates), or the common headers and error pages
// (package web).
package idp
