// Package walk is a browser without JavaScript: it keeps cookies, follows
// redirects and submits forms by pressing their buttons, as a person with
// scripts off would.
//
// The end-to-end tests and the benchmark walk through the real pages with it.
// It is no part of the product, and renders nothing.
package walk
