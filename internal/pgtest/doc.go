// Package pgtest gives tests and benchmarks a real PostgreSQL.
//
// It owns the life of a private server (initdb, start, crash, restart, removal),
// the databases that tests use on it, the templates they are cloned from, and two
// TCP proxies: one that cuts connections, and one that delays and stalls them, each
// kind by itself. The server runs in a temporary folder, which lies in memory where
// there is room and nothing durable was asked for, on a loopback port and on
// a unix socket, under an unprivileged account when the test process belongs to
// root, and it dies with the test process however that ends: panic, os.Exit or
// SIGKILL.
//
// When WATCHGATE_TEST_POSTGRES holds the DSN of a role that may create databases
// and roles, [Database] and [Template] use that server; [Start] always makes a
// private one, because what it is for (stopping it in the middle) is not to be
// done to somebody's server.
//
// It does not own a schema: the caller of [Template] runs the migrations. A
// machine without PostgreSQL fails the test, and never skips it: a suite that
// skips half of itself looks the same as one that passes.
package pgtest
