package sqlstore

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/watchgate/watchgate/storage"
)

const factorColumns = "id, user_id, kind, name, credential, public, secret, counter, created_at, last_used_at, version"

func factorFields(f *storage.Factor) []any {
	return []any{(*str)(&f.ID), (*str)(&f.User), (*str)(&f.Kind), (*str)(&f.Name), &f.CredentialID, &f.Public, &f.SealedSecret,
		(*num)(&f.Count), at(&f.CreatedAt), at(&f.LastUsedAt), (*num)(&f.Version)}
}

func factorArgs(f storage.Factor) []any {
	return []any{string(f.ID), string(f.User), string(f.Kind), f.Name, optional(f.CredentialID), optional(f.Public), optional(f.SealedSecret),
		f.Count, when(f.CreatedAt), when(f.LastUsedAt), f.Version}
}

var (
	insertFactor = some(insert("factors", under(factorColumns)))
	// factorFits is asked under the lock of the person's row, which all take who add
	// one.
	factorFits = one(`UPDATE users SET version = version WHERE tenant_id = $1 AND id = $2
		AND (SELECT count(*) FROM factors f WHERE f.user_id = $2 AND f.tenant_id = $1) < $3`)
	renameFactor = one("UPDATE factors SET name = $4 WHERE tenant_id = $1 AND id = $2 AND user_id = $3")
	resealFactor = one("UPDATE factors SET secret = $5 WHERE tenant_id = $1 AND id = $2 AND user_id = $3 AND secret = $4")
	removeFactor = one("DELETE FROM factors WHERE tenant_id = $1 AND id = $2 AND user_id = $3")
	useFactor    = one(`UPDATE factors SET counter = $4, public = $5, last_used_at = $6, version = version + 1
		WHERE tenant_id = $1 AND id = $2 AND user_id = $3 AND version = $7`)

	forgetRecoveryCodes = some("DELETE FROM recovery_codes WHERE tenant_id = $1 AND user_id = $2")
	insertRecoveryCode  = some(insert("recovery_codes", "tenant_id, user_id, hash, created_at"))
	useRecoveryCode     = one("UPDATE recovery_codes SET used_at = $4 WHERE tenant_id = $1 AND user_id = $2 AND hash = $3 AND used_at IS NULL")

	// Who counts a try holds the row: of many at the limit each finds what the one
	// before has counted.
	takeTry = some(insert("factor_tries", "tenant_id, user_id, last_at, tries") + ` ON CONFLICT (tenant_id, user_id)
		DO UPDATE SET tries = factor_tries.tries + 1,
			last_at = CASE WHEN factor_tries.last_at < excluded.last_at THEN excluded.last_at ELSE factor_tries.last_at END
		WHERE factor_tries.tries < $7 AND (factor_tries.tries < $5 OR factor_tries.last_at <= $6) RETURNING CAST(tries AS TEXT)`)
	clearTries = some("DELETE FROM factor_tries WHERE tenant_id = $1 AND user_id = $2")
)

const (
	listFactors        = "SELECT " + factorColumns + " FROM factors WHERE user_id = $2 AND tenant_id = $1 ORDER BY created_at, id"
	factorByCredential = "SELECT " + factorColumns + " FROM factors WHERE credential = $2 AND tenant_id = $1 AND credential IS NOT NULL"
	countTries         = "SELECT tries FROM factor_tries WHERE tenant_id = $1 AND user_id = $2"
	countRecoveryCodes = "SELECT count(*) FROM recovery_codes WHERE tenant_id = $1 AND user_id = $2 AND used_at IS NULL"
)

// AddFactor implements storage.Factors.
func (t *Tenant) AddFactor(ctx context.Context, f storage.Factor, ev storage.Event) error {
	u := newUnit(t.id, "factor "+string(f.ID))
	u.must(storage.ErrNotFound, holdUser, t.id, string(f.User))
	u.must(storage.ErrConflict, factorFits, t.id, string(f.User), int64(storage.MaxFactors))
	u.do(insertFactor, owned(t.id, factorArgs(f))...)
	u.event(ev)
	return write(ctx, t.engine, u)
}

// RenameFactor implements storage.Factors.
func (t *Tenant) RenameFactor(ctx context.Context, user storage.UserID, id storage.FactorID, name string, ev storage.Event) error {
	u := newUnit(t.id, "factor "+string(id))
	u.must(storage.ErrNotFound, renameFactor, t.id, string(id), string(user), name)
	u.event(ev)
	return write(ctx, t.engine, u)
}

