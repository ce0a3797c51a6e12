package mfa

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"image/color"
	"strings"
	"time"

	"github.com/boombuler/barcode/qr"
	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"github.com/pquerna/otp/totp"

	"github.com/watchgate/watchgate/idp"
	"github.com/watchgate/watchgate/internal/seal"
	"github.com/watchgate/watchgate/storage"
)

// What authenticator apps support: they read other values from the QR code, and many
// ignore them.
const (
	seedLen = 20 // bytes: 160 bits (RFC 4226 section 4)
	period  = 30 * time.Second
	skew    = 1 // steps, on either side (RFC 6238 section 5.2)
)

var hotpOptions = hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1}

var base32NoPad = base32.StdEncoding.WithPadding(base32.NoPadding)

var errCode = errors.New("mfa: not the code, or it was used")

// Code implements [idp.Prover]: a code of any of the person's apps, of a step after
// the last that was used (RFC 6238 section 5.2: each once).
func (f *Factors) Code(ctx context.Context, t storage.TenantID, u storage.UserID, code string) (idp.Proof, error) {
	return f.guess(ctx, t, u, func() (idp.Proof, error) { return f.code(ctx, t, u, code) })
}

// code uses a TOTP code up.
func (f *Factors) code(ctx context.Context, t storage.TenantID, u storage.UserID, code string) (idp.Proof, error) {
	tenant := f.cfg.Store.Tenant(t)
	all, err := tenant.ListFactors(ctx, u)
	if err != nil {
		return idp.Proof{}, err
	}
	factor, err := f.matching(t, all, code)
	if err != nil {
		return idp.Proof{}, err
	}
	if err := tenant.UseFactor(ctx, factor); errors.Is(err, storage.ErrConsumed) {
		return idp.Proof{}, wrong(err)
	} else if err != nil {
		return idp.Proof{}, err
	}
	return totpProof(t, factor), nil
}

// matching returns the app that made the code, as it is when the code is used up.
func (f *Factors) matching(t storage.TenantID, all []storage.Factor, code string) (storage.Factor, error) {
	for _, factor := range all {
		if factor.Kind != storage.FactorTOTP {
			continue
		}
		seed, err := f.cfg.Sealer.Open(place(t, factor.ID), factor.SealedSecret)
		if err != nil {
			return storage.Factor{}, fmt.Errorf("mfa: app %s: %w", factor.ID, err)
		}
		if step, ok := f.step(seed, code); ok && step > factor.Count {
			factor.Count, factor.LastUsedAt = step, f.now()
			return factor, nil
		}
	}
	return storage.Factor{}, wrong(errCode)
}

// step is the time step whose code it is, of those that are near now.
func (f *Factors) step(seed []byte, code string) (int64, bool) {
	code, secret := strings.ReplaceAll(code, " ", ""), base32NoPad.EncodeToString(seed)
	now := f.now().Unix() / int64(period/time.Second)
	for step := now - skew; step <= now+skew; step++ {
		if ok, err := hotp.ValidateCustom(code, uint64(step), secret, hotpOptions); ok && err == nil {
			return step, true
		}
	}
	return 0, false
}

// NewTOTP implements [idp.Enroller].
func (f *Factors) NewTOTP(ctx context.Context, t storage.TenantID, u storage.User) (idp.TOTPSeed, []byte, error) {
	if _, err := f.room(ctx, t, u.ID); err != nil {
		return idp.TOTPSeed{}, nil, err
	}
	tenant, err := f.cfg.Store.TenantByID(ctx, t)
	if err != nil {
		return idp.TOTPSeed{}, nil, err
	}
	seed := make([]byte, seedLen)
	rand.Read(seed)
	c := ceremony{
		Use: useTOTP, Tenant: t, User: u.ID, Factor: storage.NewFactorID(f.now()),
		Label: label{Issuer: plain(tenant.Name + " (" + f.cfg.Name + ")"), Account: plain(account(u))},
	}
	if c.Sealed, err = f.cfg.Sealer.Seal(place(t, c.Factor), seed); err != nil {
		return idp.TOTPSeed{}, nil, fmt.Errorf("mfa: %w", err)
	}
	kept, err := json.Marshal(c)
	if err != nil {
		return idp.TOTPSeed{}, nil, fmt.Errorf("mfa: ceremony: %w", err)
	}
	shown, err := show(seed, c.Label)
	return shown, kept, err
}

