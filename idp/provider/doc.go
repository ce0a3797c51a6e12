// Package provider knows how each identity provider is connected: what to ask its
// administrator for and where they find it, what to click there and in which order, what
// of ours to paste there, and which connection follows from the answers.
//
// It owns the presets as data, the addresses of ours that are pasted, and the reading of
// what people paste. It does not own
// what is believed of a provider at sign-in (package oidcconn), nor storing, sealing and
// testing a connection; it reaches nobody.
package provider
