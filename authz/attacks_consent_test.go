package authz_test

import (
	"context"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/watchgate/watchgate/storage"
)

// known signs alice in and lets her approve a request of the web app, edited.
func (w *world) known(pairs ...string) (*http.Cookie, storage.LiveSession) {
	w.Helper()
	cookie, ls := w.aliceIn()
	w.authorize(request(pairs...), cookie)
	w.response(w.approve(ls), callback)
	return cookie, ls
}

// begins checks that a request led to a sign-in, and returns what waits.
func (w *world) begins(params string, cookies ...*http.Cookie) storage.AuthorizeRequest {
	w.Helper()
	rec := w.authorizeRaw(params, cookies...)
	if loc := rec.Header().Get("Location"); loc != "/login/pending" {
		w.Fatalf("%d, Location %q, want a sign-in", rec.Code, loc)
	}
	return w.browse.last(w)
}

// AZ-30 and AZ-31: the claims parameter is another way to ask for the scopes
// that it stands for, and no way around the person.
func TestAttackPersonalDataByClaimsWithoutConsent(t *testing.T) {
	t.Parallel()
	for name, claims := range map[string]string{
		"userinfo": `{"userinfo":{"email":null}}`, "ID token": `{"id_token":{"email":{"essential":true}}}`,
		"both": `{"userinfo":{"email_verified":null},"id_token":{"email":null}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			cookie, ls := w.known("scope", "openid")
			silent := request("scope", "openid", "prompt", "none").Encode()
			asking := request("scope", "openid", "claims", claims)
			w.response(w.authorizeRaw(silent, cookie), callback) // the view is remembered
			w.sentBack(w.authorizeRaw(silent+"&"+form("claims", claims).Encode(), cookie), "consent_required")
			waiting := w.begins(asking.Encode(), cookie)
			scopes, version, err := w.engine.ToApprove(t.Context(), waiting, ls)
			w.must(err)
			if diff := cmp.Diff([]string{"openid", "email"}, scopes); diff != "" {
				t.Errorf("the page asks for: %s", diff)
			}
			w.sentBack(w.finishAs(waiting, ls, 0), "consent_required")
			w.response(w.finishAs(waiting, ls, version), callback)
			if again, _, err := w.engine.ToApprove(t.Context(), waiting, ls); err != nil || len(again) != 0 {
				t.Errorf("approved, and still to be asked: %v, %v", again, err)
			}
			if got := w.response(w.authorize(asking, cookie), callback); got.Get("code") == "" {
				t.Errorf("approved: %v", got)
			}
		})
	}
}

// What the person was not asked for does not come with a scope that the app gets
// afterwards.
func TestAttackClaimsOfAScopeThatTheClientGetsLater(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.change("web", func(c *storage.Client) { c.Scopes = []string{"openid", "offline_access"} })
	const both = `{"userinfo":{"email":null},"id_token":{"email":null,"tenant":null}}`
	code := w.code(request("scope", "openid offline_access", "claims", both))
	w.change("web", func(c *storage.Client) { c.Scopes = allScopes })
	first := w.tokens(w.post("/oauth2/token", redemption(code), as("web")))
	for _, got := range []tokens{first, w.refresh(first.Refresh, "web")} {
		if id := w.claims(got.ID); id["email"] != nil || id["tenant"] != "acme" {
			t.Errorf("ID token %v", id)
		}
		if about := w.userinfo(get("/oauth2/userinfo", bearer(got.Access))); about["email"] != nil {
			t.Errorf("userinfo %v", about)
		}
	}
}

// OIDC Core 5.5.1: a demand that cannot be read is not passed over.
func TestAttackDemandOfTheWrongType(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cookie, _ := w.known()
	for _, bad := range []string{
		`{"id_token":{"acr":{"essential":true,"values":"urn:gold"}}}`, `{"id_token":{"acr":{"essential":true,"value":["urn:gold"]}}}`,
		`{"id_token":{"acr":{"essential":"true","value":"urn:gold"}}}`, `{"id_token":{"acr":7}}`, `{"id_token":{"acr":"urn:gold"}}`,
		`{"id_token":{"sub":{"value":5}}}`, `{"id_token":{"sub":{"values":"usr_x"}}}`, `{"userinfo":{"sub":["usr_x"]}}`, `{"userinfo":{"sub":true}}`,
	} {
		w.sentBack(w.authorize(request("claims", bad, "prompt", "none"), cookie), "invalid_request")
		w.sentBack(w.authorize(request("claims", bad), cookie), "invalid_request")
	}
	for _, fine := range []string{`{"id_token":{"acr":null,"sub":null}}`, `{"id_token":{"acr":{"essential":true}}}`, `{"userinfo":{"acr":7}}`} {
		if got := w.response(w.authorize(request("claims", fine, "prompt", "none"), cookie), callback); got.Get("code") == "" {
			t.Errorf("%s: %v", fine, got)
		}
	}
}

// OIDC Core 5.5.1: the answer is about the person that the app names, in
// whichever of the ways, and about nobody if it names two.
func TestAttackAnswerAboutSomebodyElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cookie, ls := w.known()
	hint := w.granted().ID
	me := string(w.alice.ID)
	for claims, want := range map[string]string{
		`{"id_token":{"sub":{"values":["` + me + `"]}}}`: "", `{"userinfo":{"sub":{"value":"` + me + `"}}}`: "",
		`{"id_token":{"sub":{"value":"` + me + `","values":["` + me + `"]}},"userinfo":{"sub":{"value":"` + me + `"}}}`: "",
		`{"id_token":{"sub":{"values":["usr_other"]}}}`:                                                                 "login_required", `{"userinfo":{"sub":{"value":"usr_other"}}}`: "login_required",
		`{"id_token":{"sub":{"values":["usr_other","` + me + `"]}}}`:                                         "invalid_request",
		`{"id_token":{"sub":{"value":"` + me + `"}},"userinfo":{"sub":{"value":"usr_other"}}}`:               "invalid_request",
		`{"id_token":{"sub":{"value":"` + me + `","values":["usr_other"]}},"userinfo":{"sub":{"value":""}}}`: "invalid_request",
	} {
		if got := w.response(w.authorize(request("prompt", "none", "claims", claims), cookie), callback); got.Get("error") != want {
			t.Errorf("%s: %v, want error %q", claims, got, want)
		}
	}
	other := `{"id_token":{"sub":{"value":"usr_other"}}}`
	w.sentBack(w.authorize(request("id_token_hint", hint, "claims", other), cookie), "invalid_request")
	w.sentBack(w.finish(w.begins(request("claims", other).Encode(), cookie), ls, true), "login_required")
}

// AZ-24: a hint that is none of ours names nobody. The person is asked, however
// well the session and the remembered consent would do.
func TestAttackForgedIDTokenHintTakesNoSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cookie, _ := w.known()
	hint := w.granted().ID
	parts := strings.Split(hint, ".")
	elsewhere, err := keys.Sign(context.Background(), "RS256", "JWT", map[string]any{"iss": "https://other.example.com", "sub": string(w.alice.ID)})
	w.must(err)
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + parts[1] + "."
	w.response(w.authorize(request(), cookie), callback) // the view is remembered
	for _, forged := range []string{elsewhere, none, "garbage", hint + "x", strings.Repeat("x", 9000)} {
		waiting := w.begins(request("id_token_hint", forged).Encode(), cookie)
		if !waiting.StrangeHint || waiting.HintSubject != "" {
			t.Errorf("%.20s: %+v", forged, waiting)
		}
	}
	if got := w.response(w.authorize(request("id_token_hint", hint), cookie), callback); got.Get("code") == "" {
		t.Errorf("our own: %v", got)
	}
}

// AZ-31: the app that was approved is the one that was shown.
func TestAttackClientChangedUnderTheConsentPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cookie, ls := w.aliceIn()
	waiting := w.begins(request().Encode(), cookie)
	_, version, err := w.engine.ToApprove(t.Context(), waiting, ls)
	w.must(err)
	w.change("web", func(c *storage.Client) { c.Name = "Your bank" })
	w.sentBack(w.finishAs(waiting, ls, version), "consent_required")
	w.sentBack(w.authorize(request("prompt", "none"), cookie), "consent_required")
	if n := w.recorded("consent.given") + w.recorded("code.issued"); n != 0 {
		t.Errorf("%d events of what did not happen", n)
	}
	scopes, now, err := w.engine.ToApprove(t.Context(), waiting, ls)
	if w.must(err); now == version || !slices.Equal(scopes, waiting.Scopes) {
		t.Errorf("the page shows version %d and %v", now, scopes)
	}
	w.response(w.finishAs(waiting, ls, now), callback)
}

// The version of a client that nobody counted is nobody's approval.
func TestAttackNobodyApprovedVersionZero(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.client("zero", func(c *storage.Client) { c.Version = 0 })
	cookie, ls := w.aliceIn()
	w.sentBack(w.finishAs(w.begins(request("client_id", "zero").Encode(), cookie), ls, 0), "consent_required")
}
