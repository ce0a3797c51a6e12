package token

import "crypto/sha512"

const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// digits is the value of each byte in base 62, or -1.
var digits = func() (d [256]int8) {
	for i := range d {
		d[i] = -1
	}
	for i := range len(alphabet) {
		d[alphabet[i]] = int8(i)
	}
	return d
}()

// appendNumber appends n in six digits, the most significant first.
func appendNumber(b []byte, n uint32) []byte {
	var out [6]byte
	for i := len(out) - 1; i >= 0; i-- {
		out[i] = alphabet[n%62]
		n /= 62
	}
	return append(b, out[:]...)
}

// number reads six digits; false when they say more than 32 bits hold, which
// would give one token two spellings.
func number(s string) (uint32, bool) {
	var n uint64
	for i := range len(s) {
		n = n*62 + uint64(digits[s[i]])
	}
	return uint32(n), n <= 1<<32-1
}

// appendSecret appends 43 digits drawn from seed. Bytes of 248 and more are
// passed over, so that each digit is equally likely; a seed that runs out
// (never seen: 64 bytes give 62 digits on average) is continued by its hash.
func appendSecret(b, seed []byte) []byte {
	for n := 0; n < secretLen; {
		for _, c := range seed {
			if c < 248 && n < secretLen {
				b = append(b, alphabet[c%62])
				n++
			}
		}
		next := sha512.Sum512(seed)
		seed = next[:]
	}
	return b
}