// ResealFactor implements storage.Factors.
func (t *Tenant) ResealFactor(ctx context.Context, f storage.Factor, sealed []byte) error {
	u := newUnit(t.id, "factor "+string(f.ID))
	u.must(storage.ErrConflict, resealFactor, t.id, string(f.ID), string(f.User), optional(f.SealedSecret), optional(sealed))
	return write(ctx, t.engine, u)
}

// RemoveFactor implements storage.Factors.
func (t *Tenant) RemoveFactor(ctx context.Context, user storage.UserID, id storage.FactorID, ev storage.Event) error {
	u := newUnit(t.id, "factor "+string(id))
	u.must(storage.ErrNotFound, removeFactor, t.id, string(id), string(user))
	u.event(ev)
	return write(ctx, t.engine, u)
}

// UseFactor implements storage.Factors. A factor that is not there gives ErrConsumed
// too.
func (t *Tenant) UseFactor(ctx context.Context, f storage.Factor) error {
	u := newUnit(t.id, "factor "+string(f.ID))
	u.must(storage.ErrConsumed, useFactor, t.id, string(f.ID), string(f.User), f.Count, optional(f.Public), when(f.LastUsedAt), f.Version)
	return write(ctx, t.engine, u)
}

// ListFactors implements storage.Factors.
func (t *Tenant) ListFactors(ctx context.Context, user storage.UserID) ([]storage.Factor, error) {
	return list(ctx, t.engine, t.scope("factors"), listFactors, factorFields, t.id, string(user))
}

// FactorByCredential implements storage.Factors.
func (t *Tenant) FactorByCredential(ctx context.Context, credential []byte) (storage.Factor, error) {
	var f storage.Factor
	err := find(ctx, t.engine, t.scope("factor"), factorByCredential, factorFields(&f), t.id, optional(credential))
	return f, err
}

// ReplaceRecoveryCodes implements storage.RecoveryCodes. Of two at once the second
// replaces what the first has stored. ErrNotFound: no such person.
func (t *Tenant) ReplaceRecoveryCodes(ctx context.Context, user storage.UserID, hashes [][]byte, at time.Time, ev storage.Event) error {
	u := newUnit(t.id, "recovery codes")
	u.must(storage.ErrNotFound, holdUser, t.id, string(user))
	u.do(forgetRecoveryCodes, t.id, string(user))
	for _, hash := range hashes {
		u.do(insertRecoveryCode, t.id, string(user), hash, when(at))
	}
	u.event(ev)
	return write(ctx, t.engine, u)
}

// UseRecoveryCode implements storage.RecoveryCodes.
func (t *Tenant) UseRecoveryCode(ctx context.Context, user storage.UserID, hash []byte, at time.Time, ev storage.Event) error {
	u := newUnit(t.id, "recovery code")
	u.must(storage.ErrConsumed, useRecoveryCode, t.id, string(user), hash, when(at))
	u.event(ev)
	return write(ctx, t.engine, u)
}

// CountRecoveryCodes implements storage.RecoveryCodes.
func (t *Tenant) CountRecoveryCodes(ctx context.Context, user storage.UserID) (int, error) {
	var n int
	err := find(ctx, t.engine, t.scope("recovery codes"), countRecoveryCodes, []any{counter{&n}}, t.id, string(user))
	return n, err
}

// TakeTry implements storage.Tries. ErrNotFound: no such person.
func (t *Tenant) TakeTry(ctx context.Context, user storage.UserID, limit int, pause time.Duration, at time.Time) (int, error) {
	u := newUnit(t.id, "try")
	var counted []string
	u.list(&counted, takeTry, t.id, string(user), when(at), int64(1), int64(limit), when(at.Add(-pause)), int64(storage.MaxTries))
	if err := write(ctx, t.engine, u); err != nil {
		return 0, err
	}
	if len(counted) == 1 {
		return strconv.Atoi(counted[0])
	}
	var n int
	if err := find(ctx, t.engine, t.scope("try"), countTries, []any{counter{&n}}, t.id, string(user)); err != nil && !errors.Is(err, storage.ErrNotFound) {
		return 0, err
	}
	return n, wrap("try", storage.ErrConsumed)
}

// ClearTries implements storage.Tries.
func (t *Tenant) ClearTries(ctx context.Context, user storage.UserID) error {
	u := newUnit(t.id, "tries")
	u.do(clearTries, t.id, string(user))
	return write(ctx, t.engine, u)
}
