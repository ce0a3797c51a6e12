package token

import "strings"

// KeyAround returns the opaque key whose id ends right before the underscore at mark
// of text, and where it starts. What stands before and after a key does not matter: of
// all that could be its prefix, the checksum fits one.
func KeyAround(text []byte, mark int) (key string, start int, ok bool) {
	id := mark - keyIDLen
	end := id + keyTail
	if id < MinKeyPrefix || end > len(text) || text[id-1] != '_' || !keyShape(string(text[id:end])) {
		return "", 0, false
	}
	for start = id - MinKeyPrefix; start >= max(0, id-MaxKeyPrefix); start-- {
		if !ValidKeyPrefix(string(text[start:id])) {
			continue
		}
		if key = string(text[start:end]); isKey(key) {
			return key, start, true
		}
	}
	return "", 0, false
}

func isKey(s string) bool {
	_, _, err := ParseKey(s)
	return err == nil
}

// JWTKeyAround returns the key that is a JWT and whose header ends right before the
// dot at mark of text, and where it starts.
func JWTKeyAround(text []byte, mark int) (key string, start int, ok bool) {
	start = mark - jwtHeader
	if start < 0 || !strings.HasPrefix(string(text[start:mark]), jwtBegin) {
		return "", 0, false
	}
	rest := text[mark+1 : min(len(text), start+MaxJWTKey)]
	for i, c := range rest {
		if c != '.' {
			continue
		}
		end := mark + 1 + i + 1 + jwtSigned
		if end > len(text) {
			return "", 0, false
		}
		_, err := ParseJWTKey(string(text[start:end]))
		return string(text[start:end]), start, err == nil
	}
	return "", 0, false
}
