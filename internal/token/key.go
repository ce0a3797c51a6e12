package token

import (
	"crypto/rand"
	"crypto/sha256"
	"hash/crc32"
	"strings"

	"github.com/watchgate/watchgate/storage"
)

// The form of an opaque API key: a prefix that says the product and the profile, 16
// characters of base 32 that are the random half of the key's id, 256 bits of base
// 62, and a checksum of all before it.
const (
	keyIDLen  = 16
	keyMark   = keyIDLen          // where the underscore is, from the end of the prefix
	keyBody   = keyIDLen + 1 + 43 // without the checksum
	keyTail   = keyBody + sumLen
	keyHidden = "****"

	// MinKeyPrefix and MaxKeyPrefix bound the prefix of a key, in bytes.
	MinKeyPrefix, MaxKeyPrefix = 2, 20
	// KeyTail is the length of what follows the prefix, in bytes.
	KeyTail = keyTail
)

// idAlphabet is that of ids: Crockford's base 32 in lower case.
const idAlphabet = "0123456789abcdefghjkmnpqrstvwxyz"

var idDigits = func() (d [256]bool) {
	for i := range len(idAlphabet) {
		d[idAlphabet[i]] = true
	}
	return d
}()

// NewKey returns the text of a fresh key: the prefix has to be one that
// [ValidKeyPrefix] accepts, and id one of [storage.NewKeyID].
func NewKey(prefix string, id storage.KeyID) string {
	var seed [64]byte
	rand.Read(seed[:])
	b := make([]byte, 0, len(prefix)+keyTail)
	b = append(b, prefix...)
	b = append(b, id[len(id)-keyIDLen:]...)
	b = append(b, '_')
	b = appendSecret(b, seed[:])
	return string(appendNumber(b, crc32.ChecksumIEEE(b)))
}

// ParseKey checks the form of an opaque key and returns its prefix and the SHA-256
// of the whole. One key has one spelling. ErrMalformed.
func ParseKey(s string) (prefix string, hash [32]byte, err error) {
	at := len(s) - keyTail
	if at < MinKeyPrefix || at > MaxKeyPrefix || !keyShape(s[at:]) {
		return "", hash, ErrMalformed
	}
	text := []byte(s)
	sum, ok := number(s[at+keyBody:])
	if !ok || sum != crc32.ChecksumIEEE(text[:at+keyBody]) {
		return "", hash, ErrMalformed
	}
	return s[:at], sha256.Sum256(text), nil
}

// keyShape checks the characters of what follows the prefix.
func keyShape(tail string) bool {
	for i := range keyMark {
		if !idDigits[tail[i]] {
			return false
		}
	}
	for i := keyMark + 1; i < keyTail; i++ {
		if digits[tail[i]] < 0 {
			return false
		}
	}
	return tail[keyMark] == '_'
}

// ValidKeyPrefix reports whether keys may begin so: lower-case letters and digits in
// groups that end with an underscore, the first of them with a letter, 2 to 20 bytes.
func ValidKeyPrefix(prefix string) bool {
	if len(prefix) < MinKeyPrefix || len(prefix) > MaxKeyPrefix || prefix[0] < 'a' || prefix[0] > 'z' {
		return false
	}
	for i := range len(prefix) {
		c := prefix[i]
		plain := 'a' <= c && c <= 'z' || '0' <= c && c <= '9'
		if !plain && (c != '_' || prefix[i-1] == '_') {
			return false
		}
	}
	return strings.HasSuffix(prefix, "_")
}

// KeyHint is what lists show of an opaque key: its prefix and four characters that
// are no secret.
func KeyHint(key string) string {
	return key[:len(key)-keyTail+4] + keyHidden
}
