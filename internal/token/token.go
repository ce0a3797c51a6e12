package token

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"hash/crc32"
	"strings"
	"time"

	"github.com/watchgate/watchgate/storage"
)

// Kind is a token's prefix.
type Kind string

// The kinds.
const (
	Access  Kind = "wgat_"
	Refresh Kind = "wgrt_"
	Code    Kind = "wgac_"
)

const (
	prefixLen = 5
	bucketLen = 6  // base62 of 32 bits
	secretLen = 43 // 256.03 bits
	sumLen    = 6  // base62 of a CRC-32
	bodyLen   = prefixLen + bucketLen + secretLen
	// Len is the length of every token, in bytes.
	Len = bodyLen + sumLen
)

// ErrMalformed: the string is no token of that kind: its prefix, length,
// characters or checksum are wrong.
var ErrMalformed = errors.New("token: malformed")

// New returns a fresh token that is over at expires.
func New(kind Kind, expires time.Time) string {
	var seed [64]byte
	rand.Read(seed[:])
	return build(kind, Bucket(expires), seed[:])
}

// Successor returns the refresh token that follows old: the same for the same
// key and old, and unpredictable without the key. It keeps old's bucket, which
// is that of the grant's absolute end. ErrMalformed: old is no refresh token.
func Successor(key []byte, old string) (string, error) {
	ref, err := Parse(Refresh, old)
	if err != nil {
		return "", err
	}
	mac := hmac.New(sha512.New, key)
	mac.Write([]byte("refresh-successor\x00"))
	mac.Write([]byte(old))
	return build(Refresh, ref.Bucket, mac.Sum(nil)), nil
}

// Parse checks a token's form and returns where its row is. It does not say
// whether there is one. ErrMalformed.
func Parse(kind Kind, s string) (storage.TokenRef, error) {
	if len(s) != Len || !strings.HasPrefix(s, string(kind)) {
		return storage.TokenRef{}, ErrMalformed
	}
	for i := prefixLen; i < Len; i++ {
		if digits[s[i]] < 0 {
			return storage.TokenRef{}, ErrMalformed
		}
	}
	bucket, ok := number(s[prefixLen : prefixLen+bucketLen])
	sum, sumOK := number(s[bodyLen:])
	if !ok || !sumOK || sum != crc32.ChecksumIEEE([]byte(s[:bodyLen])) {
		return storage.TokenRef{}, ErrMalformed
	}
	return storage.TokenRef{Bucket: bucket, Hash: sha256.Sum256([]byte(s))}, nil
}

// Bucket returns the hour since 1970, rounded up, at which something that is
// over at t is over.
func Bucket(t time.Time) uint32 {
	return uint32((t.Unix() + 3599) / 3600)
}

// build joins the parts of a token; seed is at least 64 bytes of randomness.
func build(kind Kind, bucket uint32, seed []byte) string {
	b := make([]byte, 0, Len)
	b = append(b, kind...)
	b = appendNumber(b, bucket)
	b = appendSecret(b, seed)
	return string(appendNumber(b, crc32.ChecksumIEEE(b)))
}
