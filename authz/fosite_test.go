package authz_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/watchgate/watchgate/storage"
)

// These tests are named after what fosite does when it is left alone; the
// wrapper must not. Others are among the attacks: localhost redirects and
// userinfo in them (F-01), duplicates and multipart (F-03), unknown grant types
// (F-04), replay by another client (F-05), invented claims, outages.

// F-02: a state must have eight characters, and be there.
func TestFositeInsistsOnState(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, state := range []string{"", "1"} {
		if w.code(request("state", state)) == "" {
			t.Errorf("state %q: no code", state)
		}
	}
}

// F-06: a wrong verifier deletes the challenge; then the code needs none.
func TestFositePKCEDowngradeAfterFailedVerifier(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	code := w.code(request("client_id", "nopkce"))
	w.refused(w.post("/oauth2/token", redemption(code, "code_verifier", strings.Repeat("x", 50)), as("nopkce")), 400, "invalid_grant")
	w.refused(w.post("/oauth2/token", redemption(code, "code_verifier", ""), as("nopkce")), 400, "invalid_grant")
	if got := w.tokens(w.post("/oauth2/token", redemption(code), as("nopkce"))); got.Access == "" {
		t.Errorf("the rightful verifier: %s", got.Error)
	}
}

// F-07: redirect_uri at the token endpoint is refused when it is left out.
func TestFositeInsistsOnRedirectURIAtToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if got := w.tokens(w.post("/oauth2/token", redemption(w.code(request()), "redirect_uri", ""), as("web"))); got.Access == "" {
		t.Errorf("with PKCE it may be left out: %s", got.Error)
	}
}

// The loser of a race for a code gets 500 server_error, and a second grant may
// come out of it.
func TestFositeCodeRaceLoserIsAServerError(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	code := w.code(request())
	w.tokens(w.post("/oauth2/token", redemption(code), as("web")))
	w.refused(w.post("/oauth2/token", redemption(code), as("web")), 400, "invalid_grant")
}

// F-08: scope is ignored on refresh, and another client kills the family.
func TestFositeIgnoresScopeOnRefresh(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	got := w.granted()
	if r := w.refresh(got.Refresh, "web", "scope", "openid admin"); r.Error != "invalid_scope" {
		t.Errorf("got %+v", r)
	}
	if r := w.refresh(got.Refresh, "web", "scope", "openid"); r.Scope != "openid" {
		t.Errorf("got %+v", r)
	}
}

// F-08b: a refresh token lives for ever if it is used often enough.
func TestFositeRefreshTokensSlideForEver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	got := w.granted()
	for range 10 {
		w.pass(3*24*time.Hour - time.Second)
		got = w.refresh(got.Refresh, "web")
	}
	w.pass(10 * time.Second)
	if got = w.refresh(got.Refresh, "web"); got.Error != "invalid_grant" {
		t.Errorf("after 30 days of daily use: %+v", got)
	}
}

// F-11: Basic of one client with the secret of another in the body gives tokens.
func TestFositeMixesTwoClientsCredentials(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.refused(w.post("/oauth2/token", form("grant_type", "client_credentials", "client_id", "web", "client_secret", "wrong"), as("m2m")), 400, "invalid_request")
}

// F-13: no iss.
func TestFositeSendsNoIssuer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cookie, ls := w.aliceIn()
	w.authorize(request(), cookie)
	if got := w.response(w.approve(ls), callback); got.Get("iss") != issuer || got.Has("scope") {
		t.Errorf("got %v", got)
	}
}

// F-14, AZ-33: hints and causes go out in error_description.
func TestFositeTellsHints(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, rec := range []string{
		w.post("/oauth2/token", redemption("wgac_x"), as("web")).Body.String(),
		w.post("/oauth2/token", redemption(w.code(request()), "code_verifier", "x"), as("web")).Body.String(),
		w.refreshBody("x"),
		w.post("/oauth2/token", form("grant_type", "x"), as("web")).Body.String(),
	} {
		for _, leak := range []string{"hint", "debug", "sql", "fosite", "stack", "verifier", "authz"} {
			if strings.Contains(strings.ToLower(rec), leak) {
				t.Errorf("%q in %s", leak, rec)
			}
		}
	}
}

func (w *world) refreshBody(refresh string) string {
	return w.post("/oauth2/token", form("grant_type", "refresh_token", "refresh_token", refresh), as("web")).Body.String()
}

// fosite.md 2.8: tokens are malleable; a second spelling escapes a denylist.
func TestFositeTokensHaveSeveralSpellings(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	got := w.granted()
	for _, spelling := range []string{strings.TrimPrefix(got.Access, "wgat_"), got.Access + "=", got.Access[:20] + "\r\n" + got.Access[20:], " " + got.Access + "x", strings.ToUpper(got.Access)} {
		r := get("/oauth2/userinfo")
		r.Header["Authorization"] = []string{"Bearer " + spelling}
		if rec := w.do(r); rec.Code == http.StatusOK {
			t.Errorf("%q is accepted", spelling)
		}
	}
}

// fosite.md 2.3: a forged half of a token triggers revocation. Here a token is
// known by its whole hash.
func TestFositeForgedHalfTriggersReuse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.granted()
	second := w.refresh(first.Refresh, "web")
	w.pass(time.Minute)
	forged := first.Refresh[:20] + "0000000000" + first.Refresh[30:]
	if got := w.refresh(forged, "web"); got.Error != "invalid_grant" || w.recorded("refresh.reused") != 0 {
		t.Errorf("got %+v", got)
	}
	if w.refresh(second.Refresh, "web").Access == "" {
		t.Error("the family must live")
	}
}

// fosite.md 2.9: scopes match by wildcard.
func TestFositeScopesAreWildcards(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.change("web", func(c *storage.Client) { c.Scopes = []string{"monitor.*"} })
	w.sentBack(w.authorize(request("scope", "monitor.read")), "invalid_scope")
}

// F-16: the access token is looked for in every form.
func TestFositeTakesBearerFromForms(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	got := w.granted()
	w.refused(w.post("/oauth2/revoke", form("token", got.Refresh, "access_token", got.Access)), 401, "invalid_client")
	if !w.alive(got.Access) {
		t.Error("no client, no revocation")
	}
}
