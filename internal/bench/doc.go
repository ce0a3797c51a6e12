// Command bench measures the server and prints each figure beside a baseline
// that was taken in the same run: pgbench on the same PostgreSQL, and a bare
// net/http handler on the same machine. It writes bench.json, too.
//
//	make bench          about ten minutes on two cores
//	BIG=1 make bench    with the very large sizes
//
// Servers, database and load run on this machine's loopback addresses and end
// with the command. It measures the real program, and asserts nothing.
package main
