// Package sqlstore keeps a deployment's records in SQLite or in PostgreSQL.
//
// It owns the SQL, which is written once for both engines, and the two engines,
// which know how to run it: what each alone can do stays in postgres.go and
// sqlite.go. It does not own the tables (package migrations), the contracts
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
package sqlstore
