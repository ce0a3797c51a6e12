// Package outbound is the one HTTP client for everything that goes out: identity
// providers' metadata, keys and token endpoints, and whatever else names a URL
// that a tenant or a stranger chose.
//
// Against server-side request forgery it goes only to public addresses, by
// https, on known ports. The address is checked in the dialer, on the connection
// that is being made, so that no name can mean one thing when it is checked and
// another when it is used. Redirects are off unless asked for, and each hop is a
// request of its own. There is no proxy from the environment, no cookie, no
// header beyond the few that are needed, and a limit on everything: time,
// header, body after decompression, requests at once and per second for each
// destination.
//
// Errors say ErrRefused, ErrTooLarge or ErrFetch and nothing about the target;
// the cause is for the log only ([slog.LogValuer]).
//
// The package does not know what it fetches, and caches nothing.
package outbound
