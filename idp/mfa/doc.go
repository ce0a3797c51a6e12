// Package mfa checks and enrols people's second factors: passkeys (WebAuthn Level 2),
// codes of authenticator apps (TOTP, RFC 6238), and recovery codes.
//
// It owns the ceremonies and what is kept of a factor: a passkey's public key, a TOTP
// seed, which is sealed, and the SHA-256 of recovery codes. It tells people of every
// factor that is added, of every recovery, and of guesses. [Factors] implements
// [idp.Prover] and [idp.Enroller].
//
// It does not own when a factor is asked for, what a session has proved (package idp),
// the pages (package templates), or how the rows are kept (package storage).
//
// # Passkeys
//
// The relying party is the issuer's host, and the origin the issuer's, exactly.
// Passkeys are discoverable and verify their user (by a PIN or a finger) each time, so
// that one proves two factors. No attestation is asked for. A browser knows no passkeys
// at an IP address: a deployment that has one for an address has none.
//
// # Guessing
//
// Codes of both kinds count together: [idp.FactorTries] of a person are looked at in a
// row, and then one each [idp.FactorPause]. A try is counted before it is looked at. After
// [storage.MaxTries] failures without a success, none is looked at any more until the
// person uses a passkey, or an administrator takes their factors away ([idp.ErrLocked]).
// At the last that is looked at without a pause, if it is wrong, the person gets a mail.
package mfa
