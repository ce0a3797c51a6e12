// Package process starts the real program for the end-to-end tests and the
// benchmark: it builds watchgate once, writes its configuration, starts nodes on
// loopback ports, waits until they are ready, and stops, pauses or kills them. For
// tests of the tests it builds the program with a few lines changed; see [Build].
//
// It is no part of the product.
package process
