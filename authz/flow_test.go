package authz_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestCodeFlowGivesTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rec := w.post("/oauth2/token", redemption(w.code(request())), as("web"))
	got := w.tokens(rec)
	if got.Type != "Bearer" || got.Expires != 3600 || got.Scope != "openid monitor:read offline_access" {
		t.Errorf("got %+v", got)
	}
	if !strings.HasPrefix(got.Access, "wgat_") || !strings.HasPrefix(got.Refresh, "wgrt_") {
		t.Errorf("tokens %q %q have other prefixes", got.Access, got.Refresh)
	}
	for name, want := range map[string]string{"Content-Type": "application/json", "Cache-Control": "no-store", "Pragma": "no-cache", "Access-Control-Allow-Origin": "*"} {
		if rec.Header().Get(name) != want {
			t.Errorf("%s = %q, want %q", name, rec.Header().Get(name), want)
		}
	}
	if !w.alive(got.Access) {
		t.Error("the access token is not live")
	}
}

func TestIDTokenSaysWhoAndHow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	got := w.claims(w.granted().ID)
	for _, varying := range []string{"at_hash", "sid"} {
		if s, _ := got[varying].(string); s == "" {
			t.Errorf("%s is missing", varying)
		}
		delete(got, varying)
	}
	want := map[string]any{
		"iss": issuer, "sub": string(w.alice.ID), "aud": "web", "nonce": "the-nonce", "acr": "urn:mfa", "amr": []any{"pwd", "otp"},
		"iat": float64(start.Unix()), "exp": float64(start.Add(time.Hour).Unix()), "auth_time": float64(start.Unix()),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestRefreshKeepsTheAccessTokensInUse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.granted()
	second := w.refresh(first.Refresh, "web")
	if second.Access == "" || second.Access == first.Access || second.Refresh == first.Refresh {
		t.Fatalf("got %+v", second)
	}
	if !w.alive(first.Access) || !w.alive(second.Access) {
		t.Error("a refresh must not kill access tokens in use")
	}
	was, is := w.claims(first.ID), w.claims(second.ID)
	if is["sub"] != was["sub"] || is["auth_time"] != was["auth_time"] || is["nonce"] != nil {
		t.Errorf("refreshed ID token %v", is)
	}
}

func TestClientCredentialsGiveATokenOfTheServiceTenant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	got := w.tokens(w.post("/oauth2/token", form("grant_type", "client_credentials"), as("m2m")))
	if got.Scope != "monitor:read alert:write" || got.Refresh != "" || got.ID != "" || !w.alive(got.Access) {
		t.Errorf("got %+v", got)
	}
	narrow := w.tokens(w.post("/oauth2/token", form("grant_type", "client_credentials", "scope", "monitor:read", "resource", audience), as("m2m")))
	if narrow.Scope != "monitor:read" {
		t.Errorf("scope = %q", narrow.Scope)
	}
}

func TestSessionWithConsentAnswersAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cookie, ls := w.aliceIn()
	w.authorize(request(), cookie)
	w.response(w.approve(ls), callback)
	got := w.response(w.authorize(request(), cookie), callback)
	if got.Get("code") == "" || got.Get("state") != "the-state" || got.Get("iss") != issuer || len(got) != 3 {
		t.Errorf("got %v", got)
	}
}

func TestFormPostAnswersByPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cookie, ls := w.aliceIn()
	w.authorize(request("response_mode", "form_post"), cookie)
	rec := w.approve(ls)
	body := rec.Body.String()
	if rec.Code != http.StatusOK || !strings.Contains(body, `action="`+callback+`"`) || !strings.Contains(body, `name="code"`) || !strings.Contains(body, `name="iss"`) {
		t.Errorf("status %d\n%s", rec.Code, body)
	}
	if rec.Header().Get("Location") != "" {
		t.Error("form_post must not redirect")
	}
	direct := w.authorize(request("response_mode", "form_post"), cookie)
	if csp := direct.Header().Get("Content-Security-Policy"); !strings.Contains(csp, "form-action 'self' https://app.example.com") || !strings.Contains(csp, "script-src 'sha256-") {
		t.Errorf("policy %q does not let the form go", csp)
	}
}

