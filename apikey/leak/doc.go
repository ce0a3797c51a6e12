// Package leak takes reports of keys and tokens that were seen in public, as GitHub's
// secret scanning partner program sends them.
//
// A report counts only with GitHub's signature over its very bytes, by a key that
// GitHub publishes. Without one nothing is looked at, and the answer is the same
// whatever the report says: the endpoint tells nobody whether a token is real.
//
// The package owns the protocol. What happens to a key that leaked is package apikey's.
package leak
