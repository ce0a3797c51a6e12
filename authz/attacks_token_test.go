package authz_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/storage"
)

// Row 21, TK-09.
func TestAttackVerifier(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, v := range []string{"", verifier[:42], strings.Repeat("a", 129), verifier + "!", verifier + " ", verifier + "\x00", verifier + "x", challenge(verifier)} {
		code := w.code(request())
		w.refused(w.post("/oauth2/token", redemption(code, "code_verifier", v), as("web")), 400, "invalid_grant")
		if got := w.tokens(w.post("/oauth2/token", redemption(code), as("web"))); got.Access == "" {
			t.Errorf("%q: the rightful client must still succeed: %s", v, got.Error)
		}
	}
}

// Row 22.
func TestAttackEmptyVerifier(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	code := w.code(request("code_challenge", challenge("")))
	w.refused(w.post("/oauth2/token", redemption(code, "code_verifier", ""), as("web")), 400, "invalid_grant")
	r := redemption(code, "code_verifier", "").Encode() + "&code_verifier="
	rec := w.postRaw("/oauth2/token", r, as("web"))
	w.refused(rec, 400, "invalid_grant")
}

func (w *world) postRaw(path, body string, edit ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, e := range edit {
		e(r)
	}
	return w.do(r)
}

// Row 23: a code that was injected into another session of the same client.
func TestAttackInjectedCode(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	code := w.code(request())
	other := strings.Repeat("other-verifier-", 4)
	w.refused(w.post("/oauth2/token", redemption(code, "code_verifier", other), as("web")), 400, "invalid_grant")
}

// Row 20: a verifier for a code that has no challenge shows a downgrade.
func TestAttackStrippedChallenge(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	code := w.code(request("client_id", "nopkce", "code_challenge", "", "code_challenge_method", ""))
	w.refused(w.post("/oauth2/token", redemption(code), as("nopkce")), 400, "invalid_grant")
	if got := w.tokens(w.post("/oauth2/token", redemption(code, "code_verifier", ""), as("nopkce"))); got.Access == "" {
		t.Errorf("without verifier: %s", got.Error)
	}
}

// Row 24.
func TestAttackParallelRedemptions(t *testing.T) { onBoth(t, parallelRedemptions) }

func parallelRedemptions(w *world) {
	code := w.code(request())
	var wg sync.WaitGroup
	results := make([]tokens, 50)
	for i := range results {
		wg.Go(func() { results[i] = w.tokens(w.post("/oauth2/token", redemption(code), as("web"))) })
	}
	wg.Wait()
	var won []tokens
	for _, r := range results {
		if r.Error == "" {
			won = append(won, r)
		} else if r.Error != "invalid_grant" {
			w.Errorf("a loser got %s", r.Error)
		}
	}
	if len(won) != 1 {
		w.Fatalf("%d redemptions won, want 1", len(won))
	}
	if w.alive(won[0].Access) {
		w.Error("the code was replayed with the right proof: its tokens must be dead")
	}
}

// Row 25, C9: who cannot redeem a code cannot hurt its owner with it.
func TestAttackReplayWithoutProofRevokesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	code := w.code(request())
	got := w.tokens(w.post("/oauth2/token", redemption(code), as("web")))
	for name, try := range map[string]func() *httptest.ResponseRecorder{
		"other client": func() *httptest.ResponseRecorder { return w.post("/oauth2/token", redemption(code), as("other")) },
		"other verifier": func() *httptest.ResponseRecorder {
			return w.post("/oauth2/token", redemption(code, "code_verifier", strings.Repeat("x", 50)), as("web"))
		},
		"no verifier": func() *httptest.ResponseRecorder {
			return w.post("/oauth2/token", redemption(code, "code_verifier", ""), as("web"))
		},
		"other redirect": func() *httptest.ResponseRecorder {
			return w.post("/oauth2/token", redemption(code, "redirect_uri", callback+"2"), as("web"))
		},
	} {
		for range 6 {
			w.refused(try(), 400, "invalid_grant")
		}
		if !w.alive(got.Access) {
			t.Fatalf("%s: the victim's token is dead", name)
		}
	}
	if w.refresh(got.Refresh, "web").Access == "" {
		t.Error("the victim's refresh token is dead")
	}
	if w.recorded("code.replayed") != 0 {
		t.Error("this is no replay")
	}
}