func TestUserInfoFollowsTheScopes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	got := w.granted("scope", "openid email")
	rec := w.do(get("/oauth2/userinfo", bearer(got.Access)))
	want := `{"email":"alice@acme.test","email_verified":true,"sub":"` + string(w.alice.ID) + `"}`
	if rec.Code != 200 || rec.Body.String() != want {
		t.Errorf("%d %s, want %s", rec.Code, rec.Body, want)
	}
}

// What a person proved by a mail of ours is verified, while it is their address (OIDC
// Core 1.0 section 5.1).
func TestAddressIsVerifiedByTheProviderOrByUs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	got := w.granted("scope", "openid email")
	for _, c := range []struct {
		provider bool
		proved   string
		want     bool
	}{{false, "", false}, {false, "old@acme.test", false}, {false, "alice@acme.test", true}, {true, "", true}} {
		u, err := w.store.Tenant(w.acme.ID).User(t.Context(), w.alice.ID)
		w.must(err)
		u.EmailVerified, u.ProvedEmail = c.provider, c.proved
		w.must(w.store.Tenant(w.acme.ID).UpdateUser(t.Context(), u, event("user.updated")))
		if is := w.userinfo(get("/oauth2/userinfo", bearer(got.Access)))["email_verified"]; is != c.want {
			t.Errorf("%+v: %v", c, is)
		}
	}
}

func TestRevokedAccessTokenDiesAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	got := w.granted()
	other := w.refresh(got.Refresh, "web")
	if rec := w.post("/oauth2/revoke", form("token", got.Access), as("web")); rec.Code != 200 || rec.Body.Len() != 0 {
		t.Fatalf("revoke: %d %s", rec.Code, rec.Body)
	}
	if w.alive(got.Access) || !w.alive(other.Access) {
		t.Error("exactly the revoked token must die")
	}
	if again := w.refresh(other.Refresh, "web"); again.Access == "" {
		t.Errorf("the refresh token must survive: %s", again.Error)
	}
}

func TestRevokedRefreshTokenTakesItsFamilyAlong(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	got := w.granted()
	if rec := w.post("/oauth2/revoke", form("token", got.Refresh, "token_type_hint", "nonsense"), as("web")); rec.Code != 200 {
		t.Fatalf("revoke: %d %s", rec.Code, rec.Body)
	}
	if w.alive(got.Access) {
		t.Error("the access token must die with its grant")
	}
	if again := w.refresh(got.Refresh, "web"); again.Error != "invalid_grant" {
		t.Errorf("refresh after revocation: %+v", again)
	}
}

func TestEveryDecisionIsRecorded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	got := w.granted()
	w.refresh(got.Refresh, "web")
	w.post("/oauth2/revoke", form("token", got.Access), as("web"))
	w.post("/oauth2/revoke", form("token", got.Refresh), as("web"))
	w.post("/oauth2/token", form("grant_type", "client_credentials"), as("m2m"))
	w.post("/oauth2/token", form("grant_type", "client_credentials", "client_id", "m2m", "client_secret", "x"))
	w.authorize(request("scope", "nope"))
	w.authorize(request("redirect_uri", "https://evil.example.com"))
	for kind, n := range map[string]int{
		"consent.given": 1, "code.issued": 1, "code.redeemed": 1, "token.refreshed": 1, "token.revoked": 1, "grant.revoked": 1,
		"token.issued": 1, "client.auth_failed": 1, "authorize.refused": 2,
	} {
		if got := w.recorded(kind); got != n {
			t.Errorf("%s: %d events, want %d", kind, got, n)
		}
	}
}
