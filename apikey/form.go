package apikey

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/watchgate/watchgate/internal/limit"
	"github.com/watchgate/watchgate/internal/signer"
	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/storage"
)

// rules are what introspection asks of a profile.
type rules struct {
	httpsOnly bool
	rate      limit.Rate
}

// Rules returns what holds for the keys of a profile when they are used; not known:
// the deployment has no such profile any more.
func (k *Keys) Rules(profile string) (httpsOnly bool, rate limit.Rate, known bool) {
	r, known := k.rules[profile]
	return r.httpsOnly, r.rate, known
}

// Rules is [Keys.Rules].
func (p *Profiles) Rules(profile string) (httpsOnly bool, rate limit.Rate, known bool) {
	found, known := p.Profile(profile)
	return found.HTTPSOnly, found.Rate, known
}

// ParseKey reports whether s has the form of a key of one of the profiles, and returns
// the SHA-256 by which it is stored. Of an opaque key that is its prefix, length,
// characters and checksum; of a JWT its header and shape, and [Keys.Verify] says the
// rest. One key has one spelling, and nothing is asked of the store.
func (k *Keys) ParseKey(s string) (hash [32]byte, ok bool) {
	if prefix, hash, err := token.ParseKey(s); err == nil {
		return hash, k.prefixes[prefix]
	}
	if !k.jwt {
		return hash, false
	}
	hash, err := token.ParseJWTKey(s)
	return hash, err == nil
}

// ParseKey is [Keys.ParseKey].
func (p *Profiles) ParseKey(s string) (hash [32]byte, ok bool) {
	prefix, opaque, err := token.ParseKey(s)
	jwt, errJWT := token.ParseJWTKey(s)
	for _, profile := range p.byName {
		switch {
		case err == nil && profile.Format == Opaque && profile.Prefix == prefix:
			return opaque, true
		case errJWT == nil && profile.Format == JWT:
			return jwt, true
		}
	}
	return hash, false
}

// Verify reports whether a string that [Keys.ParseKey] accepts is worth a query: a JWT
// is if a key of ours signed it. While that cannot be told, it is: then the query says.
func (k *Keys) Verify(ctx context.Context, s string) bool {
	if _, err := token.ParseJWTKey(s); err != nil {
		return true
	}
	if k.cfg.Signer == nil || token.JWTKeyID(s) == "" {
		return false
	}
	_, err := k.cfg.Signer.Verify(ctx, s)
	return !errors.Is(err, signer.ErrInvalid)
}

// claims are what a key that is a JWT says: which key it is, and nothing that can ever
// be different. When it ends, the server knows; that can be moved.
type claims struct {
	Issuer   string           `json:"iss"`
	Subject  storage.KeyID    `json:"sub"`
	JTI      storage.KeyID    `json:"jti"`
	Tenant   storage.TenantID `json:"tenant_id"`
	IssuedAt int64            `json:"iat"`
}

// write makes the text of a key and notes in it what is stored of that.
func (k *Keys) write(ctx context.Context, t storage.TenantID, p Profile, key *storage.APIKey) (secret string, err error) {
	if p.Format == JWT {
		if key.KID, err = k.cfg.Signer.Active(ctx, signer.EdDSA); err != nil {
			return "", fmt.Errorf("apikey: %w", err)
		}
		if secret, err = k.sign(ctx, t, *key); err != nil {
			return "", err
		}
		key.Hint = token.JWTKeyHint(secret)
	} else {
		secret = token.NewKey(p.Prefix, key.ID)
		key.Hint = token.KeyHint(secret)
	}
	key.Hash = sha256.Sum256([]byte(secret))
	return secret, nil
}

// sign returns the text of a key that is a JWT: the same for the same record.
func (k *Keys) sign(ctx context.Context, t storage.TenantID, key storage.APIKey) (string, error) {
	out, err := k.cfg.Signer.SignWith(ctx, key.KID, token.JWTKeyType, claims{
		Issuer: k.cfg.Issuer, Subject: key.ID, JTI: key.ID, Tenant: t, IssuedAt: key.CreatedAt.Unix(),
	})
	if err != nil {
		return "", fmt.Errorf("apikey: %w", err)
	}
	return out, nil
}

// own reports whether a text is that of a key.
func own(secret string, key storage.APIKey) bool {
	return secret != "" && sha256.Sum256([]byte(secret)) == key.Hash
}
