// Package storagetest is the conformance suite of package storage: what every
// engine has to do, run against each of them.
//
// It owns the cases: every method, races, transactions, expiry by the caller's
// clock, isolation of tenants, what nodes are told of which change and who waits for
// them, and a store that goes away. Its tests enumerate the methods of package
// storage by reflection and fail for one that has no case, or of which nobody has
// decided what nodes are told, so that a new method cannot be forgotten. What one engine alone
// promises (row-level security, round trips, partitions) is tested beside it.
package storagetest
