// Package directory is where tenants, clients, connections, domains and
// resource servers are registered, changed, disabled and enabled.
//
// It owns the rules of registration: which names, URIs and combinations are
// accepted, which secrets are generated, and that each change is in the audit
// trail. It owns neither the protocol that uses the records (package authz) nor
// the form in which an operator asks (the program's commands).
//
// A refusal is a [*Problem], which lists everything that is wrong at once in
// words meant for the operator. Any other error is the store's.
package directory
