// Package audit is the vocabulary of the audit trail: one constructor for each
// kind of event, and nothing else makes an event. A constructor is called where
// the decision is made, and its event is stored in the same transaction as the
// change (see package storage).
//
// Every kind is dotted, an object and what happened to it:
//
//	session.started  session.ended  sign_in.refused
//	consent.given  consent.denied  consent.withdrawn
//	authorize.refused
//	code.issued  code.redeemed  code.refused  code.replayed
//	token.issued  token.refreshed  token.revoked
//	refresh.reused  refresh.refused  grant.revoked
//	client.auth_failed  token.refused  introspection.refused
//	introspection.scanning  cross_tenant.denied
//	tenant.created  tenant.updated  tenant.suspended  tenant.resumed
//	client.created  client.updated  client.disabled  client.enabled
//	client.secret_rotated
//	resource_server.created  resource_server.updated
//	resource_server.disabled  resource_server.enabled
//	resource_server.secret_rotated
//	connection.created  connection.updated  connection.disabled
//	connection.enabled  connection.tested  connection.secret_rotated
//	secret.expiring
//	domain.claimed  domain.verified  domain.updated  domain.checked
//	domain.failing  domain.lost  domain.removed
//	user.updated  user.disabled  user.enabled  user.invited  user.linked
//	role.kept  roles.missing
//	factor.added  factor.removed  factor.proved  factor.refused
//	factor.regressed  factor.renamed  recovery_codes.replaced  recovery_code.used
//	link.sent  link.used  address.proved
//	sessions.ended  upstream.signed_out  upstream.refused
//	tokens.revoked_upstream  logout.delivered
//	break_glass.opened  break_glass.closed  break_glass.used
//	signing_keys.changed
//	key.created  key.updated  key.rotated  key.revealed  key.revoked
//	key.leaked  key.quarantined  key.released
//	key.delivered  key.pickup_missed  key.exchanged  key.refused
//
// The outcome is "success" or "refused"; the reason is a short stable code. The
// actor is who did it: the one in the context ([WithActor]) before the one that
// the constructor knows before "system". The origin comes from the context
// (package origin), the tenant from the handle that stores the event; what the
// platform does to a tenant (tenant.*), and what a tenant decides for itself as a
// whole (break_glass.opened, break_glass.closed), is in that tenant's trail.
//
// No event carries a secret, the hash of one, or a token. Texts that strangers
// choose are cut, and their control and bidirectional characters escaped
// (AU-05), so that no sink has to.
//
// Refusals that anybody can bring about pass a [Limiter] first.
//
// The package does not store, search or export events.
package audit
