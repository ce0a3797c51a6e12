package mfa

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/watchgate/watchgate/idp"
	"github.com/watchgate/watchgate/internal/mail"
	"github.com/watchgate/watchgate/internal/origin"
	"github.com/watchgate/watchgate/internal/seal"
	"github.com/watchgate/watchgate/storage"
)

// Store is the part of the storage in which factors are kept.
type Store interface {
	storage.TenantOpener
	// TenantByID is that of [storage.TenantReader].
	TenantByID(ctx context.Context, id storage.TenantID) (storage.Tenant, error)
}

// Sealer keeps the seeds of authenticator apps.
type Sealer interface {
	Seal(p seal.Place, plain []byte) ([]byte, error)
	Open(p seal.Place, sealed []byte) ([]byte, error)
}

// Notifier tells people what happened to their account.
type Notifier interface {
	// Queue is that of [mail.Post].
	Queue(ctx context.Context, t storage.TenantID, m mail.Message) error
}

// Config is what a Factors needs. Everything but Notifier is required.
type Config struct {
	Base   string // the issuer; its host is the relying party
	Name   string // of the deployment, as authenticators show it
	Store  Store
	Sealer Sealer
	// Notifier is who tells people; nil: nobody does.
	Notifier Notifier
	Now      func() time.Time
}

// Factors are a deployment's second factors. It is safe for concurrent use.
type Factors struct {
	cfg Config
	// web is nil where no browser knows passkeys.
	web *webauthn.WebAuthn
}

var (
	_ idp.Prover   = (*Factors)(nil)
	_ idp.Enroller = (*Factors)(nil)
)

// New returns a Factors, or what is wrong with the configuration.
func New(cfg Config) (*Factors, error) {
	u, err := url.Parse(cfg.Base)
	switch {
	case err != nil:
		return nil, fmt.Errorf("mfa: base: %w", err)
	case u.Scheme == "" || u.Hostname() == "":
		return nil, errors.New("mfa: the base must be an absolute URL")
	case cfg.Name == "" || cfg.Store == nil || cfg.Sealer == nil || cfg.Now == nil:
		return nil, errors.New("mfa: Name, Store, Sealer and Now are required")
	case net.ParseIP(u.Hostname()) != nil:
		return &Factors{cfg: cfg}, nil
	}
	web, err := webauthn.New(&webauthn.Config{
		RPID: u.Hostname(), RPDisplayName: cfg.Name, RPOrigins: []string{u.Scheme + "://" + u.Host},
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementRequired, RequireResidentKey: protocol.ResidentKeyRequired(),
			UserVerification: protocol.VerificationRequired,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("mfa: base: %w", err)
	}
	return &Factors{cfg: cfg, web: web}, nil
}

// now is the injected clock, in what a store keeps.
func (f *Factors) now() time.Time { return f.cfg.Now().UTC().Truncate(time.Millisecond) }

// Ways implements [idp.Prover].
func (f *Factors) Ways(ctx context.Context, t storage.TenantID, u storage.UserID) (idp.Ways, error) {
	tenant := f.cfg.Store.Tenant(t)
	all, err := tenant.ListFactors(ctx, u)
	if err != nil {
		return idp.Ways{}, err
	}
	w := idp.Ways{NoPasskeys: f.web == nil}
	for _, factor := range all {
		switch factor.Kind {
		case storage.FactorPasskey:
			w.Passkeys++
		case storage.FactorTOTP:
			w.TOTP++
		}
	}
	w.RecoveryCodes, err = tenant.CountRecoveryCodes(ctx, u)
	return w, err
}

// room returns the person's factors, if there may be one more.
func (f *Factors) room(ctx context.Context, t storage.TenantID, u storage.UserID) ([]storage.Factor, error) {
	all, err := f.cfg.Store.Tenant(t).ListFactors(ctx, u)
	if err != nil {
		return nil, err
	}
	if len(all) >= idp.MaxFactors {
		return nil, idp.ErrTooManyFactors
	}
	return all, nil
}

// guess has a code looked at, after it was counted. A success forgets what was counted.
// When as many in a row were wrong as are looked at without a pause, the person is told.
func (f *Factors) guess(ctx context.Context, t storage.TenantID, u storage.UserID, look func() (idp.Proof, error)) (idp.Proof, error) {
	n, err := f.try(ctx, t, u)
	if err != nil {
		return idp.Proof{}, err
	}
	proof, err := look()
	switch {
	case err == nil:
		return proof, f.cfg.Store.Tenant(t).ClearTries(ctx, u)
	case n == idp.FactorTries && errors.Is(err, idp.ErrWrongFactor):
		if away := f.warn(ctx, t, u); away != nil {
			return idp.Proof{}, away
		}
	}
	return idp.Proof{}, err
}

// warn tells somebody that their codes are guessed: whoever does may have their password.
func (f *Factors) warn(ctx context.Context, t storage.TenantID, u storage.UserID) error {
	person, err := f.cfg.Store.Tenant(t).User(ctx, u)
	if err != nil {
		return err
	}
	return f.tell(ctx, t, person, mail.CodesGuessed, map[string]string{})
}

// try counts a guess before anybody looks at it, and returns how many there were in a row.
func (f *Factors) try(ctx context.Context, t storage.TenantID, u storage.UserID) (int, error) {
	n, err := f.cfg.Store.Tenant(t).TakeTry(ctx, u, idp.FactorTries, idp.FactorPause, f.now())
	switch {
	case errors.Is(err, storage.ErrConsumed) && n >= storage.MaxTries:
		return n, fmt.Errorf("%w: %w", idp.ErrLocked, err)
	case errors.Is(err, storage.ErrConsumed):
		return n, fmt.Errorf("%w: %w", idp.ErrTooManyTries, err)
	}
	return n, err
}

// tell notifies a person, if they have an address: what happened has happened.
func (f *Factors) tell(ctx context.Context, t storage.TenantID, u storage.User, kind mail.Kind, fields map[string]string) error {
	if f.cfg.Notifier == nil {
		return nil
	}
	tenant, err := f.cfg.Store.TenantByID(ctx, t)
	if err != nil {
		return err
	}
	from := origin.From(ctx)
	fields["tenant"], fields["ip"], fields["device"] = tenant.Name, from.IP, from.UserAgent
	return mail.Tell(ctx, f.cfg.Notifier, t, mail.Message{Kind: kind, To: u.Email, Fields: fields})
}

// wrong is a proof that was none; why is for the log.
func wrong(why error) error { return fmt.Errorf("%w: %w", idp.ErrWrongFactor, why) }
