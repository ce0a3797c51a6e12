package mfa

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"strconv"
	"strings"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/idp"
	"github.com/watchgate/watchgate/internal/mail"
	"github.com/watchgate/watchgate/storage"
)

const (
	recoveryCodes = 10
	recoveryLen   = 10 // bytes: 80 bits
)

// crockford has no letters that are read as digits, or as each other.
var crockford = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// NewRecoveryCodes implements [idp.Enroller]: ten of 80 bits, in groups of four.
func (f *Factors) NewRecoveryCodes(ctx context.Context, t storage.TenantID, u storage.UserID) ([]string, error) {
	codes, hashes := make([]string, recoveryCodes), make([][]byte, recoveryCodes)
	for i := range codes {
		random := make([]byte, recoveryLen)
		rand.Read(random)
		code := crockford.EncodeToString(random)
		codes[i], hashes[i] = grouped(code, "-"), hashOf(code)
	}
	tenant, now := f.cfg.Store.Tenant(t), f.now()
	before, err := tenant.CountRecoveryCodes(ctx, u)
	if err != nil {
		return nil, err
	}
	if err := tenant.ReplaceRecoveryCodes(ctx, u, hashes, now, audit.RecoveryCodesReplaced(ctx, now, u)); err != nil {
		return nil, err
	}
	person, err := tenant.User(ctx, u)
	if err != nil {
		return nil, err
	}
	said := map[string]string{}
	if before > 0 {
		said["replaced"] = "yes"
	}
	return codes, f.tell(ctx, t, person, mail.NewRecovery, said)
}

// Recover implements [idp.Prover].
func (f *Factors) Recover(ctx context.Context, t storage.TenantID, u storage.UserID, code string) (idp.Proof, error) {
	return f.guess(ctx, t, u, func() (idp.Proof, error) { return f.recover(ctx, t, u, code) })
}

// recover uses a recovery code up.
func (f *Factors) recover(ctx context.Context, t storage.TenantID, u storage.UserID, code string) (idp.Proof, error) {
	tenant, now := f.cfg.Store.Tenant(t), f.now()
	err := tenant.UseRecoveryCode(ctx, u, hashOf(asMade(code)), now, audit.RecoveryCodeUsed(ctx, now, u))
	switch {
	case errors.Is(err, storage.ErrConsumed):
		return idp.Proof{}, wrong(err)
	case err != nil:
		return idp.Proof{}, err
	}
	if err := f.recovered(ctx, t, u); err != nil {
		return idp.Proof{}, err
	}
	return idp.Proof{Tenant: t, User: u, AMR: []string{"rec"}, Level: storage.LevelMFA}, nil
}

// recovered tells the person that one of their codes was used.
func (f *Factors) recovered(ctx context.Context, t storage.TenantID, u storage.UserID) error {
	tenant := f.cfg.Store.Tenant(t)
	left, err := tenant.CountRecoveryCodes(ctx, u)
	if err != nil {
		return err
	}
	person, err := tenant.User(ctx, u)
	if err != nil {
		return err
	}
	return f.tell(ctx, t, person, mail.RecoveryUsed, map[string]string{"left": strconv.Itoa(left)})
}

// misread are the letters that people write for others.
var misread = strings.NewReplacer("o", "0", "i", "1", "l", "1", "-", "", " ", "")

// asMade is a code as it was made, of what somebody typed.
func asMade(typed string) string { return misread.Replace(strings.ToLower(strings.TrimSpace(typed))) }

func hashOf(code string) []byte {
	h := sha256.Sum256([]byte(code))
	return h[:]
}
