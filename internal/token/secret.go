package token

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"time"

	"github.com/watchgate/watchgate/storage"
)

// NewSecret returns a generated secret: 43 characters of base 62, 256 bits.
func NewSecret() string {
	var seed [64]byte
	rand.Read(seed[:])
	return string(appendSecret(make([]byte, 0, secretLen), seed[:]))
}

// Seal returns a secret at rest: its SHA-256. A fast hash is enough for what
// has 256 bits of randomness; nothing that people choose is stored so.
func Seal(secret string, created, expires time.Time) storage.Secret {
	h := sha256.Sum256([]byte(secret))
	return storage.Secret{Hash: h[:], CreatedAt: created, ExpiresAt: expires}
}

// Matches reports whether presented is one of the secrets that are valid at
// now. It compares in constant time, and with all of them.
func Matches(secrets []storage.Secret, presented string, now time.Time) bool {
	h := sha256.Sum256([]byte(presented))
	found := 0
	for _, s := range secrets {
		valid := len(s.Hash) == len(h) && (s.ExpiresAt.IsZero() || now.Before(s.ExpiresAt))
		same := subtle.ConstantTimeCompare(s.Hash, h[:])
		if valid {
			found |= same
		}
	}
	return found == 1 && presented != ""
}
