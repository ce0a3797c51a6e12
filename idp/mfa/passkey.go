package mfa

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/idp"
	"github.com/watchgate/watchgate/storage"
)

var (
	errRegressed = errors.New("mfa: the signature counter went back")
	errStranger  = errors.New("mfa: not that person's passkey")
)

// Challenge implements [idp.Prover].
func (f *Factors) Challenge(ctx context.Context, t storage.TenantID, u storage.UserID) (options, kept []byte, err error) {
	if f.web == nil {
		return nil, nil, idp.ErrNoPasskeys
	}
	var assertion *protocol.CredentialAssertion
	c := ceremony{Use: useProof, Tenant: t, User: u}
	if u == "" {
		assertion, c.Web, err = f.web.BeginDiscoverableLogin()
	} else {
		assertion, c.Web, err = f.beginKnown(ctx, t, u)
	}
	if err != nil {
		return nil, nil, err
	}
	return pair(assertion.Response, c)
}

func (f *Factors) beginKnown(ctx context.Context, t storage.TenantID, u storage.UserID) (*protocol.CredentialAssertion, *webauthn.SessionData, error) {
	all, err := f.cfg.Store.Tenant(t).ListFactors(ctx, u)
	if err != nil {
		return nil, nil, err
	}
	p, err := personWith(t, u, all)
	if err != nil {
		return nil, nil, err
	}
	if len(p.credentials) == 0 {
		return nil, nil, fmt.Errorf("%w: %s has no passkey", idp.ErrWrongFactor, u)
	}
	return f.web.BeginLogin(p)
}

// Assert implements [idp.Prover]. The factor is used: two answers to one challenge
// that come at once count once.
func (f *Factors) Assert(ctx context.Context, t storage.TenantID, kept, response []byte) (idp.Proof, error) {
	if f.web == nil {
		return idp.Proof{}, idp.ErrNoPasskeys
	}
	c, err := read(kept, useProof, t)
	if err != nil {
		return idp.Proof{}, err
	}
	answer, err := protocol.ParseCredentialRequestResponseBytes(response)
	if err != nil {
		return idp.Proof{}, wrong(err)
	}
	t, factor, err := f.answered(ctx, c, answer)
	if err != nil {
		return idp.Proof{}, err
	}
	used, err := f.verify(t, c, factor, answer)
	if err != nil {
		return idp.Proof{}, wrong(err)
	}
	return f.use(ctx, t, factor, used)
}

// answered finds the passkey that answered, which is of the person and the tenant
// that the ceremony is about, as far as it says, and of those that it says itself.
func (f *Factors) answered(ctx context.Context, c ceremony, answer *protocol.ParsedCredentialAssertionData) (storage.TenantID, storage.Factor, error) {
	t, u := c.Tenant, c.User
	if u == "" {
		var ok bool
		if t, u, ok = whose(answer.Response.UserHandle); !ok || (c.Tenant != "" && c.Tenant != t) {
			return "", storage.Factor{}, wrong(errStranger)
		}
	}
	factor, err := f.cfg.Store.Tenant(t).FactorByCredential(ctx, answer.RawID)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return "", storage.Factor{}, wrong(err)
	case err != nil:
		return "", storage.Factor{}, err
	case factor.User != u || factor.Kind != storage.FactorPasskey:
		return "", storage.Factor{}, wrong(errStranger)
	}
	return t, factor, nil
}

// verify has the library check the answer: challenge, origin, relying party, presence
// and verification of the user, signature (WebAuthn section 7.2).
func (f *Factors) verify(t storage.TenantID, c ceremony, factor storage.Factor, answer *protocol.ParsedCredentialAssertionData) (*webauthn.Credential, error) {
	p, err := personWith(t, factor.User, []storage.Factor{factor})
	if err != nil {
		return nil, err
	}
	if c.User == "" {
		_, used, err := f.web.ValidatePasskeyLogin(func([]byte, []byte) (webauthn.User, error) { return p, nil }, *c.Web, answer)
		return used, err
	}
	if !slices.ContainsFunc(c.Web.AllowedCredentialIDs, func(id []byte) bool { return bytes.Equal(id, factor.CredentialID) }) {
		return nil, errStranger
	}
	one := *c.Web
	one.AllowedCredentialIDs = [][]byte{factor.CredentialID}
	return f.web.ValidateLogin(p, one, answer)
}

// use notes that a passkey was used, which lets codes be tried again, unless its counter
// went back: then there is a copy of it, or there was one (WebAuthn section 6.1.1). The
// library warns only where a counter was kept before.
func (f *Factors) use(ctx context.Context, t storage.TenantID, factor storage.Factor, used *webauthn.Credential) (idp.Proof, error) {
	tenant, now := f.cfg.Store.Tenant(t), f.now()
	if used.Authenticator.CloneWarning {
		if err := tenant.AppendEvent(ctx, audit.FactorRegressed(ctx, now, factor.User, factor)); err != nil {
			return idp.Proof{}, err
		}
		return idp.Proof{}, wrong(errRegressed)
	}
	var err error
	if factor.Public, err = json.Marshal(keep(*used)); err != nil {
		return idp.Proof{}, fmt.Errorf("mfa: passkey: %w", err)
	}
	factor.Count, factor.LastUsedAt = int64(used.Authenticator.SignCount), now
	if err := tenant.UseFactor(ctx, factor); errors.Is(err, storage.ErrConsumed) {
		return idp.Proof{}, wrong(err)
	} else if err != nil {
		return idp.Proof{}, err
	}
	return passkeyProof(t, factor, used.Flags.BackupEligible), tenant.ClearTries(ctx, factor.User)
}

// passkeyProof says what a passkey proves. Its amr (RFC 8176 section 2) is "hwk", a
// key in hardware, or, where the key may be copied to other devices, "swk", and
// "user": somebody was there. How they were verified, a passkey does not say.
func passkeyProof(t storage.TenantID, factor storage.Factor, copied bool) idp.Proof {
	amr := []string{"hwk", "user"}
	if copied {
		amr[0] = "swk"
	}
	return idp.Proof{Tenant: t, User: factor.User, Factor: factor.ID, AMR: amr, Level: storage.LevelPHR, Whole: true}
}
