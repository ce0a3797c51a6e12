package guard_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/watchgate/watchgate/introspect/guard"
)

const (
	stronger = `Bearer error="insufficient_user_authentication", error_description="a stronger sign-in is needed", acr_values=`
	nobody   = `Bearer error="insufficient_user_authentication", ` +
		`error_description="this needs a person who signed in, which an API key and a machine have not"`
)

// machineAnswer is about a client's own token, and underKeyAnswer about a token that
// was made under an API key.
func machineAnswer() string {
	return active(members{"sub": "status-board", "username": nil, "auth_time": nil, "acr": nil, "amr": nil})
}

func underKeyAnswer() string {
	return active(members{"key_id": "key_1", "auth_time": nil, "acr": nil, "amr": nil})
}

// A sign-in that resists phishing is one of two factors, and not the other way
// round; other names are compared as they are.
func TestContextThatIsReached(t *testing.T) {
	for name, c := range map[string]struct {
		acr       any
		wanted    []string
		challenge string // "": it goes through
	}{
		"the same":              {"mfa", []string{"mfa"}, ""},
		"phr for mfa":           {"phr", []string{"mfa"}, ""},
		"phr for one of two":    {"phr", []string{"urn:gold", "mfa"}, ""},
		"mfa for phr":           {"mfa", []string{"phr"}, stronger + `"phr"`},
		"phr for another":       {"phr", []string{"urn:gold"}, stronger + `"urn:gold"`},
		"a provider's own":      {"urn:gold", []string{"mfa", "urn:gold"}, ""},
		"another case":          {"PHR", []string{"mfa"}, stronger + `"mfa"`},
		"a provider's for mfa":  {"urn:gold", []string{"phr", "mfa"}, stronger + `"phr mfa"`},
		"nobody said":           {nil, []string{"mfa"}, stronger + `"mfa"`},
		"two in one":            {"phr mfa", []string{"mfa"}, stronger + `"mfa"`},
		"blank where mfa is it": {"", []string{"mfa"}, stronger + `"mfa"`},
	} {
		e := newEndpoint(t, says(active(members{"acr": c.acr})))
		r := call(api(newGuard(t, e.config()).Require("monitor:read", tenantFromPath, guard.ACR(c.wanted...))), "GET", "/t/acme/monitors", bearer("x")...)
		if c.challenge == "" && r.status != 200 || c.challenge != "" && (r.status != 401 || r.challenge() != c.challenge) {
			t.Errorf("%s: %d %s %s", name, r.status, r.challenge(), r.body)
		}
	}
}

// What nobody signed in for cannot sign in again: 403, and nothing that a client
// could take for an invitation. A route may let keys in.
func TestAttackCredentialThatNobodySignedInFor(t *testing.T) {
	key := newKey()
	for name, c := range map[string]struct{ credential, answer string }{
		"a key": {key, keyAnswer()}, "a JWT key": {newJWTKey(), keyAnswer()}, "a token under a key": {"x", underKeyAnswer()}, "a machine": {"x", machineAnswer()},
		"a key with the acr of its maker": {key, active(members{"token_type": "api_key", "key_id": "key_1"})},
	} {
		for how, options := range map[string][]guard.Option{
			"acr": {guard.ACR("mfa", "phr")}, "age": {guard.MaxAge(time.Minute)}, "both": {guard.MaxAge(time.Minute), guard.ACR("mfa")},
		} {
			if strings.HasSuffix(name, "maker") && how == "acr" {
				continue // its answer says that it reaches it
			}
			e := newEndpoint(t, says(c.answer))
			g := newGuard(t, e.config())
			r := call(api(g.Require("monitor:read", tenantFromPath, options...)), "GET", "/t/acme/monitors", bearer(c.credential)...)
			refused(t, r, 403, nobody, "insufficient_user_authentication")
			if strings.Contains(r.challenge(), "acr_values") || strings.Contains(r.challenge(), "max_age") {
				t.Errorf("%s, %s: an invitation to sign in: %s", name, how, r.challenge())
			}
			allowed := call(api(g.Require("monitor:read", tenantFromPath, append(options, guard.OrAPIKey())...)), "GET", "/t/acme/monitors", bearer(c.credential)...)
			if want := name != "a machine"; (allowed.status == 200) != want {
				t.Errorf("%s, %s, where keys may: %d %s", name, how, allowed.status, allowed.body)
			}
		}
	}
}

// OrAPIKey lifts the sign-in alone: the scope and the tenant are asked of a key as
// ever, and a person's token gains nothing.
func TestOrAPIKeyLiftsTheSignInAlone(t *testing.T) {
	for name, c := range map[string]struct {
		answer, scope string
		status        int
	}{
		"a scope that the key lacks": {keyAnswer(), "config:admin", 403},
		"a weak person":              {active(members{"acr": "pwd"}), "monitor:read", 401},
		"a key":                      {keyAnswer(), "monitor:read", 200},
	} {
		e := newEndpoint(t, says(c.answer))
		r := call(api(newGuard(t, e.config()).Require(c.scope, tenantFromPath, guard.ACR("mfa"), guard.OrAPIKey())), "GET", "/t/acme/monitors", bearer("x")...)
		if r.status != c.status {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
}

// A program that does not speak net/http is told the same.
func TestCheckSaysThatThereIsNoPerson(t *testing.T) {
	for name, c := range map[string]struct {
		answer   string
		noPerson bool
	}{"a key": {keyAnswer(), true}, "a machine": {machineAnswer(), true}, "a person": {active(members{"acr": "pwd"}), false}} {
		e := newEndpoint(t, says(c.answer))
		_, err := newGuard(t, e.config()).Check(t.Context(), "x", guard.Need{Tenant: "acme", ACR: []string{"mfa"}})
		var authentication *guard.AuthenticationError
		if !errors.Is(err, guard.ErrInsufficientAuthentication) || !errors.As(err, &authentication) || authentication.NoPerson != c.noPerson {
			t.Errorf("%s: %v", name, err)
		}
	}
}
