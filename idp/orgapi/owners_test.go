package orgapi_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/watchgate/watchgate/internal/manage"
	"github.com/watchgate/watchgate/storage"
)

// mapped makes a connection whose provider says who is an owner.
func (w *world) mapped() string {
	w.t.Helper()
	body := strings.TrimSuffix(generic, "}") + `,"role_claim":"groups","role_rules":[{"value":"x","role":"owner"}]}`
	return w.does(http.StatusCreated, alice, "POST", "/v1/connections", body).header.Get("Location")
}

// through gives somebody an identity at a connection, as signing in by it does.
func (w *world) through(token, con string) {
	w.t.Helper()
	p := w.people[token]
	store := w.store.Tenant(p.Tenant)
	u, err := store.User(w.t.Context(), p.User)
	must(w.t, err)
	must(w.t, store.SignIn(w.t.Context(), storage.SignIn{
		Identity: storage.Identity{Connection: storage.ConnectionID(idOf(con)), Issuer: "https://id.acme.example", Subject: token}, User: u, Link: true,
		Session: storage.Session{ID: storage.NewSessionID(start), User: u.ID, Connection: storage.ConnectionID(idOf(con)), Handle: []byte(token + con),
			CreatedAt: start, LastSeenAt: start, ExpiresAt: start.Add(time.Hour), IdleTimeout: time.Hour},
	}, event("user.linked")))
}

// address gives somebody another e-mail address.
func (w *world) address(token, email string) {
	w.t.Helper()
	p := w.people[token]
	store := w.store.Tenant(p.Tenant)
	u, err := store.User(w.t.Context(), p.User)
	must(w.t, err)
	u.Email = email
	must(w.t, store.UpdateUser(w.t.Context(), u, event("user.updated")))
}

// TestAdminSwitchesOnWhatMakesOwners: nobody comes to be an owner by it unless an owner
// wants that. Switching it off takes nothing from any.
func TestAdminSwitchesOnWhatMakesOwners(t *testing.T) {
	w := newWorld(t)
	con := w.mapped()
	w.refused(manage.Forbidden, adam, "POST", con+"/enable", "")
	w.does(http.StatusOK, alice, "POST", con+"/enable", "")
	w.does(http.StatusOK, adam, "POST", con+"/disable", "")
	w.refused(manage.Forbidden, adam, "POST", con+"/enable", "")
	plain := w.connected(adam)
	w.does(http.StatusOK, adam, "POST", plain+"/enable", "")
}

// TestAdminReplacesTheSecretOfWhatMakesOwners: with a client of their own at a provider
// whose word makes owners, they would speak for it.
func TestAdminReplacesTheSecretOfWhatMakesOwners(t *testing.T) {
	w := newWorld(t)
	con, plain := w.mapped(), w.connected(adam)
	w.refused(manage.Forbidden, adam, "POST", con+"/rotate-secret", `{"client_secret":"mine"}`)
	w.does(http.StatusOK, alice, "POST", con+"/rotate-secret", `{"client_secret":"next"}`)
	w.refused(manage.Forbidden, adam, "POST", con+"/rotate-secret", `{"promote":true}`)
	w.does(http.StatusOK, alice, "POST", con+"/rotate-secret", `{"promote":true}`)
	w.does(http.StatusOK, adam, "POST", plain+"/rotate-secret", `{"client_secret":"next"}`)
	w.does(http.StatusOK, adam, "POST", plain+"/rotate-secret", `{"promote":true}`)
}

