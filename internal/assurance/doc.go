// Package assurance says what an authorization request needs of a session: how
// strongly the person has to be authenticated, and how recently.
//
// It owns the rule, which the protocol engine and the sign-in apply alike. It does
// not own what a session has proved (package storage), how it comes to prove more
// (package idp), or which scopes issue credentials (the program says so).
package assurance