// TK-08: a second redemption with the full proof means that two have it.
func TestAttackReplayWithProofRevokesTheGrant(t *testing.T) {
	t.Parallel()
	for name, wait := range map[string]time.Duration{"at once": 0, "after the code's end": 2 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			code := w.code(request())
			got := w.tokens(w.post("/oauth2/token", redemption(code), as("web")))
			w.pass(wait)
			w.refused(w.post("/oauth2/token", redemption(code), as("web")), 400, "invalid_grant")
			if w.alive(got.Access) || w.refresh(got.Refresh, "web").Error != "invalid_grant" {
				t.Error("tokens of a replayed code must be dead")
			}
			if rec := w.do(get("/oauth2/userinfo", bearer(got.Access))); rec.Code != 401 {
				t.Errorf("userinfo: %d", rec.Code)
			}
			if w.recorded("code.replayed") != 1 {
				t.Error("the replay is not recorded")
			}
		})
	}
}

// Row 26.
func TestAttackExpiredCode(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	code := w.code(request())
	w.pass(60 * time.Second)
	w.refused(w.post("/oauth2/token", redemption(code), as("web")), 400, "invalid_grant")
	fresh := w.code(request())
	w.pass(59 * time.Second)
	if got := w.tokens(w.post("/oauth2/token", redemption(fresh), as("web"))); got.Access == "" {
		t.Errorf("after 59 s: %s", got.Error)
	}
}

// Row 28 and C6.
func TestAttackOtherRedirectAtTokenEndpoint(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, uri := range []string{callback + "/", "https://evil.example.com/", callback + "?x"} {
		w.refused(w.post("/oauth2/token", redemption(w.code(request()), "redirect_uri", uri), as("web")), 400, "invalid_grant")
	}
	code := w.code(request("client_id", "nopkce", "code_challenge", "", "code_challenge_method", ""))
	w.refused(w.post("/oauth2/token", redemption(code, "code_verifier", "", "redirect_uri", ""), as("nopkce")), 400, "invalid_grant")
}

// TK-10: five wrong proofs use a code up, and revoke nothing that is not there.
func TestAttackGuessingVerifiers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	code := w.code(request())
	for range 5 {
		w.refused(w.post("/oauth2/token", redemption(code, "code_verifier", strings.Repeat("x", 50)), as("web")), 400, "invalid_grant")
	}
	w.refused(w.post("/oauth2/token", redemption(code), as("web")), 400, "invalid_grant")
	if w.recorded("code.replayed") != 0 {
		t.Error("nothing was redeemed, so nothing was replayed")
	}
}

// TK-11.
func TestAttackCodeOfAnotherClient(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	code := w.code(request())
	w.refused(w.post("/oauth2/token", redemption(code), as("other")), 400, "invalid_grant")
	w.refused(w.post("/oauth2/token", redemption(code, "client_id", "spa")), 400, "invalid_grant")
	w.refused(w.post("/oauth2/token", redemption(code)), 401, "invalid_client")
	if got := w.tokens(w.post("/oauth2/token", redemption(code), as("web"))); got.Access == "" {
		t.Errorf("the rightful client: %s", got.Error)
	}
}

// TK-20 and row 57.
func TestAttackGrantOfWhatIsDisabled(t *testing.T) {
	t.Parallel()
	for name, kill := range map[string]func(*world){
		"user": (*world).disableAlice, "tenant": (*world).suspend, "connection": (*world).disableConnection,
		"client": func(w *world) { w.change("web", func(c *storage.Client) { c.DisabledAt = w.now() }) },
		"tenant policy": func(w *world) {
			tenant, err := w.store.TenantByID(context.Background(), w.acme.ID)
			w.must(err)
			tenant.Policy.OnlyListedClients = true
			w.must(w.store.UpdateTenant(context.Background(), tenant, event("tenant.updated")))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			got := w.granted()
			code := w.code(request())
			kill(w)
			w.refused(w.post("/oauth2/token", redemption(code), as("web")), 400, "invalid_grant")
			if again := w.refresh(got.Refresh, "web"); again.Error != "invalid_grant" {
				t.Errorf("refresh: %+v", again)
			}
		})
	}
}

