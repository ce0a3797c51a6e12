package signer

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/watchgate/watchgate/internal/seal"
	"github.com/watchgate/watchgate/storage"
)

// The algorithms, in the order in which they are offered (RFC 7518 section 3.1,
// RFC 8037 section 3.1). RS256 is what OIDC Core section 15.1 demands of all.
const (
	RS256 = string(jose.RS256)
	ES256 = string(jose.ES256)
	EdDSA = string(jose.EdDSA)
)

var algs = []string{RS256, ES256, EdDSA}

const rsaBits = 2048

// key is a stored key that opened.
type key struct {
	row     storage.SigningKey
	private jose.JSONWebKey
	public  jose.JSONWebKey
}

// generate makes a private key. It never fails for a name in algs: crypto/rand
// does not return errors.
func generate(alg string) (crypto.Signer, error) {
	switch alg {
	case RS256:
		return rsa.GenerateKey(rand.Reader, rsaBits)
	case ES256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case EdDSA:
		_, private, err := ed25519.GenerateKey(rand.Reader)
		return private, err
	}
	return nil, fmt.Errorf("%w %q", ErrAlg, alg)
}

// newRow makes a key and seals it. Its kid is the thumbprint of RFC 7638.
func newRow(s *seal.Sealer, alg string, now time.Time) (storage.SigningKey, error) {
	raw, err := generate(alg)
	if err != nil {
		return storage.SigningKey{}, err
	}
	private := jose.JSONWebKey{Key: raw, Algorithm: alg, Use: "sig"}
	if private.KeyID, err = thumbprint(private); err != nil {
		return storage.SigningKey{}, err
	}
	plain, err := json.Marshal(private)
	if err != nil {
		return storage.SigningKey{}, fmt.Errorf("signer: encode key: %w", err)
	}
	public, err := json.Marshal(private.Public())
	if err != nil {
		return storage.SigningKey{}, fmt.Errorf("signer: encode key: %w", err)
	}
	sealed, err := s.Seal(place(private.KeyID), plain)
	if err != nil {
		return storage.SigningKey{}, err
	}
	return storage.SigningKey{KID: private.KeyID, Alg: alg, Public: public, Sealed: sealed, CreatedAt: now}, nil
}

func place(kid string) seal.Place {
	return seal.Place{Table: "signing_keys", Column: "private", Row: kid}
}

// open reads a stored key. The public half is computed from the sealed one, and
// both must be the key that the kid names.
func open(s *seal.Sealer, row storage.SigningKey) (key, error) {
	plain, err := s.Open(place(row.KID), row.Sealed)
	if err != nil {
		return key{}, fmt.Errorf("signer: key %s: %w", row.KID, err)
	}
	var private jose.JSONWebKey
	if err := json.Unmarshal(plain, &private); err != nil || !private.Valid() || private.IsPublic() {
		return key{}, fmt.Errorf("signer: key %s: %w", row.KID, errKey)
	}
	kid, err := thumbprint(private)
	if err != nil || kid != row.KID || private.KeyID != row.KID || private.Algorithm != row.Alg {
		return key{}, fmt.Errorf("signer: key %s: %w", row.KID, errKey)
	}
	return key{row: row, private: private, public: private.Public()}, nil
}

func thumbprint(k jose.JSONWebKey) (string, error) {
	sum, err := k.Thumbprint(crypto.SHA256)
	if err != nil {
		return "", fmt.Errorf("signer: thumbprint: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(sum), nil
}