// TestAdminMakesTheOwnersLessByTheirConnection: rules that give an owner another role at
// the next sign-in, an app that is none of the company's, factors that are none.
func TestAdminMakesTheOwnersLessByTheirConnection(t *testing.T) {
	w := newWorld(t)
	con := w.connected(adam)
	patches := []string{
		`{"role_claim":"groups","role_rules":[{"value":"staff","role":"member"}]}`, `{"client_id":"mine"}`, `{"mfa_amr":["pwd"]}`, `{"scopes":["openid"]}`,
		`{"default_role":"viewer"}`,
	}
	w.through(alice, con)
	for _, patch := range patches {
		w.refused(manage.Forbidden, adam, "PATCH", con, patch)
	}
	w.does(http.StatusOK, adam, "PATCH", con, `{"name":"Renamed"}`)
	for _, patch := range patches {
		w.does(http.StatusOK, alice, "PATCH", con, patch)
	}
	others := w.does(http.StatusCreated, adam, "POST", "/v1/connections", strings.Replace(generic, `"wg"`, `"other"`, 1)).header.Get("Location")
	w.through(bob, others) // who is no owner
	w.does(http.StatusOK, adam, "PATCH", others, patches[0])
}

// TestAdminLocksTheOwnersOut of the connection through which they sign in.
func TestAdminLocksTheOwnersOut(t *testing.T) {
	w := newWorld(t)
	con := w.connected(adam)
	w.does(http.StatusOK, adam, "POST", con+"/enable", "")
	w.through(alice, con)
	w.refused(manage.Forbidden, adam, "POST", con+"/disable", "")
	w.refused(manage.Forbidden, adam, "POST", con+"/rotate-secret", `{"client_secret":"none of theirs"}`)
	w.does(http.StatusOK, alice, "POST", con+"/disable", "")
	w.refused(manage.Forbidden, adam, "POST", con+"/enable", "") // an owner closed it, and knows why
}

// TestAdminTakesOverADomain: who chooses the provider of a domain chooses who its people
// are.
func TestAdminTakesOverADomain(t *testing.T) {
	w := newWorld(t)
	first, mine := w.connected(alice), w.does(http.StatusCreated, adam, "POST", "/v1/connections", strings.Replace(generic, `"wg"`, `"mine"`, 1)).header.Get("Location")
	to := func(con string) string { return `{"connection":"` + idOf(con) + `"}` }
	w.does(http.StatusCreated, adam, "POST", "/v1/domains", `{"name":"acme.example","connection":"`+idOf(mine)+`"}`)
	w.does(http.StatusOK, adam, "PATCH", "/v1/domains/acme.example", to(first)) // it is only claimed
	w.does(http.StatusNoContent, adam, "DELETE", "/v1/domains/acme.example", "")
	w.proved("acme.example", idOf(first))
	w.refused(manage.Forbidden, adam, "PATCH", "/v1/domains/acme.example", to(mine))
	if d := w.does(http.StatusOK, adam, "GET", "/v1/domains/acme.example", "").object(t); d["connection"] != idOf(first) {
		t.Errorf("it is the domain of %v", d["connection"])
	}
	w.does(http.StatusOK, alice, "PATCH", "/v1/domains/acme.example", to(mine))
}

// TestAdminGovernsTheOwnersDomain: where an owner's address is, only owners decide where
// its people sign in and whether they have to.
func TestAdminGovernsTheOwnersDomain(t *testing.T) {
	w := newWorld(t)
	con := w.connected(alice)
	w.does(http.StatusOK, alice, "POST", con+"/enable", "")
	w.address(alice, "Alice@ACME.example")
	at := "/v1/domains/acme.example"
	w.does(http.StatusCreated, adam, "POST", "/v1/domains", `{"name":"acme.example","connection":"`+idOf(con)+`"}`) // a claim sends nobody anywhere
	w.refused(manage.Forbidden, adam, "POST", at+"/verify", "")
	w.does(http.StatusNoContent, alice, "DELETE", at, "")
	w.proved("acme.example", idOf(con))
	w.refused(manage.Forbidden, adam, "PATCH", at, `{"sso_required":true}`)
	w.refused(manage.Forbidden, adam, "DELETE", at, "")
	w.does(http.StatusOK, alice, "PATCH", at, `{"sso_required":true}`)
	w.refused(manage.Forbidden, adam, "PATCH", at, `{"sso_required":false}`)

	w.does(http.StatusCreated, adam, "POST", "/v1/domains", `{"name":"other.example","connection":"`+idOf(con)+`"}`) // in which no owner is
	w.does(http.StatusOK, adam, "PATCH", "/v1/domains/other.example", `{"sso_required":true}`)
	w.does(http.StatusNoContent, adam, "DELETE", "/v1/domains/other.example", "")
}

