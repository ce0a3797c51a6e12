// Package optest is an OpenID provider for tests: discovery, authorization,
// token, userinfo and keys over real https on a loopback port, with PKCE,
// single-use codes and signed ID tokens as OpenID Connect Core describes them.
// It signs in whoever the test names, and each of its answers can be bent, so
// that a test can be the provider that lies.
//
// It owns the provider's side of the protocol. It checks nothing of the client
// but what a provider checks: what a client must refuse is the tests' matter.
package optest
