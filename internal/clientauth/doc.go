// Package clientauth reads and checks the credentials with which a client or a
// resource server calls an endpoint (RFC 6749 section 2.3): HTTP Basic, a secret
// in the body, or none. Every endpoint that asks who is calling asks here, so
// that one rule holds for all of them (CA-11).
//
// It does not look clients up, and does not know what they may do.
package clientauth
