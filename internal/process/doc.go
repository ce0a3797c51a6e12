// Package process starts the real program for the end-to-end tests and the
// benchmark: it builds watchgate once, writes its configuration, starts nodes on
// loopback ports, waits until they are ready, and stops or kills them.
//
// It is no part of the product.
package process
