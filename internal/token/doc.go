// Package token is the form of Watchgate's opaque tokens and keys: a prefix that says
// the kind, the expiry bucket, 256 random bits and a checksum.
//
//	wgat_ 000bWQ <43 of base62> 3kF09z
//
// The checksum (CRC-32) refuses garbage without a query and lets secret
// scanners find leaked tokens; it is no security. The bucket says which
// partition holds the row. What is stored is the SHA-256 of the whole token, so
// the format is strict: one string has one reading.
//
// Opaque API keys have a form of their own, whose prefix the deployment chooses:
//
//	up_live_ 7zq2m8k4c1r9x3bw _ <43 of base62> 1kT0aB
//
// The package owns the formats and the rule by which a refresh token's successor
// follows from it. It does not know whether a token is good.
package token
