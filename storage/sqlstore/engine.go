package sqlstore

import (
	"context"
	"time"

	"github.com/watchgate/watchgate/storage"
)

// engine runs SQL on one kind of database. Errors that the database gives are
// mapped to the sentinels of package storage; any other error is plain and means
// that the database did not answer.
type engine interface {
	// run executes a unit in one transaction and returns how many rows its
	// uncounted statements touched.
	run(ctx context.Context, u *unit) (int64, error)
	// read executes queries in one round trip.
	read(ctx context.Context, in scope, queries ...query) error
	close() error
}

// upkeep is what an engine does about the rows that come and go by the hour.
type upkeep interface {
	// prepare makes room for the buckets that a token may be stored in.
	prepare(ctx context.Context, wanted ...room) error
	// sweep removes the tokens and codes of the buckets below bound.
	sweep(ctx context.Context, bound int64) (storage.Swept, error)
}

// command is a statement's text as each engine wants it.
type command struct {
	plain   string
	counted string // PostgreSQL's: raises WG001 unless one row is touched
}

// one is a command that has to touch one row. RETURNING cannot be part of it.
func one(sql string) *command {
	return &command{
		plain:   sql,
		counted: "WITH touched AS (" + sql + " RETURNING 1) SELECT watchgate_expect((SELECT count(*) FROM touched), 1)",
	}
}

// some is a command that may touch any number of rows.
func some(sql string) *command { return &command{plain: sql} }

// statement is one command of a unit.
type statement struct {
	*command
	args []any
	// fail is what it means that the statement did not touch exactly one row.
	fail error
	// into, when set, gets the ids that the statement returns. A unit that is run
	// again fills it anew.
	into *[]string
}

// room is a range of buckets in which a table will get rows.
type room struct {
	table       string
	first, last int64
}

// unit is one change: all of its statements or none.
type unit struct {
	what       string // for errors
	tenant     string // "": its rows are guarded by no policy
	statements []statement
	rooms      []room
	// free says that the unit holds no row that another may wait for, and raises
	// an error only by a mistake: it may share a transaction with others like it.
	// When a statement of a free unit refuses (ask), those after it have to do
	// nothing by themselves.
	free bool
	// foldable says that an engine may run the statements as one: none looks at what
	// another one of them writes, no two touch the same row, and all that have to
	// touch one row fail alike.
	foldable bool
	// changes are told to every node that has joined the feed; when waits is set,
	// the unit is done only after all of them know.
	changes []storage.Change
	waits   bool
	// otherwise is asked when a statement failed with ErrConflict: no row means
	// that there was nothing to conflict with, ErrNotFound.
	otherwise *query
}

// platform is the tenant_id of what belongs to no tenant.
const platform = "platform"

// noTenant is for units on tables that have no tenant_id, nor a policy.
const noTenant = ""

func newUnit(tenant, what string) *unit {
	return &unit{what: what, tenant: tenant, statements: make([]statement, 0, 8)}
}

// do adds a statement that may touch any number of rows.
func (u *unit) do(c *command, args ...any) {
	u.statements = append(u.statements, statement{command: c, args: args})
}

// list adds a statement that returns an id for each row that it touched.
func (u *unit) list(into *[]string, c *command, args ...any) {
	u.statements = append(u.statements, statement{command: c, args: args, into: into})
}

// must adds a statement that has to touch one row, or the unit is undone and
// fails with fail.
func (u *unit) must(fail error, c *command, args ...any) {
	u.statements = append(u.statements, statement{command: c, args: args, fail: fail})
}

// ask adds a statement that may refuse: touching no row raises nothing, so that
// others who share the transaction are not undone, and fails the unit with fail.
func (u *unit) ask(fail error, c *command, args ...any) {
	u.do(c, args...)
	u.statements[len(u.statements)-1].fail = fail
}

// needs notes a bucket that the unit stores a row in.
func (u *unit) needs(table string, bucket uint32) {
	u.rooms = append(u.rooms, room{table, int64(bucket), int64(bucket)})
}

// scope says under which eyes a query is run.
type scope struct {
	what   string // for errors
	tenant string // "" for none
	// lookup reads across tenants and can write nothing.
	lookup bool
}

// row is one row of an answer.
type row interface{ Scan(dest ...any) error }

// query is one question; scan is called for each row of the answer, at once.
type query struct {
	sql  string
	args []any
	scan func(row) error
}

// maxWait bounds every call: a database that took a question and says nothing
// is a database that is away.
const maxWait = 10 * time.Second
