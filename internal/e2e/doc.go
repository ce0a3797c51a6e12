// Package e2e tests whole servers: the built program in processes of its own, on
// both databases, with browsers, real clients and a real identity provider, and
// with what goes wrong: attacks, malformed input, killed processes and a database
// that is away.
//
// It owns what can only be seen from outside. A rule that one room decides alone
// is tested in that room. There is no product code here.
package e2e