// Row 57: a withdrawn consent.
func TestAttackRefreshAfterConsentWasWithdrawn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	got := w.granted()
	w.must(w.store.Tenant(w.acme.ID).WithdrawConsent(context.Background(), w.alice.ID, "web", w.now(), event("consent.withdrawn")))
	if again := w.refresh(got.Refresh, "web"); again.Error != "invalid_grant" || w.alive(got.Access) {
		t.Errorf("refresh: %+v", again)
	}
}

// Row 31, TK-13 and RF-07.
func TestAttackResourceBeyondTheGrant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	code := w.code(request("resource", audience))
	w.refused(w.post("/oauth2/token", redemption(code, "resource", "https://mcp.example.com"), as("web")), 400, "invalid_target")
	got := w.tokens(w.post("/oauth2/token", redemption(code, "resource", audience+"/"), as("web")))
	if got.Access == "" {
		t.Fatalf("a wrong resource must not use the code up: %s", got.Error)
	}
	if aud := w.audienceOf(got.Access); len(aud) != 1 || aud[0] != audience {
		t.Errorf("aud = %v", aud)
	}
	if again := w.refresh(got.Refresh, "web", "resource", "https://mcp.example.com"); again.Error != "invalid_target" {
		t.Errorf("refresh: %+v", again)
	}
	if again := w.refresh(got.Refresh, "web"); len(w.audienceOf(again.Access)) != 1 {
		t.Error("a refresh keeps the granted resource")
	}
	none := w.code(request())
	w.refused(w.post("/oauth2/token", redemption(none, "resource", audience), as("web")), 400, "invalid_target")
}

func (w *world) audienceOf(access string) []string {
	w.Helper()
	ref, err := token.Parse(token.Access, access)
	w.must(err)
	_, live, err := w.store.FindAccess(context.Background(), "", ref)
	w.must(err)
	return live.Audience
}

// Row 54, RF-03 and RF-13: a lost answer can be fetched again.
func TestRetryOfALostRefreshGivesTheSameSuccessor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.granted()
	a := w.refresh(first.Refresh, "web")
	w.pass(29 * time.Second)
	b := w.refresh(first.Refresh, "web")
	if a.Refresh == "" || a.Refresh != b.Refresh || a.Access == b.Access {
		t.Errorf("first %+v\nretry %+v", a, b)
	}
	if c := w.refresh(a.Refresh, "web"); c.Access == "" {
		t.Errorf("the successor: %s", c.Error)
	}
}

// RF-13: concurrent refreshes never fork a family.
func TestAttackParallelRefreshes(t *testing.T) { onBoth(t, parallelRefreshes) }

func parallelRefreshes(w *world) {
	first := w.granted()
	var wg sync.WaitGroup
	results := make([]tokens, 16)
	for i := range results {
		wg.Go(func() { results[i] = w.refresh(first.Refresh, "web") })
	}
	wg.Wait()
	for _, r := range results {
		if r.Error != "" || r.Refresh != results[0].Refresh {
			w.Errorf("got %s %.12s", r.Error, r.Refresh)
		}
	}
}

