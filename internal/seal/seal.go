package seal

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/tink-crypto/tink-go/v2/aead/subtle"

	"github.com/watchgate/watchgate/storage"
)

// MinMaster is the least length of a master, in bytes.
const MinMaster = 32

const (
	keyLen = 32
	idLen  = 8
	// version starts every sealed value, so that the envelope can change.
	version   = 1
	headerLen = 1 + idLen
)

var (
	// ErrSealed: the value is not open to us: it was changed, belongs to
	// another place, was sealed by a master that we do not have, or is none of
	// ours. Which of them it was is not told.
	ErrSealed = errors.New("seal: value does not open")
	// ErrMaster: the master secret cannot be used. The message says why, and
	// holds nothing of the secret.
	ErrMaster = errors.New("seal: master secret")
)

// Place is where a sealed value lives. Tenant is "" for what belongs to the
// platform; the other parts are never empty in a real place.
type Place struct {
	Tenant             storage.TenantID
	Table, Column, Row string
}

// data returns the place as associated data. The lengths keep two places with
// the same letters apart.
func (p Place) data() []byte {
	var b []byte
	for _, part := range []string{string(p.Tenant), p.Table, p.Column, p.Row} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(part)))
		b = append(b, part...)
	}
	return b
}

// Sealer seals with the newest master and opens with each. It is safe for
// concurrent use, and prints as nothing but its name.
type Sealer struct {
	masters [][]byte
	aeads   map[[idLen]byte]*subtle.XChaCha20Poly1305
	newest  [idLen]byte
}

// New returns a sealer. The first master seals and derives the keys, the others
// only open. ErrMaster: there is none, one is shorter than [MinMaster], or one
// is there twice.
func New(masters [][]byte) (*Sealer, error) {
	if len(masters) == 0 {
		return nil, fmt.Errorf("%w: there is none", ErrMaster)
	}
	s := &Sealer{aeads: make(map[[idLen]byte]*subtle.XChaCha20Poly1305)}
	for i, m := range masters {
		if err := s.add(m); err != nil {
			return nil, fmt.Errorf("key %d: %w", i+1, err)
		}
	}
	return s, nil
}

// add makes a master usable for opening; the first also for sealing.
func (s *Sealer) add(master []byte) error {
	if len(master) < MinMaster {
		return fmt.Errorf("%w: %d bytes, at least %d are needed", ErrMaster, len(master), MinMaster)
	}
	id := [idLen]byte(derive(master, "watchgate/id", idLen))
	if _, ok := s.aeads[id]; ok {
		return fmt.Errorf("%w: the same key is there twice", ErrMaster)
	}
	aead, err := subtle.NewXChaCha20Poly1305(derive(master, "watchgate/seal", keyLen))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMaster, err)
	}
	if len(s.masters) == 0 {
		s.newest = id
	}
	s.aeads[id] = aead
	s.masters = append(s.masters, append([]byte(nil), master...))
	return nil
}

// Seal encrypts plain for its place. Sealing twice gives different values.
func (s *Sealer) Seal(p Place, plain []byte) ([]byte, error) {
	box, err := s.aeads[s.newest].Encrypt(plain, p.data())
	if err != nil {
		return nil, fmt.Errorf("seal: encrypt: %w", err)
	}
	out := make([]byte, 0, headerLen+len(box))
	out = append(out, version)
	out = append(out, s.newest[:]...)
	return append(out, box...), nil
}

// Open returns what was sealed for the place. ErrSealed.
func (s *Sealer) Open(p Place, sealed []byte) ([]byte, error) {
	if len(sealed) < headerLen || sealed[0] != version {
		return nil, ErrSealed
	}
	aead, ok := s.aeads[[idLen]byte(sealed[1:headerLen])]
	if !ok {
		return nil, ErrSealed
	}
	plain, err := aead.Decrypt(sealed[headerLen:], p.data())
	if err != nil {
		return nil, ErrSealed
	}
	return plain, nil
}

// Stale reports whether a value that opens was sealed by another master than
// the newest, and should be sealed anew before that one is taken away.
func (s *Sealer) Stale(sealed []byte) bool {
	return len(sealed) < headerLen || [idLen]byte(sealed[1:headerLen]) != s.newest
}

// Changing reports whether there are older masters: what they sealed has to be
// sealed anew before they can be taken away.
func (s *Sealer) Changing() bool { return len(s.masters) > 1 }

// Key returns the newest master's 32-byte key for a purpose. Keys of different
// purposes tell nothing about each other or the master (KM-06).
func (s *Sealer) Key(purpose string) []byte { return purposeKey(s.masters[0], purpose) }

// Keys returns the keys of every master for a purpose, the newest first: use
// the first, accept each, and changing the master signs nobody out (KM-05).
func (s *Sealer) Keys(purpose string) [][]byte {
	keys := make([][]byte, len(s.masters))
	for i, m := range s.masters {
		keys[i] = purposeKey(m, purpose)
	}
	return keys
}

// String keeps the masters out of whatever prints a Sealer.
func (s *Sealer) String() string { return "seal.Sealer" }

// GoString is String for %#v.
func (s *Sealer) GoString() string { return s.String() }

func purposeKey(master []byte, purpose string) []byte {
	return derive(master, "watchgate/key/"+purpose, keyLen)
}

// derive is HKDF-SHA256 (RFC 5869) without salt: the masters are random.
func derive(master []byte, info string, n int) []byte {
	key, err := hkdf.Key(sha256.New, master, nil, info, n)
	if err != nil {
		// Only a length beyond 255 hashes, or a short key under FIPS rules, fails;
		// neither reaches this line.
		panic("seal: hkdf: " + err.Error())
	}
	return key
}
