package mfa

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/idp"
	"github.com/watchgate/watchgate/internal/device"
	"github.com/watchgate/watchgate/internal/mail"
	"github.com/watchgate/watchgate/internal/origin"
	"github.com/watchgate/watchgate/storage"
)

const maxName = idp.MaxFactorName

// NewPasskey implements [idp.Enroller]. Authenticators that have one of the person's
// passkeys already do not make another.
func (f *Factors) NewPasskey(ctx context.Context, t storage.TenantID, u storage.User) (options, kept []byte, err error) {
	if f.web == nil {
		return nil, nil, idp.ErrNoPasskeys
	}
	all, err := f.room(ctx, t, u.ID)
	if err != nil {
		return nil, nil, err
	}
	p, err := personWith(t, u.ID, all)
	if err != nil {
		return nil, nil, err
	}
	p.name, p.shown = account(u), shown(u)
	creation, state, err := f.web.BeginRegistration(p, webauthn.WithExclusions(webauthn.Credentials(p.credentials).CredentialDescriptors()))
	if err != nil {
		return nil, nil, fmt.Errorf("mfa: passkey: %w", err)
	}
	return pair(creation.Response, ceremony{Use: usePasskey, Tenant: t, User: u.ID, Web: state})
}

// AddPasskey implements [idp.Enroller]. Its proof is not Whole: who the person is was
// proved otherwise.
func (f *Factors) AddPasskey(ctx context.Context, t storage.TenantID, u storage.User, kept, response []byte, name string) (idp.Proof, error) {
	if f.web == nil {
		return idp.Proof{}, idp.ErrNoPasskeys
	}
	c, err := open(kept, usePasskey, t, u.ID)
	if err != nil {
		return idp.Proof{}, err
	}
	answer, err := protocol.ParseCredentialCreationResponseBytes(response)
	if err != nil {
		return idp.Proof{}, wrong(err)
	}
	made, err := f.web.CreateCredential(person{handle: handleOf(t, u.ID)}, *c.Web, answer)
	if err != nil {
		return idp.Proof{}, wrong(err)
	}
	factor, err := newPasskey(u.ID, *made, named(name, passkeyName(ctx)))
	if err != nil {
		return idp.Proof{}, err
	}
	if factor, err = f.add(ctx, t, u, factor); err != nil {
		return idp.Proof{}, err
	}
	proof := passkeyProof(t, factor, made.Flags.BackupEligible)
	proof.Whole = false
	return proof, nil
}

func newPasskey(u storage.UserID, made webauthn.Credential, name string) (storage.Factor, error) {
	kept, err := json.Marshal(keep(made))
	if err != nil {
		return storage.Factor{}, fmt.Errorf("mfa: passkey: %w", err)
	}
	return storage.Factor{
		User: u, Kind: storage.FactorPasskey, Name: name,
		CredentialID: made.ID, Public: kept, Count: int64(made.Authenticator.SignCount),
	}, nil
}

// add stores a factor, and tells its person.
func (f *Factors) add(ctx context.Context, t storage.TenantID, u storage.User, factor storage.Factor) (storage.Factor, error) {
	all, err := f.room(ctx, t, u.ID)
	if err != nil {
		return factor, err
	}
	now := f.now()
	factor.Name = distinct(factor.Name, all)
	factor.CreatedAt, factor.LastUsedAt, factor.Version = now, now, 1
	if factor.ID == "" {
		factor.ID = storage.NewFactorID(now)
	}
	err = f.cfg.Store.Tenant(t).AddFactor(ctx, factor, audit.FactorAdded(ctx, now, u.ID, factor))
	switch {
	case errors.Is(err, storage.ErrExists):
		return factor, wrong(err)
	case errors.Is(err, storage.ErrConflict): // others were added since room
		return factor, fmt.Errorf("%w: %w", idp.ErrTooManyFactors, err)
	case err != nil:
		return factor, err
	}
	return factor, f.tell(ctx, t, u, mail.FactorAdded, map[string]string{"factor": factor.Name})
}

// passkeyName is what a passkey is called of which its person says nothing: by where
// it was made.
func passkeyName(ctx context.Context) string {
	where := device.Name(origin.From(ctx).UserAgent)
	if where == device.Unknown {
		return "Passkey"
	}
	return "Passkey (" + where + ")"
}

// distinct is a name that none of the person's factors has.
func distinct(name string, all []storage.Factor) string {
	taken := func(name string) bool {
		return slices.ContainsFunc(all, func(f storage.Factor) bool { return f.Name == name })
	}
	for n, wanted := 2, name; taken(name); n++ {
		number := " " + strconv.Itoa(n)
		name = shortened(wanted, maxName-len(number)) + number
	}
	return name
}

// shortened is the beginning of a text, of at most so many characters.
func shortened(s string, most int) string {
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return strings.TrimSpace(string([]rune(s)[:most]))
}

// named is what a factor is called: what the person said, without what does not
// print, or else the other.
func named(said, otherwise string) string {
	said = strings.TrimSpace(strings.Map(printable, strings.ToValidUTF8(said, "")))
	if said == "" {
		return otherwise
	}
	return shortened(said, maxName)
}

func printable(r rune) rune {
	if r < ' ' || r == 0x7f {
		return -1
	}
	return r
}

// account is how an authenticator tells a person's accounts apart.
func account(u storage.User) string {
	if u.Email != "" {
		return u.Email
	}
	return string(u.ID)
}

func shown(u storage.User) string {
	if name, _ := u.Claims["name"].(string); strings.TrimSpace(name) != "" {
		return name
	}
	return account(u)
}
