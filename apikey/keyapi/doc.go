// Package keyapi is API keys at /v1/auth/keys: what a request and an answer look
// like, and which words of the service become which problem (RFC 9457).
//
// It owns the wire: JSON members, their limits and examples, filters, lifetimes as
// people write them, and the stream that tells check runners of a key's end. It does
// not own the rules (package apikey decides who may what), nor credentials, scopes,
// cursors, idempotency and problems (internal/manage does), nor a byte of SQL.
package keyapi
