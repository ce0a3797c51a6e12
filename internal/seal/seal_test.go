package seal

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
)

var (
	first  = bytes.Repeat([]byte{1}, MinMaster)
	second = bytes.Repeat([]byte{2}, MinMaster)
	home   = Place{Tenant: "ten_a", Table: "connections", Column: "client_secret", Row: "con_1"}
	plain  = []byte("the upstream client secret")
)

func sealer(t *testing.T, masters ...[]byte) *Sealer {
	t.Helper()
	s, err := New(masters)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func sealed(t *testing.T, s *Sealer) []byte {
	t.Helper()
	out, err := s.Seal(home, plain)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestSealedValueOpensAtItsPlace(t *testing.T) {
	s := sealer(t, first)
	a, b := sealed(t, s), sealed(t, s)
	if bytes.Equal(a, b) {
		t.Error("sealing twice gives the same value: the nonce does not change")
	}
	if bytes.Contains(a, plain) {
		t.Error("the sealed value holds the plain one")
	}
	got, err := s.Open(home, a)
	if err != nil || !bytes.Equal(got, plain) {
		t.Errorf("Open = %q, %v", got, err)
	}
	empty, err := s.Seal(home, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Open(home, empty); err != nil || len(got) != 0 {
		t.Errorf("Open of an empty value = %q, %v", got, err)
	}
}

// TestRowCopiedElsewhereDoesNotOpen is row 115 of the attacks: ciphertext of
// tenant A copied into tenant B (KM-08).
func TestRowCopiedElsewhereDoesNotOpen(t *testing.T) {
	s := sealer(t, first)
	value := sealed(t, s)
	for name, p := range map[string]Place{
		"other tenant":    {"ten_b", home.Table, home.Column, home.Row},
		"platform":        {"", home.Table, home.Column, home.Row},
		"other table":     {home.Tenant, "users", home.Column, home.Row},
		"other column":    {home.Tenant, home.Table, "secret", home.Row},
		"other row":       {home.Tenant, home.Table, home.Column, "con_2"},
		"border moved":    {home.Tenant, "connection", "sclient_secret", home.Row},
		"tenant and none": {home.Tenant + "connections", "", home.Column, home.Row},
	} {
		if _, err := s.Open(p, value); !errors.Is(err, ErrSealed) {
			t.Errorf("%s: err = %v, want ErrSealed", name, err)
		}
	}
}

func TestTamperedValueDoesNotOpen(t *testing.T) {
	s := sealer(t, first)
	value := sealed(t, s)
	for i := range value {
		bad := bytes.Clone(value)
		bad[i] ^= 1
		if _, err := s.Open(home, bad); !errors.Is(err, ErrSealed) {
			t.Fatalf("byte %d changed: err = %v, want ErrSealed", i, err)
		}
	}
	for n := range value {
		if _, err := s.Open(home, value[:n]); !errors.Is(err, ErrSealed) {
			t.Fatalf("cut to %d bytes: err = %v, want ErrSealed", n, err)
		}
	}
	if _, err := s.Open(home, append(bytes.Clone(value), 0)); !errors.Is(err, ErrSealed) {
		t.Errorf("a byte more: err = %v, want ErrSealed", err)
	}
}

func TestNewMasterOpensWhatTheOldOneSealed(t *testing.T) {
	old := sealer(t, first)
	value := sealed(t, old)
	both := sealer(t, second, first)
	if got, err := both.Open(home, value); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("old value under both masters: %q, %v", got, err)
	}
	if !both.Changing() || old.Changing() {
		t.Error("Changing must tell a sealer with an older master from one without")
	}
	if !both.Stale(value) || both.Stale(sealed(t, both)) {
		t.Error("Stale must tell the old master's values from the new one's")
	}
	if _, err := old.Open(home, sealed(t, both)); !errors.Is(err, ErrSealed) {
		t.Errorf("the first master must seal: the old one alone opened a new value (%v)", err)
	}
	if _, err := sealer(t, second).Open(home, value); !errors.Is(err, ErrSealed) {
		t.Errorf("master gone: err = %v, want ErrSealed", err)
	}
}

func TestKeysDifferByPurposeAndMaster(t *testing.T) {
	s := sealer(t, first, second)
	seen := map[string]string{}
	for _, purpose := range []string{"refresh-successor", "login-flow", "cookie", "csrf"} {
		keys := s.Keys(purpose)
		if !bytes.Equal(keys[0], s.Key(purpose)) || len(keys) != 2 {
			t.Fatalf("%s: the newest master's key must be the first of two", purpose)
		}
		for i, k := range keys {
			if len(k) != 32 {
				t.Errorf("%s: %d bytes, want 32", purpose, len(k))
			}
			if other, ok := seen[string(k)]; ok {
				t.Errorf("%s/%d has the key of %s", purpose, i, other)
			}
			seen[string(k)] = fmt.Sprintf("%s/%d", purpose, i)
		}
	}
	if !bytes.Equal(s.Key("cookie"), sealer(t, first).Key("cookie")) {
		t.Error("a key must depend on its master and purpose alone")
	}
}

func TestUnusableMastersAreRefused(t *testing.T) {
	for name, masters := range map[string][][]byte{
		"none":         nil,
		"empty":        {{}},
		"short":        {first[:MinMaster-1]},
		"second short": {first, second[:16]},
		"twice":        {first, first},
	} {
		if _, err := New(masters); !errors.Is(err, ErrMaster) {
			t.Errorf("%s: err = %v, want ErrMaster", name, err)
		}
	}
}

func TestMasterFile(t *testing.T) {
	a, b := Generate(), Generate()
	if a == b {
		t.Fatal("two generated keys are equal")
	}
	got, err := Parse([]byte("# newest first\n" + a + "\r\n\n  " + b + "\n"))
	if err != nil || len(got) != 2 || len(got[0]) != MinMaster {
		t.Fatalf("Parse = %d keys, %v", len(got), err)
	}
	for name, file := range map[string]string{
		"empty":        "",
		"comment only": "# nothing\n",
		"short":        "c2hvcnQ=",
		"not base64":   "this is no key but a sentence!",
		"second bad":   a + "\n????",
	} {
		_, err := Parse([]byte(file))
		if !errors.Is(err, ErrMaster) {
			t.Errorf("%s: err = %v, want ErrMaster", name, err)
		}
		if err != nil && file != "" && strings.Contains(err.Error(), file) {
			t.Errorf("%s: the error quotes the file", name)
		}
	}
}

func TestSealerPrintsNoKey(t *testing.T) {
	s := sealer(t, bytes.Repeat([]byte("K"), MinMaster))
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(verb, s); got != "seal.Sealer" {
			t.Errorf("%s prints %q", verb, got)
		}
	}
}
