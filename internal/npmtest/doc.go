// Package npmtest runs programs from npm for tests: panva's oidc-provider, as an
// upstream OpenID provider that Watchgate's authors did not write, of its own shape or
// of that of a well-known product; express-openid-connect, as an app that they did not
// write either; and axe-core, an accessibility checker that package browsertest runs in
// its pages. The same
// oidc-provider, with everything in memory, is what the benchmark compares
// introspection with.
//
// It owns the pinned versions (package-lock.json), their installation, and the life
// of their processes. It does not own what tests do with them. A machine
// without Node.js, or without the packages and without the registry, fails the test
// and never skips it.
package npmtest
