package npmtest

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
)

// Config is the one client that the provider knows, and how it behaves.
type Config struct {
	ClientID string
	// ClientSecret is for client_secret_basic.
	ClientSecret string
	RedirectURI  string
	// ClaimsInIDToken puts e-mail and name into the ID token, as most providers do.
	// Without it they are at the userinfo endpoint only (OpenID Connect Core 5.4).
	ClaimsInIDToken bool
	// BackchannelLogoutURI is where the client is told that somebody signed out at the
	// provider, with sub and sid; "": nowhere, and ID tokens have no sid.
	BackchannelLogoutURI string
	// Product is whose provider it is like. One that is puts its claims into the ID
	// token, and asks for no consent.
	Product Product
	// Port is a loopback port, or 0 for a free one.
	Port int
}

// Upstream is a running OpenID provider. Whoever signs in types any login and any
// password; the login is the subject and the e-mail address.
type Upstream struct {
	// Issuer is its URL, with no trailing slash unless its [Product] has one.
	Issuer string
}

// SignOutURL is where people sign out there, by the button "sign-out".
func (u *Upstream) SignOutURL() string {
	return strings.TrimSuffix(u.Issuer, "/") + "/session/end"
}

// Provider starts npm's oidc-provider and stops it at the test's end.
// It requires PKCE with S256, and asks for a login and for consent by two
// forms ([SignIn] fills them in). prompt=login and max_age ask for the login again,
// and auth_time says when it was.
func Provider(t testing.TB, cfg Config) *Upstream {
	t.Helper()
	s, err := runScript(cfg.environment(), "provider.mjs", strconv.Itoa(cfg.Port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.stop(); err != nil {
			t.Error(err)
		}
	})
	return &Upstream{Issuer: s.issuer}
}

func (c Config) environment() []string {
	return append(os.Environ(),
		"UPSTREAM_CLIENT_ID="+c.ClientID,
		"UPSTREAM_CLIENT_SECRET="+c.ClientSecret,
		"UPSTREAM_REDIRECT_URI="+c.RedirectURI,
		fmt.Sprintf("UPSTREAM_CLAIMS_IN_ID_TOKEN=%t", c.ClaimsInIDToken),
		"UPSTREAM_BACKCHANNEL_LOGOUT_URI="+c.BackchannelLogoutURI,
		"UPSTREAM_PRODUCT="+c.Product.options(),
	)
}
