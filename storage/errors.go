package storage

import "errors"

// Sentinels. Implementations wrap them with %w and say what was looked for;
// callers test with errors.Is. Any other error means that the store could not
// answer: the caller reports 503 and never "unknown", "inactive" or "invalid".
var (
	// ErrNotFound: no such row for this tenant. A row of another tenant gives
	// the same error.
	ErrNotFound = errors.New("storage: not found")
	// ErrExists: a row with the same key is there already. Nothing changed.
	ErrExists = errors.New("storage: already exists")
	// ErrConsumed: something that can be used once was used already, or the
	// caller lost a race for it. Nothing changed.
	ErrConsumed = errors.New("storage: already used")
	// ErrConflict: the row is no longer as the caller read it. Nothing changed;
	// read again and decide again.
	ErrConflict = errors.New("storage: changed meanwhile")
	// ErrLastOwner: the tenant would be left without an owner who is not disabled.
	// Nothing changed.
	ErrLastOwner = errors.New("storage: the last owner")
)
