// Package redistest starts a private redis-server on loopback for a test, stops it
// where it is, kills it, and starts it again at the same address. It ends with the
// test, and with the test's process if that is killed.
//
// It owns the server's life and not what tests do with it. A machine without
// redis-server fails the test and never skips it. It is no part of the product.
package redistest
