package introspect_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/watchgate/watchgate/storage"
)

// stepUp is the challenge of RFC 9470 as /forward-auth words it.
func stepUp(words, params string) string {
	return `Bearer error="insufficient_user_authentication", error_description="` + words + `", ` + params
}

const (
	stronger = "A stronger sign-in is needed."
	newer    = "A more recent sign-in is needed."
	both     = "A stronger or more recent sign-in is needed."
	noPerson = `Bearer error="insufficient_user_authentication", ` +
		`error_description="This needs a person who signed in, which an API key and a machine have not."`
)

// MF-04 at a proxy: alice signed in a minute ago, with two factors.
func TestForwardAuthAsksForASignIn(t *testing.T) {
	w := newWorld(t)
	mfa := w.issue(plain)
	signedIn := func(acr string) string {
		return w.issue(func(a *storage.AccessToken) { a.ID, a.Auth.ACR = storage.NewTokenID(start), acr })
	}
	phr, weak := signedIn("phr"), signedIn("urn:pwd")
	unknown := w.issue(func(a *storage.AccessToken) { a.ID, a.Auth = storage.NewTokenID(start), storage.Authentication{} })
	for name, c := range map[string]struct {
		params, credential string
		headers            []string
		status             int
		challenge          string
	}{
		"reached":                      {"acr_values=mfa", mfa, nil, 200, ""},
		"phr for mfa":                  {"acr_values=mfa", phr, nil, 200, ""},
		"mfa for phr":                  {"acr_values=phr", mfa, nil, 401, stepUp(stronger, `acr_values="phr"`)},
		"one of two":                   {"acr_values=urn:gold+mfa", mfa, nil, 200, ""},
		"none of two":                  {"acr_values=phr%20mfa", weak, nil, 401, stepUp(stronger, `acr_values="phr mfa"`)},
		"of each list":                 {"acr_values=mfa&acr_values=phr", mfa, nil, 401, stepUp(stronger, `acr_values="phr"`)},
		"young enough":                 {"max_age=60", mfa, nil, 200, ""},
		"too old":                      {"max_age=59", mfa, nil, 401, stepUp(newer, `max_age="59"`)},
		"the lesser age":               {"max_age=3600&max_age=30", mfa, nil, 401, stepUp(newer, `max_age="30"`)},
		"strong and old":               {"acr_values=mfa&max_age=5", mfa, nil, 401, stepUp(both, `acr_values="mfa", max_age="5"`)},
		"weak and young":               {"acr_values=mfa&max_age=300", weak, nil, 401, stepUp(both, `acr_values="mfa", max_age="300"`)},
		"nobody knows how":             {"acr_values=mfa", unknown, nil, 401, stepUp(stronger, `acr_values="mfa"`)},
		"nobody knows when":            {"max_age=300", unknown, nil, 401, stepUp(newer, `max_age="300"`)},
		"by header":                    {"", weak, []string{"X-Watchgate-Require-Acr-Values", "mfa"}, 401, stepUp(stronger, `acr_values="mfa"`)},
		"by header, the age":           {"", mfa, []string{"X-Watchgate-Require-Max-Age", "5"}, 401, stepUp(newer, `max_age="5"`)},
		"the scope comes first":        {"acr_values=phr&scope=config:admin", mfa, nil, 403, lacksScope + `monitor:read config:admin"`},
		"nothing of an inactive token": {"acr_values=mfa", "x", nil, 401, badToken},
		"nothing of another tenant's":  {"acr_values=phr&tenant=globex", mfa, nil, 401, badToken},
		"keys may, and it is none":     {"acr_values=mfa&or_api_key=true", weak, nil, 401, stepUp(stronger, `acr_values="mfa"`)},
		"a client's weaker list":       {"acr_values=phr", mfa, []string{"X-Watchgate-Require-Acr-Values", "mfa"}, 401, stepUp(stronger, `acr_values="phr"`)},
		"a client's longer age":        {"max_age=30", mfa, []string{"X-Watchgate-Require-Max-Age", "99999"}, 401, stepUp(newer, `max_age="30"`)},
		"a client's word for keys":     {"acr_values=phr", mfa, []string{"X-Watchgate-Or-Api-Key", "true"}, 401, stepUp(stronger, `acr_values="phr"`)},
		"a client's stronger list":     {"acr_values=mfa", mfa, []string{"X-Watchgate-Require-Acr-Values", "phr"}, 401, stepUp(stronger, `acr_values="phr"`)},
		"no sign-in is asked for":      {"", weak, nil, 200, ""},
	} {
		target := acmeReads
		if c.params != "" {
			target += "&" + c.params
		}
		expectForward(t, name, w.forward(target, c.credential, c.headers...), c.status, c.challenge)
	}
	below := []string{"X-Watchgate-Require-Tenant", "acme", "X-Watchgate-Require-Acr-Values", "phr"}
	expectForward(t, "below", w.forward("/forward-auth/x?acr_values=mfa&or_api_key=true", mfa, below...), 401, stepUp(stronger, `acr_values="phr"`))
}