// TestAdminDecidesOnAVerifiedDomain: where its people go, by going round the rule, too.
func TestAdminDecidesOnAVerifiedDomain(t *testing.T) {
	w := newWorld(t)
	con := w.connected(alice)
	w.does(http.StatusOK, alice, "POST", con+"/enable", "")
	at := "/v1/domains/acme.example"
	w.proved("acme.example", idOf(con)) // in which no owner is
	w.refused(manage.Forbidden, adam, "PATCH", at, `{"sso_required":true}`)
	w.refused(manage.Forbidden, adam, "DELETE", at, "")
	w.does(http.StatusOK, adam, "PATCH", at, `{"sso_required":false,"connection":"`+idOf(con)+`"}`) // as it is
	w.does(http.StatusOK, adam, "POST", at+"/verify", "")
	w.does(http.StatusOK, alice, "PATCH", at, `{"sso_required":true}`)
	w.refused(manage.Forbidden, adam, "PATCH", at, `{"sso_required":false}`)
	w.does(http.StatusNoContent, alice, "DELETE", at, "")
}

// TestAdminSaysWhatIsASecondFactor: of a provider whose every sign-in counts as two,
// whatever the owners' policy asks for.
func TestAdminSaysWhatIsASecondFactor(t *testing.T) {
	w := newWorld(t)
	con := w.connected(adam) // through which no owner signs in
	w.does(http.StatusOK, alice, "PATCH", con, `{"mfa_acr":["gold"],"mfa_ignore":true}`)
	for _, patch := range []string{`{"mfa_amr":["pwd"]}`, `{"mfa_acr":["1"]}`, `{"mfa_acr":null}`, `{"mfa_phishing_resistant":["pwd"]}`, `{"mfa_ignore":false}`} {
		w.refused(manage.Forbidden, adam, "PATCH", con, patch)
	}
	w.does(http.StatusOK, adam, "PATCH", con, `{"mfa_acr":["gold"],"mfa_ask_for":["gold"],"scopes":["openid"]}`)
	w.does(http.StatusOK, alice, "PATCH", con, `{"mfa_amr":["otp"],"mfa_ignore":false}`)
}

// TestAdminTakesAnOwnersAppsAway: ending sessions gives nobody anything, and is over with
// the next sign-in; what apps hold meanwhile is not.
func TestAdminTakesAnOwnersAppsAway(t *testing.T) {
	w := newWorld(t)
	w.refused(manage.Forbidden, adam, "POST", w.user(alice)+"/end-sessions", `{"offline_access":true}`)
	if w.sessions(alice) != 1 {
		t.Error("the session has ended")
	}
	w.does(http.StatusNoContent, adam, "POST", w.user(bob)+"/end-sessions", `{"offline_access":true}`)
	w.does(http.StatusNoContent, adam, "POST", w.user(alice)+"/end-sessions", "")
	w.does(http.StatusNoContent, alice, "POST", w.user(adam)+"/end-sessions", `{"offline_access":true}`)
}

// TestAdminChangesWhatGuardsOwners: the policy holds for them, too.
func TestAdminChangesWhatGuardsOwners(t *testing.T) {
	w := newWorld(t)
	for _, patch := range []string{`{"require_level":"none"}`, `{"credentials_without_mfa":true}`, `{"session_lifetime":60}`, `{"contact":"me@evil.example"}`} {
		w.refused(manage.Forbidden, adam, "PATCH", "/v1/policy", patch)
	}
	w.refused(manage.Forbidden, adam, "POST", "/v1/policy/break-glass", `{"for":60,"reason":"x"}`)
	w.does(http.StatusOK, alice, "POST", "/v1/policy/break-glass", `{"for":60,"reason":"x"}`)
	w.refused(manage.Forbidden, adam, "DELETE", "/v1/policy/break-glass", "")
}