// RF-02: reuse kills the family.
func TestAttackRefreshTokenReuse(t *testing.T) {
	t.Parallel()
	for name, reuse := range map[string]func(w *world, first, second tokens){
		"after the window":             func(w *world, _, _ tokens) { w.pass(30 * time.Second) },
		"after the successor was used": func(w *world, _, second tokens) { w.refresh(second.Refresh, "web") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			first := w.granted()
			second := w.refresh(first.Refresh, "web")
			reuse(w, first, second)
			w.refused(w.post("/oauth2/token", form("grant_type", "refresh_token", "refresh_token", first.Refresh), as("web")), 400, "invalid_grant")
			if w.alive(first.Access) || w.alive(second.Access) || w.refresh(second.Refresh, "web").Error != "invalid_grant" {
				t.Error("the whole family must die")
			}
			if w.recorded("refresh.reused") != 1 {
				t.Errorf("%d events of reuse, want 1", w.recorded("refresh.reused"))
			}
		})
	}
}

// Row 55, RF-04.
func TestAttackRefreshTokenOfAnotherClient(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.granted()
	second := w.refresh(first.Refresh, "web")
	w.pass(time.Minute)
	for _, stolen := range []string{first.Refresh, second.Refresh} {
		if got := w.refresh(stolen, "other"); got.Error != "invalid_grant" {
			t.Errorf("got %+v", got)
		}
	}
	if !w.alive(first.Access) || w.refresh(second.Refresh, "web").Access == "" {
		t.Error("another client must not be able to hurt the family")
	}
}

// Row 56, RF-06.
func TestRefreshNarrowsTheScopeOfTheAccessTokenOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.granted()
	for _, wider := range []string{"openid alert:write", "admin", `"`, "openid monitor:read offline_access profile"} {
		if got := w.refresh(first.Refresh, "web", "scope", wider); got.Error != "invalid_scope" {
			t.Errorf("%q: %+v", wider, got)
		}
	}
	narrow := w.refresh(first.Refresh, "web", "scope", "monitor:read")
	if narrow.Scope != "monitor:read" || narrow.ID != "" {
		t.Errorf("got %+v", narrow)
	}
	if full := w.refresh(narrow.Refresh, "web"); full.Scope != "openid monitor:read offline_access" {
		t.Errorf("the next refresh has %q, want the full grant", full.Scope)
	}
}

// RF-05.
func TestAttackRefreshWithoutClientAuthentication(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.granted()
	w.refused(w.post("/oauth2/token", form("grant_type", "refresh_token", "refresh_token", first.Refresh, "client_id", "web")), 401, "invalid_client")
	w.refused(w.post("/oauth2/token", form("grant_type", "refresh_token", "refresh_token", first.Refresh)), 401, "invalid_client")
}

// RF-08 and RF-09.
func TestRefreshTokensEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	idle := w.granted()
	w.pass(14*24*time.Hour - time.Second)
	used := w.refresh(idle.Refresh, "web")
	if used.Access == "" {
		t.Fatalf("within the idle time: %s", used.Error)
	}
	w.pass(14 * 24 * time.Hour)
	if got := w.refresh(used.Refresh, "web"); got.Error != "invalid_grant" {
		t.Errorf("after 14 days of silence: %+v", got)
	}

	last := w.granted()
	for range 3 {
		w.pass(9 * 24 * time.Hour)
		last = w.refresh(last.Refresh, "web")
	}
	w.pass(3*24*time.Hour - 30*time.Minute)
	if last = w.refresh(last.Refresh, "web"); last.Expires != 1800 {
		t.Errorf("half an hour before the end: expires_in = %d (%s), want 1800", last.Expires, last.Error)
	}
	w.pass(30 * time.Minute)
	if got := w.refresh(last.Refresh, "web"); got.Error != "invalid_grant" {
		t.Errorf("30 days after the grant, however often used: %+v", got)
	}
}

// RF-12.
func TestRefreshTokenNeedsOfflineAccess(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if got := w.granted("scope", "openid"); got.Refresh != "" {
		t.Error("no offline_access, no refresh token")
	}
	w.change("web", func(c *storage.Client) { c.GrantTypes = []string{storage.GrantAuthorizationCode} })
	got := w.granted("scope", "openid offline_access")
	if got.Refresh != "" || got.Scope != "openid" {
		t.Errorf("a client without the grant: %+v", got)
	}
}