// A key, and what was made under one, has no sign-in; a machine neither.
func TestAttackForwardAuthKeyWhereASignInIsNeeded(t *testing.T) {
	w := keyWorld(t)
	key := w.key()
	machine := w.issue(func(a *storage.AccessToken) { a.Auth = storage.Authentication{} })
	for name, c := range map[string]struct {
		params string
		status int
	}{
		"acr": {"&acr_values=mfa", 403}, "age": {"&max_age=300", 403}, "both": {"&acr_values=mfa&max_age=300", 403},
		"where keys may": {"&acr_values=mfa&max_age=300&or_api_key=true", 200}, "nothing": {"", 200},
	} {
		challenge := ""
		if c.status == 403 {
			challenge = noPerson
		}
		expectForward(t, name, w.forward(acmeReads+c.params, key), c.status, challenge)
		expectForward(t, name+" in X-API-Key", w.forward(acmeReads+c.params, "", "X-Api-Key", key), c.status, challenge)
	}
	expectForward(t, "of somebody", w.forward(acmeReads+"&acr_values=mfa&or_api_key=true", machine), 401, stepUp(stronger, `acr_values="mfa"`))
}

// A proxy that asks for a sign-in in a way that is not understood does not open the
// door, whoever knocks.
func TestForwardAuthOfAProxyThatAsksForNoSignIn(t *testing.T) {
	w := newWorld(t)
	good := w.issue(plain)
	for _, params := range []string{
		"acr_values=", "acr_values", "acr_values=+", `acr_values=%22mfa%22`, "acr_values=m%0d%0afa", "acr_values=mfa&acr_values=", "acr=mfa",
		"max_age=", "max_age=0", "max_age=-1", "max_age=5m", "max_age=1e3", "max_age=99999999999999999999", "max_age=300&max_age=",
		"or_api_key=", "or_api_key=1", "or_api_key=false", "or_api_key=true&or_api_key=true", "or_api_key=true&or_api_key=",
	} {
		for _, credential := range []string{good, "x", ""} {
			expectForward(t, params, w.forward(acmeReads+"&"+params, credential), 500, "")
		}
	}
	for _, pair := range [][]string{
		{"X-Watchgate-Require-Acr-Values", ""}, {"X-Watchgate-Require-Acr-Values", "a\"b"}, {"X-Watchgate-Require-Max-Age", ""}, {"X-Watchgate-Require-Max-Age", "x"},
	} {
		expectForward(t, fmt.Sprint(pair), w.forward(acmeReads, good, pair...), 500, "")
	}
	expectForward(t, "a sign-in alone", w.forward("/forward-auth?acr_values=mfa", good), 500, "")
}

// The age of a sign-in counts from when it was, to the second.
func TestForwardAuthCountsTheAgeOfASignIn(t *testing.T) {
	w := newWorld(t)
	w.clock = start.Add(10 * time.Minute)
	good := w.issue(plain)
	expectForward(t, "eleven minutes", w.forward(acmeReads+"&max_age=660", good), 200, "")
	expectForward(t, "and no more", w.forward(acmeReads+"&max_age=659", good), 401, stepUp(newer, `max_age="659"`))
}
