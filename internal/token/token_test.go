package token

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/watchgate/watchgate/storage"
)

var end = time.Date(2026, 11, 22, 10, 30, 0, 0, time.UTC)

func TestTokenCarriesItsBucket(t *testing.T) {
	s := New(Access, end)
	ref, err := Parse(Access, s)
	if err != nil {
		t.Fatalf("Parse(%d bytes): %v", len(s), err)
	}
	if want := uint32(end.Truncate(time.Hour).Add(time.Hour).Unix() / 3600); ref.Bucket != want {
		t.Errorf("bucket = %d, want %d", ref.Bucket, want)
	}
}

func TestOneTokenHasOneSpelling(t *testing.T) {
	s := New(Access, end)
	for name, bad := range map[string]string{
		"other kind":    s,
		"no prefix":     strings.TrimPrefix(s, "wgat_"),
		"upper prefix":  "WGAT_" + s[5:],
		"longer":        s + "0",
		"shorter":       s[:len(s)-1],
		"line feed":     s[:20] + "\n" + s[21:],
		"space":         " " + s[1:],
		"last changed":  s[:len(s)-1] + flip(s[len(s)-1]),
		"first changed": s[:5] + flip(s[5]) + s[6:],
		"not ascii":     s[:20] + "é" + s[22:],
		"overflow":      s[:5] + "zzzzzz" + s[11:],
		"empty":         "",
	} {
		kind := Access
		if name == "other kind" {
			kind = Refresh
		}
		if _, err := Parse(kind, bad); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: err = %v, want ErrMalformed", name, err)
		}
	}
}

func TestSuccessorIsDerived(t *testing.T) {
	old := New(Refresh, end)
	a, errA := Successor([]byte("key"), old)
	b, errB := Successor([]byte("key"), old)
	c, errC := Successor([]byte("other"), old)
	if err := errors.Join(errA, errB, errC); err != nil {
		t.Fatal(err)
	}
	if a != b || a == old || a == c {
		t.Error("the successor must depend on the key and the predecessor alone")
	}
	was, _ := Parse(Refresh, old)
	is, err := Parse(Refresh, a)
	if err != nil || is.Bucket != was.Bucket {
		t.Errorf("successor: bucket %d, err %v; want bucket %d", is.Bucket, err, was.Bucket)
	}
	if _, err := Successor([]byte("key"), New(Access, end)); !errors.Is(err, ErrMalformed) {
		t.Errorf("successor of an access token: %v, want ErrMalformed", err)
	}
}

func TestSecretMatches(t *testing.T) {
	secret := NewSecret()
	stored := []storage.Secret{{}, Seal(secret, end, end.Add(time.Hour))}
	if !Matches(stored, secret, end) {
		t.Error("the right secret is refused")
	}
	if Matches(stored, secret, end.Add(time.Hour)) || Matches(stored, "", end) || Matches(stored, secret+"x", end) {
		t.Error("an expired, empty or wrong secret is accepted")
	}
}

func FuzzParse(f *testing.F) {
	f.Add(New(Access, end))
	f.Add("wgat_")
	f.Fuzz(func(t *testing.T, s string) {
		ref, err := Parse(Access, s)
		if err != nil {
			return
		}
		if again := build(Access, ref.Bucket, nil); again[:11] != s[:11] {
			t.Errorf("%q is accepted, and its bucket is spelled %q", s, again[5:11])
		}
	})
}

func flip(c byte) string {
	if c == '0' {
		return "1"
	}
	return "0"
}