// Tokens without offline access end with the session.
func TestTokensEndWithTheSessionUnlessOffline(t *testing.T) {
	t.Parallel()
	for scope, survives := range map[string]bool{"openid": false, "openid offline_access": true} {
		w := newWorld(t)
		cookie, ls := w.aliceIn()
		w.authorize(request("scope", scope), cookie)
		code := w.response(w.approve(ls), callback).Get("code")
		got := w.tokens(w.post("/oauth2/token", redemption(code), as("web")))
		w.must(w.store.Tenant(w.acme.ID).EndSession(context.Background(), ls.ID, w.now(), event("session.ended")))
		if w.alive(got.Access) != survives {
			t.Errorf("%s: alive = %v after sign-out", scope, !survives)
		}
	}
}

// Row 58, TK-04.
func TestAttackGrantType(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, g := range []string{"password", "implicit", "urn:ietf:params:oauth:grant-type:device_code", "authorization_code refresh_token", "foo", "urn:ietf:params:oauth:grant-type:jwt-bearer"} {
		w.refused(w.post("/oauth2/token", form("grant_type", g), as("web")), 400, "unsupported_grant_type")
	}
	w.refused(w.post("/oauth2/token", form("x", "y"), as("web")), 400, "invalid_request")
	w.refused(w.post("/oauth2/token", form("grant_type", "client_credentials"), as("web")), 400, "unauthorized_client")
	w.refused(w.post("/oauth2/token", redemption("x"), as("m2m")), 400, "unauthorized_client")
	w.refused(w.post("/oauth2/token", form("grant_type", "refresh_token", "refresh_token", "x"), as("m2m")), 400, "unauthorized_client")
	w.refused(w.post("/oauth2/token", form("grant_type", "authorization_code"), as("web")), 400, "invalid_request")
	w.refused(w.post("/oauth2/token", form("grant_type", "refresh_token"), as("web")), 400, "invalid_request")
}

// TK-16.
func TestAttackClientCredentialsOfTheWrongClient(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.change("spa", func(c *storage.Client) {
		c.GrantTypes = []string{storage.GrantClientCredentials}
		c.ServiceTenant = w.acme.ID
	})
	w.refused(w.post("/oauth2/token", form("grant_type", "client_credentials", "client_id", "spa")), 400, "unauthorized_client")
	for _, scope := range []string{"openid", "openid monitor:read", "profile", "offline_access"} {
		w.refused(w.post("/oauth2/token", form("grant_type", "client_credentials", "scope", scope), as("m2m")), 400, "invalid_scope")
	}
	w.change("m2m", func(c *storage.Client) { c.DisabledAt = start })
	w.refused(w.post("/oauth2/token", form("grant_type", "client_credentials"), as("m2m")), 401, "invalid_client")
}

// Row 59, TK-01 to TK-03.
func TestAttackTokenRequestForm(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	body := form("grant_type", "client_credentials").Encode()
	if rec := w.do(get("/oauth2/token?grant_type=client_credentials&client_id=m2m&client_secret=" + url.QueryEscape(secret))); rec.Code != 405 || rec.Header().Get("Allow") == "" {
		t.Errorf("GET: %d", rec.Code)
	}
	w.refused(w.postRaw("/oauth2/token?client_secret=x", body, as("m2m")), 400, "invalid_request")
	w.refused(w.postRaw("/oauth2/token?x=y", body, as("m2m")), 400, "invalid_request")
	w.refused(w.postRaw("/oauth2/token", body+"&scope=a&scope=b", as("m2m")), 400, "invalid_request")
	w.refused(w.postRaw("/oauth2/token", body+"&grant_type=password", as("m2m")), 400, "invalid_request")
	for _, kind := range []string{"application/json", "multipart/form-data; boundary=x", "", "text/plain", "application/x-www-form-urlencoded; charset=utf-16"} {
		w.refused(w.postRaw("/oauth2/token", body, as("m2m"), func(r *http.Request) { r.Header.Set("Content-Type", kind) }), 400, "invalid_request")
	}
	if got := w.tokens(w.postRaw("/oauth2/token", body+"&foo=bar&scope=", as("m2m"))); got.Access == "" {
		t.Errorf("unknown and empty parameters are to be ignored: %s", got.Error)
	}
}

