package guard_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/watchgate/watchgate/introspect/guard"
)

// TestAddressThatTriedWrongSecrets: what keeps Watchgate from looking at the guard's
// credentials is told apart from too many questions.
func TestAddressThatTriedWrongSecrets(t *testing.T) {
	for policy, own := range map[string]bool{
		`"introspection-failures";q=20;w=2`:                                   true,
		`"introspection";q=100000;w=1, "introspection-failures";q=20;w=2`:     true,
		`"introspection";q=100000;w=1`:                                        false,
		`"introspection";q=100000;w=1;comment="introspection-failures"`:       false,
		`"another-introspection-failures";q=20;w=2,"introspection-failures2"`: false,
		``: false,
	} {
		e := newEndpoint(t, fails(429, "RateLimit-Policy", policy, "Retry-After", "4"))
		_, err := newGuard(t, e.config()).Check(t.Context(), "x", acme)
		var u *guard.UnavailableError
		if errors.Is(err, guard.ErrOwnCredentials) != own || !errors.As(err, &u) || u.RetryAfter != 4*time.Second {
			t.Errorf("%s: %v", policy, err)
		}
	}
}

func TestAnotherHostThanTheIssuersIsNamed(t *testing.T) {
	e := newEndpoint(t, fails(421))
	_, err := newGuard(t, e.config()).Check(t.Context(), "x", acme)
	if !errors.Is(err, guard.ErrUnavailable) || !strings.Contains(err.Error(), "Endpoint's host has to be the issuer's") {
		t.Error(err)
	}
}

// TestPrivateAddressKeepsTheIssuersHost: Watchgate is asked at an address of the
// operator's choice, in the issuer's name.
func TestPrivateAddressKeepsTheIssuersHost(t *testing.T) {
	e := newEndpoint(t, nil)
	e.does(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != "auth.example.com" {
			t.Errorf("Host %q", r.Host)
		}
		says(active(nil))(w, r)
	})
	cfg := good()
	cfg.Endpoint, cfg.AllowHTTP = "http://auth.example.com/oauth2/introspect", true
	cfg.Transport = &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, e.Listener.Addr().String())
	}}
	if _, err := newGuard(t, cfg).Check(t.Context(), "x", acme); err != nil {
		t.Error(err)
	}
}
