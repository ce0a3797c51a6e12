// Package signer owns the deployment's signing keys: it makes them, publishes
// them, signs with them, verifies what they signed, and takes them away.
//
// A key is published in the JWKS when it is created, signs from the moment that
// its predecessor retires, stays published while something that it signed may
// be alive, and then leaves. For each of RS256, ES256 and EdDSA one key signs
// and at least one more is already published, so that a scheduled change, or a
// compromised key, never makes a client meet a key that its cached JWKS lacks
// (OIDC Core section 10.1.1).
//
// Keys of another use ([storage.SigningUse]) are a line of their own and sign
// nothing else: those of API keys that are JWTs are EdDSA, verify until they are
// dropped, and can sign the same claims again.
//
// Several nodes share the keys through storage. Whoever sees first that a change
// is due makes it; the others lose the race, read again, and find it done.
//
// The private halves are at rest only under package seal, and what is published
// is computed from them: a public key that somebody writes into the database
// verifies nothing.
//
// The package knows JWS (RFC 7515) and JWK (RFC 7517) and nothing of claims: it
// does not check exp, iss or aud.
package signer
