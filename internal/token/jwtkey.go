package token

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

// The form of an API key that is a JWT: a compact JWS (RFC 7515 section 7.1) whose
// protected header is, to the byte, {"alg":"EdDSA","kid":"<43>","typ":"api-key+jwt"}.
const (
	// JWTKeyType is the typ of such a key (RFC 7515 section 4.1.9).
	JWTKeyType = "api-key+jwt"
	// MaxJWTKey is the length of the longest one, in bytes.
	MaxJWTKey = 1 << 10

	jwtHead    = `{"alg":"EdDSA","kid":"`
	jwtHeadEnd = `","typ":"` + JWTKeyType + `"}`
	kidLen     = 43 // base64url of a SHA-256 (RFC 7638)
	jwtHeader  = (len(jwtHead) + kidLen + len(jwtHeadEnd)) / 3 * 4
	jwtSigned  = 86 // base64url of 64 bytes

	leastJWTKey = jwtHeader + 1 + 2 + 1 + jwtSigned
)

// Of the header, what groups of three bytes spell the same in every key.
var (
	jwtBegin = base64.RawURLEncoding.EncodeToString([]byte(jwtHead[:len(jwtHead)/3*3]))
	jwtEnd   = base64.RawURLEncoding.EncodeToString([]byte(jwtHeadEnd[len(jwtHeadEnd)%3:]))
	strict   = base64.RawURLEncoding.Strict()
)

// ParseJWTKey checks the form of a key that is a JWT, which says nothing about its
// signature, and returns the SHA-256 of the whole. ErrMalformed.
func ParseJWTKey(s string) (hash [32]byte, err error) {
	if len(s) < leastJWTKey || len(s) > MaxJWTKey || !strings.HasPrefix(s, jwtBegin) || s[jwtHeader] != '.' {
		return hash, ErrMalformed
	}
	last := len(s) - jwtSigned - 1
	if !strings.HasSuffix(s[:jwtHeader], jwtEnd) || s[last] != '.' {
		return hash, ErrMalformed
	}
	for i := range len(s) {
		if digits[s[i]] < 0 && s[i] != '-' && s[i] != '_' && i != jwtHeader && i != last {
			return hash, ErrMalformed
		}
	}
	return sha256.Sum256([]byte(s)), nil
}

// JWTKeyID returns the kid of a key that [ParseJWTKey] accepts; "" when its header is
// none of ours after all.
func JWTKeyID(s string) string {
	if len(s) < leastJWTKey {
		return ""
	}
	header, err := strict.DecodeString(s[:jwtHeader])
	if err != nil {
		return ""
	}
	kid, ok := strings.CutPrefix(string(header), jwtHead)
	kid, ended := strings.CutSuffix(kid, jwtHeadEnd)
	if !ok || !ended {
		return ""
	}
	return kid
}

// JWTKeyHint is what lists show of a key that is a JWT: the four characters that it
// ends with. All of them begin alike.
func JWTKeyHint(key string) string { return keyHidden + key[len(key)-4:] }