// Row 60, CA-02.
func TestAttackTwoClientAuthentications(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cc := func(pairs ...string) url.Values {
		return form(append([]string{"grant_type", "client_credentials"}, pairs...)...)
	}
	w.refused(w.post("/oauth2/token", cc("client_id", "m2m", "client_secret", secret), as("m2m")), 400, "invalid_request")
	w.refused(w.post("/oauth2/token", cc("client_secret", "wrong"), as("m2m")), 400, "invalid_request")
	w.refused(w.post("/oauth2/token", cc("client_id", "web"), as("m2m")), 400, "invalid_request")
	w.refused(w.post("/oauth2/token", cc(), as("m2m"), func(r *http.Request) { r.Header.Add("Authorization", "Bearer x") }), 400, "invalid_request")
}

// Row 61, CA-01, and CA-14.
func TestAttackClientAuthentication(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	code := redemption("x")
	w.refused(w.post("/oauth2/token", redemption("x", "client_id", "web", "client_secret", secret)), 401, "invalid_client")
	w.refused(w.post("/oauth2/token", code, as("post")), 401, "invalid_client")
	w.refused(w.post("/oauth2/token", redemption("x", "client_id", "post", "client_secret", secret)), 400, "invalid_grant")
	wrong := w.post("/oauth2/token", code, func(r *http.Request) { r.SetBasicAuth("web", "wrong") })
	unknown := w.post("/oauth2/token", code, func(r *http.Request) { r.SetBasicAuth("nobody", "wrong") })
	w.refused(wrong, 401, "invalid_client")
	if wrong.Body.String() != unknown.Body.String() || wrong.Code != unknown.Code || wrong.Header().Get("WWW-Authenticate") != unknown.Header().Get("WWW-Authenticate") {
		t.Error("an unknown client and a wrong secret must look the same")
	}
	if !strings.HasPrefix(wrong.Header().Get("WWW-Authenticate"), "Basic ") {
		t.Error("who used the header gets a challenge")
	}
	if rec := w.post("/oauth2/token", redemption("x", "client_id", "post", "client_secret", "x")); rec.Header().Get("WWW-Authenticate") != "" {
		t.Error("who did not use the header gets none")
	}
}

// Row 62, CA-03: the secret of these tests has every character that confuses.
func TestSecretInBasicIsFormDecoded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if got := w.tokens(w.post("/oauth2/token", form("grant_type", "client_credentials"), as("m2m"))); got.Access == "" {
		t.Error(got.Error)
	}
}

// Row 65, CA-10.
func TestAttackSecretOfAPublicClient(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cookie, ls := w.aliceIn()
	w.authorize(request("client_id", "spa"), cookie)
	code := w.response(w.approve(ls), callback).Get("code")
	w.refused(w.post("/oauth2/token", redemption(code, "client_id", "spa", "client_secret", secret, "code_verifier", "")), 400, "invalid_grant")
	if got := w.tokens(w.post("/oauth2/token", redemption(code, "client_id", "spa", "client_secret", secret))); got.Access == "" {
		t.Errorf("treated as public, with its verifier: %s", got.Error)
	}
	w.refused(w.post("/oauth2/token", form("grant_type", "client_credentials", "client_id", "spa", "client_secret", secret)), 400, "unauthorized_client")
}

// Row 66, TK-17: a machine is nobody's user.
func TestAttackClientNamedAsAUser(t *testing.T) {
	t.Parallel()
	if !storage.ReservedClientID("usr_01") {
		t.Error("a client could be given a user's id")
	}
	w := newWorld(t)
	got := w.tokens(w.post("/oauth2/token", form("grant_type", "client_credentials"), as("m2m")))
	if rec := w.do(get("/oauth2/userinfo", bearer(got.Access))); rec.Code != 403 || !strings.Contains(rec.Header().Get("WWW-Authenticate"), "insufficient_scope") {
		t.Errorf("a machine's token at UserInfo: %d %v", rec.Code, rec.Header())
	}
}

