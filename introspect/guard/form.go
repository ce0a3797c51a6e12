package guard

import (
	"encoding/base64"
	"hash/crc32"
	"strings"
)

// The form of what Watchgate issues: tokens and opaque API keys end with 256 bits in
// base 62 and the CRC-32 of all before, in six more digits; a key that is a JWT says
// so in its header.
const (
	digits62  = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	sumLength = 6
	shortest  = 5 + 6 + 43 + sumLength // of a token; a key is longer
	longest   = 20 + 16 + 1 + 43 + sumLength

	keyType = `"typ":"api-key+jwt"`
)

// jwtKeyBegin is how the header of every key begins that is a JWT.
var jwtKeyBegin = base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"EdDSA","kid":`))

// issued reports whether a string has the form of a token or a key: by chance, one
// in four billion does.
func issued(s string) bool {
	if len(s) < shortest || len(s) > longest {
		return isJWTKey(s)
	}
	body, sum := s[:len(s)-sumLength], s[len(s)-sumLength:]
	if !strings.Contains(body, "_") {
		return false
	}
	var n uint64
	for i := range len(sum) {
		digit := strings.IndexByte(digits62, sum[i])
		if digit < 0 {
			return false
		}
		n = n*62 + uint64(digit)
	}
	return n == uint64(crc32.ChecksumIEEE([]byte(body)))
}

func isJWTKey(s string) bool {
	if !strings.HasPrefix(s, jwtKeyBegin) {
		return false
	}
	encoded, _, _ := strings.Cut(s, ".")
	header, err := base64.RawURLEncoding.DecodeString(encoded)
	return err == nil && strings.Contains(string(header), keyType)
}

// isKey reports whether a credential has the form of an API key.
func isKey(s string) bool {
	return !strings.HasPrefix(s, "wgat_") && issued(s)
}
