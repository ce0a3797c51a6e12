package token

import (
	"crypto/ed25519"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/watchgate/watchgate/storage"
)

const prefix = "up_live_"

func TestKeySaysItsPrefixAndHint(t *testing.T) {
	id := storage.NewKeyID(end)
	s := NewKey(prefix, id)
	got, hash, err := ParseKey(s)
	if err != nil || got != prefix || hash == [32]byte{} {
		t.Fatalf("ParseKey(%d bytes) = %q, %v", len(s), got, err)
	}
	if want := prefix + string(id[len(id)-16:][:4]) + "****"; KeyHint(s) != want {
		t.Errorf("hint %q, want %q", KeyHint(s), want)
	}
	if s == NewKey(prefix, id) {
		t.Error("two keys of one id are the same")
	}
}

// TestOneKeyHasOneSpelling is AK-02: nothing else reaches the store.
func TestOneKeyHasOneSpelling(t *testing.T) {
	s := NewKey(prefix, storage.NewKeyID(end))
	mark := len(prefix) + 16
	for name, bad := range map[string]string{
		"empty":            "",
		"no prefix":        s[len(prefix):],
		"longer":           s + "0",
		"shorter":          s[:len(s)-1],
		"space before":     " " + s,
		"line feed after":  s + "\n",
		"upper prefix":     strings.ToUpper(s[:len(prefix)]) + s[len(prefix):],
		"other prefix":     "up_test_" + s[len(prefix):],
		"id digit changed": s[:len(prefix)] + flip(s[len(prefix)]) + s[len(prefix)+1:],
		"id of base 62":    s[:len(prefix)] + "U" + s[len(prefix)+1:],
		"id letter u":      s[:len(prefix)] + "u" + s[len(prefix)+1:],
		"no underscore":    s[:mark] + "-" + s[mark+1:],
		"secret changed":   s[:mark+1] + flip(s[mark+1]) + s[mark+2:],
		"last changed":     s[:len(s)-1] + flip(s[len(s)-1]),
		"sum too large":    s[:len(s)-6] + "zzzzzz",
		"not ascii":        s[:mark+5] + "é" + s[mark+7:],
		"NUL":              s[:mark+5] + "\x00" + s[mark+6:],
		"an access token":  New(Access, end),
	} {
		if got, _, err := ParseKey(bad); err == nil {
			t.Errorf("%s: accepted, with prefix %q", name, got)
		}
	}
}

func TestKeyIsUnlikeAnyOAuthToken(t *testing.T) {
	s := NewKey(prefix, storage.NewKeyID(end))
	for _, kind := range []Kind{Access, Refresh, Code} {
		if _, err := Parse(kind, s); err == nil {
			t.Errorf("a key is taken for a %s", kind)
		}
	}
}

func TestKeyPrefixes(t *testing.T) {
	for p, want := range map[string]bool{
		"up_live_": true, "upty_": true, "a_": true, "a1_b2_": true, "abcdefghij_abcdefgh_": true,
		"": false, "_": false, "a": false, "up": false, "1up_": false, "Up_": false, "up__": false, "_up_": false, "up-live_": false,
		"abcdefghij_abcdefghi_": false, "üp_": false,
	} {
		if ValidKeyPrefix(p) != want {
			t.Errorf("%q: %v, want %v", p, !want, want)
		}
	}
}

// jwtKey spells a key that is a JWT, signed by nobody.
func jwtKey(payload string) string {
	enc := base64.RawURLEncoding.EncodeToString
	header := `{"alg":"EdDSA","kid":"` + strings.Repeat("k", 43) + `","typ":"api-key+jwt"}`
	return enc([]byte(header)) + "." + enc([]byte(payload)) + "." + enc(make([]byte, ed25519.SignatureSize))
}

func TestJWTKeyHasOneHeader(t *testing.T) {
	good := jwtKey(`{"sub":"key_1"}`)
	if _, err := ParseJWTKey(good); err != nil || JWTKeyID(good) != strings.Repeat("k", 43) {
		t.Fatalf("%v, kid %q", err, JWTKeyID(good))
	}
	parts := strings.Split(good, ".")
	header := func(h string) string {
		return base64.RawURLEncoding.EncodeToString([]byte(h)) + "." + parts[1] + "." + parts[2]
	}
	kid := strings.Repeat("k", 43)
	for name, bad := range map[string]string{
		"alg none":       header(`{"alg":"none","kid":"` + kid + `","typ":"api-key+jwt"}`),
		"alg HS256":      header(`{"alg":"HS256","kid":"` + kid + `","typ":"api-key+jwt"}`),
		"another order":  header(`{"kid":"` + kid + `","alg":"EdDSA","typ":"api-key+jwt"}`),
		"an ID token":    header(`{"alg":"EdDSA","kid":"` + kid + `","typ":"JWT"}`),
		"short kid":      header(`{"alg":"EdDSA","kid":"` + kid[1:] + `","typ":"api-key+jwt"}`),
		"no signature":   parts[0] + "." + parts[1] + ".",
		"four parts":     good + ".x",
		"a dot inside":   parts[0] + "." + parts[1] + ".." + parts[2][1:],
		"padding":        good[:len(good)-1] + "=",
		"standard 64":    good[:len(good)-1] + "+",
		"too long":       jwtKey(`{"sub":"` + strings.Repeat("x", 1000) + `"}`),
		"nothing inside": parts[0] + ".." + parts[2],
		"empty":          "",
	} {
		if _, err := ParseJWTKey(bad); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func FuzzParseKey(f *testing.F) {
	f.Add(NewKey(prefix, storage.NewKeyID(end)))
	f.Add(jwtKey(`{"sub":"key_1"}`))
	f.Add("up_live_")
	f.Add(New(Access, end))
	f.Fuzz(func(t *testing.T, s string) {
		if got, hash, err := ParseKey(s); err == nil {
			if !strings.HasPrefix(s, got) || len(s) != len(got)+KeyTail || hash == [32]byte{} {
				t.Errorf("%q is accepted with prefix %q", s, got)
			}
			if found, start, ok := KeyAround([]byte(s), len(got)+16); ok && (start != 0 || found != s) {
				t.Errorf("%q is found as %q", s, found)
			}
		}
		if _, err := ParseJWTKey(s); err == nil && (len(s) > MaxJWTKey || strings.Count(s, ".") != 2) {
			t.Errorf("%q is accepted as a JWT", s)
		}
	})
}
