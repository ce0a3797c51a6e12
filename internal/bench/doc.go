// Command bench measures the server and prints each figure beside a baseline
// that was taken in the same run: pgbench on the same PostgreSQL, a bare net/http
// handler and npm's oidc-provider on the same machine, one node beside three, few
// tokens beside many, API keys beside tokens, sign-ins through a provider beside code
// flows. It writes bench.json, too.
//
//	make bench                                  about thirteen minutes on two cores
//	BIG=1 make bench                            with the very large sizes
//	go run ./internal/bench -only introspection one section, or several with commas
//
// What is compared closely runs in turns of a second, because the speed of a machine
// wanders; such a ratio is the median of the turns'.
//
// Servers, database and load run on this machine's loopback addresses and end
// with the command. It measures the real program, and asserts nothing.
package main
