// Package storage names what a deployment keeps: its records, their typed ids,
// the sentinel errors, and the small interfaces through which the other rooms
// read and change them.
//
// It owns the words and the contracts. It does not own SQL (package sqlstore),
// protocol rules (package authz) or the sentences of the audit trail (package
// audit), and it imports nothing but the standard library.
//
// # Tenants
//
// What belongs to a tenant is reached through [Store.Tenant]. The handle
// carries the tenant, so no method of it takes one and none can forget it: an
// object of another tenant is [ErrNotFound], exactly as one that never existed.
// The few reads that start from a secret (a token, a code, a cookie's handle)
// are in [Lookups]: whoever holds 256 random bits has already said which row is
// meant, and the row says the tenant.
//
// # Changes
//
// A method that changes something takes the audit [Event] that records it. The
// event is written in the same transaction: both are there or neither is.
//
// # Time
//
// Every time is UTC with millisecond precision, and comes from the caller. No
// statement asks the database what time it is.
package storage
