// Package scan finds Watchgate's API keys and tokens in files and streams, offline:
// by their form and their checksum, with no list of what exists. It needs neither a
// server nor a configuration, because a checksum covers the prefix, too.
//
// A finding says where and of what kind, and never the secret. Whether what was found
// is good, or ever was, only the server knows.
//
// The package imports the standard library and the formats of internal/token.
package scan
