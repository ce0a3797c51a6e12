// Package orgapi is how a tenant's people are administered, at /v1: the connections to
// identity providers and their trials, the domains, the people, their sessions, and the
// policy.
//
// It owns the wire (JSON members, limits, examples) and who may what: owners and
// admins read; both write, but only owners change owners, what makes one or lets one
// in, and the policy; keys and machines change nothing (AK-09). It owns no rule of registration
// (package internal/directory), no proof of a domain (internal/domains), no knowledge
// of providers (idp/provider, idp/oidcconn), and nothing of what operations at /v1
// have in common (internal/manage).
package orgapi
