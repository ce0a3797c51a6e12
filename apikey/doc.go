// Package apikey owns the life of API keys: their form, the profiles that say what
// holds for them, who may make, change, rotate, show and revoke one, scheduled
// rotation with the hand-over of the successor, and what happens to a key that was
// seen in public.
//
// Three rules hold everywhere. Nobody gets a key that may more than they may
// themselves, and no key makes one that may more, from more places, or for longer,
// than itself. What somebody may not see does not exist. A secret is told once: what
// is stored is its SHA-256.
//
// A key that is a JWT carries nothing that can be changed later, so that it can be
// signed again, to the byte, for its owner: then its text is stored nowhere either.
//
// The package does not say whether a key is good right now: package introspect does,
// and asks here only about a key's form and its profile's rules. It draws no page and
// speaks no HTTP, but for the webhook that hands a successor over; its operations for
// clients are in keyapi, GitHub's reports in leak, and the scanner in scan.
package apikey
