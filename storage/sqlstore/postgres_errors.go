package sqlstore

import (
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/watchgate/watchgate/storage"
)

// SQLSTATEs (PostgreSQL's appendix A), and the one of watchgate_expect.
const (
	wrongCount          = "WG001"
	uniqueViolation     = "23505"
	notNullViolation    = "23502"
	foreignKeyViolation = "23503"
	checkViolation      = "23514" // also: no partition for the row
	serializationFail   = "40001"
	deadlock            = "40P01"
	lockNotAvailable    = "55P03"
	undefinedTable      = "42P01"
	invalidParameter    = "22023" // SET ROLE of a role that is not there
	insufficient        = "42501" // SET ROLE of a role that is not ours
	adminShutdown       = "57P01"
	crashShutdown       = "57P02"
	duplicateTable      = "42P07"
)

// postgresError maps what a statement's failure means.
func postgresError(err error, s statement) error {
	var said *pgconn.PgError
	if !errors.As(err, &said) {
		return err
	}
	switch said.Code {
	case wrongCount:
		return s.fail
	case uniqueViolation:
		return fmt.Errorf("%w (%s)", storage.ErrExists, said.ConstraintName)
	case foreignKeyViolation:
		return fmt.Errorf("%w (%s)", storage.ErrNotFound, said.ConstraintName)
	case notNullViolation, insufficient:
		// The policy is asked before the column is.
		if s.command == insertTenantEvent {
			return fmt.Errorf("%w: %w", errNoTenant, err)
		}
	}
	return err
}

func is(err error, codes ...string) bool {
	var said *pgconn.PgError
	if !errors.As(err, &said) {
		return false
	}
	for _, code := range codes {
		if said.Code == code {
			return true
		}
	}
	return false
}

// again reports whether the server gave the unit up in favour of another, or
// never got it: running it once more is safe.
func again(err error) bool {
	return is(err, serializationFail, deadlock) || pgconn.SafeToRetry(err)
}

// noRoom reports whether a row found no partition: the one check that has no
// name.
func noRoom(err error) bool {
	var said *pgconn.PgError
	return errors.As(err, &said) && said.Code == checkViolation && said.ConstraintName == ""
}

// noSchema turns what an empty or foreign database says into ErrSchema.
func noSchema(err error) error {
	switch {
	case is(err, undefinedTable, invalidParameter):
		return schemaError("it has no tables or roles of this program")
	case is(err, insufficient):
		return fmt.Errorf("%w: its roles %s and %s are not granted to the DSN's role, or may not read its tables", ErrSchema, appRole, lookupRole)
	}
	return err
}
