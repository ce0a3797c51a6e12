package idp

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/watchgate/watchgate/storage"
)

// What proving and enrolling a factor fails with. Any other error means that the
// store could not answer.
var (
	// ErrWrongFactor: the code or the passkey's answer is not right, was used before,
	// or is not this person's.
	ErrWrongFactor = errors.New("idp: the factor was not proved")
	// ErrTooManyTries: codes were guessed too often; see [FactorPause].
	ErrTooManyTries = errors.New("idp: too many tries")
	// ErrLocked: [storage.MaxTries] codes in a row were wrong, and none is looked at any
	// more until the person uses a passkey or an administrator resets their factors. It
	// is an ErrTooManyTries, too.
	ErrLocked = fmt.Errorf("%w: no further ones are looked at", ErrTooManyTries)
	// ErrTooManyFactors: the person has [MaxFactors] already.
	ErrTooManyFactors = errors.New("idp: too many factors")
	// ErrNoPasskeys: browsers know no passkeys at this deployment's address.
	ErrNoPasskeys = errors.New("idp: there are no passkeys here")
)

const (
	// FactorTries is how many codes of a person are looked at in a row, and FactorPause
	// how long each further one has to wait (MF-05).
	FactorTries = 5
	FactorPause = 30 * time.Second
	// MaxFactors is how many factors a person has at most.
	MaxFactors = storage.MaxFactors
	// MaxFactorName is the longest name of a factor, in characters.
	MaxFactorName = 64
)

// Ways are what a person can prove themselves by.
type Ways struct {
	Passkeys, TOTP int // how many of each
	RecoveryCodes  int // how many are left
	// NoPasskeys: browsers know no passkeys at this deployment's address, so that none
	// can be made or used.
	NoPasskeys bool
}

// None reports whether the person has no factor yet.
func (w Ways) None() bool { return w.Passkeys+w.TOTP == 0 }

// Proof is a factor that was proved just now.
type Proof struct {
	Tenant storage.TenantID
	User   storage.UserID
	Factor storage.FactorID // "" for a recovery code
	AMR    []string         // RFC 8176: "otp"; "hwk" or "swk" with "user"; "rec"
	// Level is what it makes of a session whose first factor was proved otherwise.
	Level storage.Level
	// Whole: it proves two factors by itself (a passkey with user verification), and
	// who somebody is.
	Whole bool
}

// Prover checks a person's factors.
type Prover interface {
	// Ways says what there is to prove oneself by.
	Ways(ctx context.Context, t storage.TenantID, u storage.UserID) (Ways, error)
	// Challenge begins a passkey's proof. options is what the browser's
	// navigator.credentials.get takes, as JSON (WebAuthn Level 3
	// PublicKeyCredentialRequestOptionsJSON); ceremony is kept in the transaction. With
	// u "", whoever has a passkey of the tenant may answer; with t "", too, of any
	// tenant.
	Challenge(ctx context.Context, t storage.TenantID, u storage.UserID) (options, ceremony []byte, err error)
	// Assert checks the browser's answer to a challenge that was made for the same t.
	// ErrWrongFactor.
	Assert(ctx context.Context, t storage.TenantID, ceremony, response []byte) (Proof, error)
	// Code checks a TOTP code. ErrWrongFactor, ErrTooManyTries, ErrLocked.
	Code(ctx context.Context, t storage.TenantID, u storage.UserID, code string) (Proof, error)
	// Recover uses a recovery code up. ErrWrongFactor, ErrTooManyTries, ErrLocked.
	Recover(ctx context.Context, t storage.TenantID, u storage.UserID, code string) (Proof, error)
}

// Enroller adds a person's factors.
type Enroller interface {
	// NewPasskey begins the enrolment of a passkey. options is what
	// navigator.credentials.create takes, as JSON. ErrTooManyFactors.
	NewPasskey(ctx context.Context, t storage.TenantID, u storage.User) (options, ceremony []byte, err error)
	// AddPasskey stores the passkey that answered. ErrWrongFactor, ErrTooManyFactors.
	AddPasskey(ctx context.Context, t storage.TenantID, u storage.User, ceremony, response []byte, name string) (Proof, error)
	// NewTOTP begins the enrolment of an authenticator app. ErrTooManyFactors.
	NewTOTP(ctx context.Context, t storage.TenantID, u storage.User) (TOTPSeed, []byte, error)
	// ShowTOTP is the seed of an enrolment that is under way.
	ShowTOTP(t storage.TenantID, u storage.User, ceremony []byte) (TOTPSeed, error)
	// AddTOTP stores it once the person has shown that their app has it.
	// ErrWrongFactor, ErrTooManyTries, ErrLocked, ErrTooManyFactors.
	AddTOTP(ctx context.Context, t storage.TenantID, u storage.User, ceremony []byte, code, name string) (Proof, error)
	// NewRecoveryCodes replaces a person's; they are shown once.
	NewRecoveryCodes(ctx context.Context, t storage.TenantID, u storage.UserID) ([]string, error)
}

// TOTPSeed is what an authenticator app is given.
type TOTPSeed struct {
	Secret string // base32, in groups of four
	URI    string // otpauth://
	// QR is the URI as a QR code's rows, true for dark.
	QR [][]bool
}

// String keeps the seed out of whatever prints it.
func (TOTPSeed) String() string { return "totp seed" }

// GoString is String for %#v.
func (TOTPSeed) GoString() string { return "totp seed" }
