package npmtest

import (
	"os"
	"strconv"
	"testing"
)

// RelyingPartyConfig is how an app knows the server that signs its people in.
type RelyingPartyConfig struct {
	// Issuer may be plain http on loopback.
	Issuer string
	// ClientID and ClientSecret are the app's, for client_secret_basic.
	ClientID, ClientSecret string
	// Port is a loopback port that is free: the app's addresses are registered with the
	// server before it starts.
	Port int
}

// RelyingParty is an app, made with express-openid-connect. One of which only the URL
// is known has addresses to register, too.
type RelyingParty struct {
	// URL is its home, where it says "signed in as" and the address (or, where the ID
	// token has none, the subject), or "nobody is signed in". Nobody has to sign in to
	// read it.
	URL string
}

// StartRelyingParty starts an app and stops it at the test's end. The server is first
// asked for when somebody signs in.
func StartRelyingParty(t testing.TB, cfg RelyingPartyConfig) *RelyingParty {
	t.Helper()
	s, err := runScript(cfg.environment(), "relyingparty.mjs", strconv.Itoa(cfg.Port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.stop(); err != nil {
			t.Error(err)
		}
	})
	return &RelyingParty{URL: s.issuer}
}

func (c RelyingPartyConfig) environment() []string {
	return append(os.Environ(),
		// An app that is not being developed shows no stack traces.
		"NODE_ENV=production",
		"RELYING_PARTY_ISSUER="+c.Issuer,
		"RELYING_PARTY_CLIENT_ID="+c.ClientID,
		"RELYING_PARTY_CLIENT_SECRET="+c.ClientSecret,
	)
}

// SignInURL is where people start to sign in.
func (p *RelyingParty) SignInURL() string { return p.URL + "/login" }

// SignOutURL is where they sign out of the app and, by RP-initiated logout, of the
// server.
func (p *RelyingParty) SignOutURL() string { return p.URL + "/logout" }

// RedirectURI is where the server sends them back with a code.
func (p *RelyingParty) RedirectURI() string { return p.URL + "/callback" }

// BackchannelLogoutURI takes logout tokens.
func (p *RelyingParty) BackchannelLogoutURI() string { return p.URL + "/backchannel-logout" }