// Row 63 and 64: assertions are not accepted.
func TestAttackClientAssertion(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	jwt := w.granted().ID
	w.refused(w.post("/oauth2/token", redemption("x", "client_id", "web", "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "client_assertion", jwt)), 401, "invalid_client")
}

// TK-23.
func TestAttackOversizedRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if rec := w.postRaw("/oauth2/token", "grant_type="+strings.Repeat("x", 70000), as("web")); rec.Code != 413 {
		t.Errorf("70 KB body: %d", rec.Code)
	}
	if rec := w.postRaw("/oauth2/token", strings.Repeat("a=b&", 100), as("web")); rec.Code != 413 && rec.Code != 400 {
		t.Errorf("100 parameters: %d", rec.Code)
	}
}

// RV-01: to a client of another tenant there is no such token; to one that could
// know it, it is refused.
func TestAttackRevocationAcrossTenants(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.client("globex-app", func(c *storage.Client) { c.Owner = w.globex.ID })
	w.client("acme-app", func(c *storage.Client) { c.Owner = w.acme.ID })
	w.client("globex-m2m", func(c *storage.Client) {
		c.GrantTypes, c.ServiceTenant = []string{storage.GrantClientCredentials}, w.globex.ID
	})
	got := w.granted()
	nothing := w.post("/oauth2/revoke", form("token", token.New(token.Access, start.Add(time.Hour))), as("globex-app"))
	for _, theirs := range []string{got.Access, got.Refresh} {
		for _, stranger := range []string{"globex-app", "globex-m2m"} {
			rec := w.post("/oauth2/revoke", form("token", theirs), as(stranger))
			if rec.Code != nothing.Code || rec.Body.String() != nothing.Body.String() {
				t.Errorf("%s, %.5s: %d %s", stranger, theirs, rec.Code, rec.Body)
			}
		}
		w.refused(w.post("/oauth2/revoke", form("token", theirs), as("acme-app")), 400, "unauthorized_client")
		w.refused(w.post("/oauth2/revoke", form("token", theirs), as("m2m")), 400, "unauthorized_client")
	}
	if !w.alive(got.Access) || w.refresh(got.Refresh, "web").Access == "" {
		t.Error("somebody else's revocation killed it")
	}
}

// RV-01 and RV-02.
func TestAttackRevocation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	got := w.granted()
	w.refused(w.post("/oauth2/revoke", form("token", got.Access), as("other")), 400, "unauthorized_client")
	w.refused(w.post("/oauth2/revoke", form("token", got.Refresh), as("other")), 400, "unauthorized_client")
	w.refused(w.post("/oauth2/revoke", form("token", got.Refresh, "client_id", "spa")), 400, "unauthorized_client")
	w.refused(w.post("/oauth2/revoke", form("token", got.Access, "client_id", "web")), 401, "invalid_client")
	w.refused(w.post("/oauth2/revoke", form("x", "y"), as("web")), 400, "invalid_request")
	if !w.alive(got.Access) || w.refresh(got.Refresh, "web").Access == "" {
		t.Error("nobody else can revoke a client's tokens")
	}
	for _, nothing := range []string{"garbage", "wgat_x", "wgrt_x", token.New(token.Access, start.Add(time.Hour)), token.New(token.Refresh, start.Add(time.Hour)), w.code(request()), got.ID, strings.Repeat("x", 5000)} {
		if rec := w.post("/oauth2/revoke", form("token", nothing, "callback", "f"), as("web")); rec.Code != 200 || rec.Body.Len() != 0 {
			t.Errorf("%.20s: %d %s", nothing, rec.Code, rec.Body)
		}
	}
	if rec := w.do(get("/oauth2/revoke?token=" + got.Access)); rec.Code != 405 {
		t.Errorf("GET: %d", rec.Code)
	}
}
