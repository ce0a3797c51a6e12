// Command monitorapi serves the demo monitoring API and its page; see package
// monitorapi for what it answers. It owns its flags and the way its secret is
// read, and nothing else.
package main
