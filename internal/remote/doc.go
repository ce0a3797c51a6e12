// Package remote is a person's or a script's side of a Watchgate server that runs
// elsewhere: it signs in, keeps what the sign-in gave, and calls the management
// API at /v1 about API keys.
//
// It owns the sign-in of a native app (RFC 8252: code and PKCE, answered on a
// loopback port, with state and iss checked), the file of credentials in the
// user's configuration directory, and the client's half of /v1: shapes, pages,
// retries, and what a problem document says in sentences.
//
// It does not own the command line (package main does), nor a byte of the server:
// what it knows of the server is its metadata document and its API. It keeps no
// API key: whoever wants one used puts it into the environment of each command.
package remote