// ShowTOTP implements [idp.Enroller].
func (f *Factors) ShowTOTP(t storage.TenantID, u storage.User, kept []byte) (idp.TOTPSeed, error) {
	c, err := open(kept, useTOTP, t, u.ID)
	if err != nil {
		return idp.TOTPSeed{}, err
	}
	seed, err := f.cfg.Sealer.Open(place(t, c.Factor), c.Sealed)
	if err != nil {
		return idp.TOTPSeed{}, fmt.Errorf("mfa: %w", err)
	}
	return show(seed, c.Label)
}

// AddTOTP implements [idp.Enroller]. The code that proved it is used up.
func (f *Factors) AddTOTP(ctx context.Context, t storage.TenantID, u storage.User, kept []byte, code, name string) (idp.Proof, error) {
	c, err := open(kept, useTOTP, t, u.ID)
	if err != nil {
		return idp.Proof{}, err
	}
	return f.guess(ctx, t, u.ID, func() (idp.Proof, error) { return f.enrolled(ctx, t, u, c, code, name) })
}

// enrolled stores the app of a ceremony that made the code.
func (f *Factors) enrolled(ctx context.Context, t storage.TenantID, u storage.User, c ceremony, code, name string) (idp.Proof, error) {
	seed, err := f.cfg.Sealer.Open(place(t, c.Factor), c.Sealed)
	if err != nil {
		return idp.Proof{}, fmt.Errorf("mfa: %w", err)
	}
	step, ok := f.step(seed, code)
	if !ok {
		return idp.Proof{}, wrong(errCode)
	}
	factor, err := f.add(ctx, t, u, storage.Factor{
		ID: c.Factor, User: u.ID, Kind: storage.FactorTOTP, Name: named(name, "Authenticator app"),
		SealedSecret: c.Sealed, Count: step,
	})
	if err != nil {
		return idp.Proof{}, err
	}
	return totpProof(t, factor), nil
}

func totpProof(t storage.TenantID, factor storage.Factor) idp.Proof {
	return idp.Proof{Tenant: t, User: factor.User, Factor: factor.ID, AMR: []string{"otp"}, Level: storage.LevelMFA}
}

// place is where an app's seed is kept.
func place(t storage.TenantID, id storage.FactorID) seal.Place {
	return seal.Place{Tenant: t, Table: "factors", Column: "secret", Row: string(id)}
}

// show is a seed as people and apps read it.
func show(seed []byte, l label) (idp.TOTPSeed, error) {
	key, err := totp.Generate(totp.GenerateOpts{Issuer: l.Issuer, AccountName: l.Account, Secret: seed})
	if err != nil {
		return idp.TOTPSeed{}, fmt.Errorf("mfa: otpauth: %w", err)
	}
	code, err := qr.Encode(key.URL(), qr.M, qr.Auto)
	if err != nil {
		return idp.TOTPSeed{}, fmt.Errorf("mfa: QR code: %w", err)
	}
	bounds := code.Bounds()
	rows := make([][]bool, 0, bounds.Dy())
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		row := make([]bool, 0, bounds.Dx())
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			row = append(row, code.At(x, y) == color.Black)
		}
		rows = append(rows, row)
	}
	return idp.TOTPSeed{Secret: grouped(key.Secret(), " "), URI: key.URL(), QR: rows}, nil
}

// plain takes out what separates the parts of an otpauth label, and cuts what would
// make a QR code that no camera reads.
func plain(s string) string {
	s = strings.Map(printable, strings.ToValidUTF8(strings.ReplaceAll(s, ":", " "), ""))
	if runes := []rune(s); len(runes) > maxName {
		s = string(runes[:maxName])
	}
	return s
}

// grouped sets a separator after every four letters.
func grouped(s, separator string) string {
	var groups []string
	for len(s) > 4 {
		groups, s = append(groups, s[:4]), s[4:]
	}
	return strings.Join(append(groups, s), separator)
}
