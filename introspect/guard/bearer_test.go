package guard_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/watchgate/watchgate/introspect/guard"
)

func TestBearer(t *testing.T) {
	for name, c := range map[string]struct {
		header []string
		token  string
		err    error
	}{
		"a token":               {[]string{"Bearer abc"}, "abc", nil},
		"lower case":            {[]string{"bearer abc"}, "abc", nil},
		"any case":              {[]string{"bEaReR abc"}, "abc", nil},
		"several spaces":        {[]string{"Bearer   abc"}, "abc", nil}, // RFC 9110 section 11.4: 1*SP
		"every character":       {[]string{"Bearer aZ09-._~+/="}, "aZ09-._~+/=", nil},
		"padding":               {[]string{"Bearer abc=="}, "abc==", nil},
		"the longest":           {[]string{"Bearer " + strings.Repeat("a", 4096)}, strings.Repeat("a", 4096), nil},
		"nothing":               {nil, "", guard.ErrNoCredential},
		"empty":                 {[]string{""}, "", guard.ErrNoCredential},
		"Basic":                 {[]string{"Basic abc"}, "", guard.ErrNoCredential},
		"DPoP":                  {[]string{"DPoP abc"}, "", guard.ErrNoCredential},
		"a longer scheme":       {[]string{"Bearers abc"}, "", guard.ErrNoCredential},
		"a leading space":       {[]string{" Bearer abc"}, "", guard.ErrNoCredential},
		"a tab":                 {[]string{"Bearer\tabc"}, "", guard.ErrNoCredential},
		"two headers":           {[]string{"Bearer abc", "Bearer abc"}, "", guard.ErrInvalidRequest},
		"two, the second other": {[]string{"Bearer abc", "Basic abc"}, "", guard.ErrInvalidRequest},
		"two, the first empty":  {[]string{"", "Bearer abc"}, "", guard.ErrInvalidRequest},
		"no token":              {[]string{"Bearer"}, "", guard.ErrInvalidRequest},
		"spaces":                {[]string{"Bearer   "}, "", guard.ErrInvalidRequest},
		"two tokens":            {[]string{"Bearer abc def"}, "", guard.ErrInvalidRequest},
		"a list":                {[]string{"Bearer abc, Bearer def"}, "", guard.ErrInvalidRequest},
		"a parameter":           {[]string{`Bearer token="abc"`}, "", guard.ErrInvalidRequest},
		"only padding":          {[]string{"Bearer =="}, "", guard.ErrInvalidRequest},
		"padding inside":        {[]string{"Bearer a=b"}, "", guard.ErrInvalidRequest},
		"quotes":                {[]string{`Bearer "abc"`}, "", guard.ErrInvalidRequest},
		"an ampersand":          {[]string{"Bearer abc&tenant=globex"}, "", guard.ErrInvalidRequest},
		"a line":                {[]string{"Bearer abc\r\nX: y"}, "", guard.ErrInvalidRequest},
		"a NUL":                 {[]string{"Bearer abc\x00"}, "", guard.ErrInvalidRequest},
		"not ASCII":             {[]string{"Bearer ab\u00e7"}, "", guard.ErrInvalidRequest},
		"too long":              {[]string{"Bearer " + strings.Repeat("a", 4097)}, "", guard.ErrInvalidToken},
		"a megabyte of spaces":  {[]string{"Bearer " + strings.Repeat(" ", 1<<20)}, "", guard.ErrInvalidRequest},
	} {
		token, err := guard.Bearer(http.Header{"Authorization": c.header})
		if token != c.token || !errors.Is(err, c.err) {
			t.Errorf("%s: %q, %v; want %q, %v", name, token, err, c.token, c.err)
		}
	}
}

// TestOversizedTokenIsNotAskedAbout: it would be hashed and sent for nothing.
func TestOversizedTokenIsNotAskedAbout(t *testing.T) {
	e := newEndpoint(t, says(active(nil)))
	g := newGuard(t, e.config())
	r := call(api(g.Require("monitor:read", tenantFromPath)), "GET", "/t/acme/monitors", bearer(strings.Repeat("a", 5000))...)
	refused(t, r, 401, `Bearer error="invalid_token"`, "invalid_token")
	for token, want := range map[string]error{
		strings.Repeat("a", 4097): guard.ErrInvalidToken, "a b": guard.ErrInvalidToken, "a\x00": guard.ErrInvalidToken, "": guard.ErrNoCredential,
	} {
		if _, err := g.Check(t.Context(), token, guard.Need{Tenant: "acme"}); !errors.Is(err, want) {
			t.Errorf("Check of %d bytes: %v", len(token), err)
		}
	}
	if n := e.asked.Load(); n != 0 {
		t.Errorf("asked %d times", n)
	}
}

// FuzzBearer: whatever a header holds, a token that comes out of it is one word of
// RFC 6750's characters, and is what the header ends with.
func FuzzBearer(f *testing.F) {
	for _, seed := range []string{"", "Bearer", "Bearer abc", "bearer  a.b-c==", "Bearer a b", "Bearer \x00", "Basic eDp5", "Bearer =", "Bearer a\u00e9"} {
		f.Add(seed, false)
	}
	f.Add("Bearer abc", true)
	f.Fuzz(func(t *testing.T, value string, twice bool) {
		h := http.Header{"Authorization": {value}}
		if twice {
			h.Add("Authorization", value)
		}
		token, err := guard.Bearer(h)
		if (err == nil) != (token != "") {
			t.Fatalf("%q and %v", token, err)
		}
		if err != nil {
			return
		}
		strange := func(r rune) bool {
			return !strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/=", r)
		}
		if twice || !strings.HasSuffix(value, " "+token) || len(token) > 4096 || strings.ContainsFunc(token, strange) {
			t.Errorf("%q, twice %t: %q", value, twice, token)
		}
	})
}
