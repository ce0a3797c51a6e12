// Package sqlstore keeps a deployment's records in SQLite or in PostgreSQL.
//
// It owns the SQL, which is written once for both engines, and the two engines,
// which know how to run it: what each alone can do stays in files of its name. It
// owns how a change becomes known to every node that remembers answers, and the
// waiting until it has. It does not own the tables (package migrations), the contracts
// (package storage) or what they have to be tested for (package storagetest).
//
// # Units
//
// A change is a unit: a list of statements, each with the number of rows that
// it must touch and the error that another number stands for. The audit event is
// the unit's last statement. PostgreSQL gets the whole unit in one message and runs
// it as one transaction, so a unit costs one round trip; a statement that touches
// the wrong number of rows raises an error there (watchgate_expect), which
// undoes the unit. Units that share a transaction refuse without an error, so that
// one does not undo the others. SQLite runs it in one immediate transaction and
// counts rows here.
//
// # Tenants
//
// Every statement of a tenant's handle names the tenant. On PostgreSQL the unit
// starts by setting watchgate.tenant for its transaction, under a role that sees
// and writes nothing else (row-level security). What starts from a secret runs
// under another role, which sees all and can write nothing.
//
// # The feed
//
// A unit says what it changes. On PostgreSQL the changes are rows of the unit's own
// transaction, sent with the rest of it. A node reads them by comparing
// transactions with the snapshot of its last read, because no number that a
// transaction draws has the order of commits: one that commits late would be passed
// over. It records the snapshot that it has applied, and who made a change reads those
// until all of them include its transaction, or a lease has passed. So a change
// that kills costs one statement more in the same message and at least one question
// to the register; everything else costs what it did. On SQLite the same is kept in
// memory, since there is one process.
//
// A membership ends with its connection, and what a server promised is never asked
// of another: after a fail-over or a restore, transactions are numbered anew. Two
// things are the operator's: that an old primary is stopped before a standby is
// promoted, and, with asynchronous replication, that this takes longer than a lease.
// A node that had joined in the moment before, and whose registration did not reach
// the standby, is otherwise not waited for until it notices that its connection is
// gone.
//
// All connections are to a primary: a standby answers what was true some time ago.
package sqlstore
