package idp_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/storage"
)

func TestPersonSignsInConsentsAndTheAppIsAnswered(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	consent := b.signIn("alice@acme.test")
	for _, want := range []string{
		"Example app", "app.example", "Acme", "Alice Archer", "alice@acme.test", "See your monitors", "monitor:read",
		"See your e-mail address", "30 days", `id="consent-approve"`, `id="consent-deny"`,
	} {
		if !strings.Contains(consent.Body.String(), want) {
			t.Errorf("the consent page lacks %q", want)
		}
	}
	if to := b.submit(consent, "decision", "allow").location(); to != "https://app.example/cb?code=c" {
		t.Errorf("the browser goes to %q", to)
	}
	if len(h.engine.approved) != 1 || h.engine.approved[0].version != 1 || h.engine.approved[0].session.Tenant.Slug != "acme" {
		t.Errorf("approved = %+v", h.engine.approved)
	}
	if !slices.Contains(h.events("acme"), "session.started") {
		t.Errorf("events = %v", h.events("acme"))
	}
}

func TestUserIsCreatedFromTheProvidersWordsAndUpdated(t *testing.T) {
	h := newHouse(t)
	h.browser().signIn("alice@acme.test")
	users := h.users("acme")
	if len(users) != 1 || users[0].Email != "alice@acme.test" || !users[0].EmailVerified || users[0].Role != storage.RoleMember {
		t.Fatalf("users = %+v", users)
	}
	h.op["acme"].Person["email"] = "alice.archer@acme.test"
	h.browser().signIn("alice@acme.test")
	again := h.users("acme")
	if len(again) != 1 || again[0].ID != users[0].ID || again[0].Email != "alice.archer@acme.test" {
		t.Errorf("users = %+v", again)
	}
}

func TestDenialGoesBackToTheApp(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	to := b.submit(b.signIn("alice@acme.test"), "decision", "deny").location()
	if to != "https://app.example/cb?error=access_denied" || len(h.engine.approved) != 0 {
		t.Errorf("to %q, approved %v", to, h.engine.approved)
	}
	if !slices.Contains(h.events("acme"), "consent.denied access_denied") {
		t.Errorf("events = %v", h.events("acme"))
	}
}

func TestNoQuestionWhereConsentIsRemembered(t *testing.T) {
	h := newHouse(t)
	h.engine.ask = false
	if to := h.browser().signIn("alice@acme.test").location(); to != "https://app.example/cb?code=c" {
		t.Errorf("to %q", to)
	}
	if len(h.engine.approved) != 1 || h.engine.approved[0].version != 0 {
		t.Errorf("approved = %+v", h.engine.approved)
	}
}

func TestConsentPageWarnsAboutUnverifiedAndLoopbackApps(t *testing.T) {
	h := newHouse(t)
	h.request.Client, h.request.RedirectURI = "cli", "http://127.0.0.1:49152/cb"
	p := h.browser().signIn("alice@acme.test")
	for _, want := range []string{"not verified", "runs on this computer", "127.0.0.1:49152", "Example CLI"} {
		if !strings.Contains(p.text(), want) {
			t.Errorf("the consent page lacks %q", want)
		}
	}
	if csp := p.Header().Get("Content-Security-Policy"); !strings.Contains(csp, "form-action 'self' http://127.0.0.1:49152;") {
		t.Errorf("form-action must name the app's origin and no other: %s", csp)
	}
}

func TestSecondRequestUsesTheSession(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	b.signIn("alice@acme.test")
	consent := b.get(b.get(b.open()).location())
	if !strings.Contains(consent.text(), "wants access to") {
		t.Errorf("page = %s", consent.text())
	}
	if n := h.op["acme"].Seen("/authorize"); n != 1 {
		t.Errorf("the provider was asked %d times", n)
	}
}

func TestLoginHintGoesStraightToTheConnection(t *testing.T) {
	h := newHouse(t)
	h.request.LoginHint = "alice@acme.test"
	b := h.browser()
	to := b.open()
	if !strings.HasPrefix(to, h.op["acme"].Issuer+"/authorize?") || !strings.Contains(to, "login_hint=alice%40acme.test") {
		t.Errorf("to %q", to)
	}
	if p := b.get(b.get(h.provider(to)).location()); !strings.Contains(p.text(), "wants access to") {
		t.Errorf("page = %s", p.text())
	}
}

// A post that another site made the browser send has no cookies, and says nothing of who
// is signed in: it leads to our own page first, which is asked for with them.
func TestLoginHintOfAPostGoesToTheFirstPage(t *testing.T) {
	h := newHouse(t)
	h.mux.Page("POST /start", func(w http.ResponseWriter, r *http.Request) error {
		req := h.request
		req.At = h.clock.Now()
		return h.server.Begin(w, r, req)
	})
	h.request.LoginHint = "alice@acme.test"
	b := h.browser()
	to := b.postFrom("/start", nil, "cross-site").location()
	if !strings.HasPrefix(to, "/login/") {
		t.Errorf("to %q", to)
	}
}

func TestLoginHintOfAClosedTenantIsAPage(t *testing.T) {
	h := newHouse(t)
	h.request.LoginHint = "alice@acme.test"
	h.suspend("acme", "Unpaid since May")
	b := h.browser()
	b.get(b.open()).wants(http.StatusForbidden, "tenant_suspended")
}

func TestLoginHintNeverAuthenticates(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	b.signIn("alice@acme.test")
	h.request.LoginHint = "bob@acme.test"
	if to := b.get(b.open()).location(); !strings.HasPrefix(to, h.op["acme"].Issuer) {
		t.Errorf("somebody else is asked to sign in at %q", to)
	}
	for _, hint := range []string{"bob@unknown.test", "bob", "<script>", strings.Repeat("x", 300) + "@acme.test"} {
		h.request.LoginHint = hint
		if p := b.get(b.open()); !strings.Contains(p.text(), "Choose an organization") {
			t.Errorf("hint %q: %s", hint, p.text())
		}
	}
}

func TestPersonWhoComesBackWithoutSigningInChoosesAgain(t *testing.T) {
	h := newHouse(t)
	h.request.LoginHint = "alice@acme.test"
	b := h.browser()
	login := loginOf(b.open())
	if p := b.get(login); !strings.Contains(p.text(), "Work e-mail") {
		t.Fatalf("page = %s", p.text())
	}
	back := h.provider(b.toProvider(login, "carol@globex.test"))
	if p := b.get(b.get(back).location()); !strings.Contains(p.text(), "Globex") {
		t.Errorf("page = %s", p.text())
	}
}

// loginOf is the path of the transaction that a trip to a provider belongs to.
func loginOf(trip string) string {
	_, state, _ := strings.Cut(trip, "state=")
	login, _, _ := strings.Cut(state, ".")
	return "/login/" + login
}

func TestTwoTenantsSideBySide(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	b.signIn("alice@acme.test")
	b.get("/oauth2/logout")
	login := b.open() // goes on as alice; somebody else can sign in, too
	other := h.provider(b.toProvider(login, "carol@globex.test"))
	b.get(b.get(other).location())
	choice := b.get(b.open())
	for _, want := range []string{"Acme", "alice@acme.test", "Globex", "carol@globex.test", "Use another account"} {
		if !strings.Contains(choice.text(), want) {
			t.Errorf("the choice lacks %q: %s", want, choice.text())
		}
	}
	if p := b.get(b.submit(choice, "tenant", "globex").location()); !strings.Contains(p.text(), "carol@globex.test") {
		t.Errorf("page = %s", p.text())
	}
	another := b.get(b.submit(b.get(b.open()), "another_account", "1").location())
	if !strings.Contains(another.text(), "Work e-mail") {
		t.Errorf("page = %s", another.text())
	}
}

func TestPromptSelectAccountAsksEvenWithOneSession(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	b.signIn("alice@acme.test")
	h.request.Prompt, h.request.LoginHint = []string{"select_account"}, "alice@acme.test"
	if p := b.get(b.open()); !strings.Contains(p.text(), "Choose an organization") {
		t.Errorf("page = %s", p.text())
	}
}

func TestPromptLoginAndMaxAgeAskTheProviderAgain(t *testing.T) {
	minute := int64(60)
	for name, set := range map[string]func(r *storage.AuthorizeRequest){
		"prompt=login": func(r *storage.AuthorizeRequest) { r.Prompt = []string{"login"} },
		"max_age=60":   func(r *storage.AuthorizeRequest) { r.MaxAge = &minute },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			b := h.browser()
			b.signIn("alice@acme.test")
			h.clock.Forward(5 * time.Minute)
			set(&h.request)
			back := h.provider(b.get(b.open()).location())
			asked := h.op["acme"].Asked()
			if asked.Get("max_age") == "" || (name == "prompt=login") != (asked.Get("prompt") == "login") {
				t.Errorf("asked upstream: %v", asked)
			}
			b.submit(b.get(b.get(back).location()), "decision", "allow")
			if len(h.engine.approved) != 1 || !h.engine.approved[0].session.AuthTime.Equal(h.clock.Now()) {
				t.Errorf("approved = %+v", h.engine.approved)
			}
		})
	}
}

func TestEssentialACRAsksTheProviderAgain(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	b.signIn("alice@acme.test")
	h.request.EssentialACR = []string{"urn:two"}
	h.request.ACRValues = []string{"urn:three"}
	h.provider(b.get(b.open()).location())
	if got := h.op["acme"].Asked().Get("acr_values"); got != "urn:two urn:three" {
		t.Errorf("acr_values = %q", got)
	}
	h.op["acme"].Person["acr"] = "urn:two"
	back := h.provider(b.get(b.open()).location())
	b.get(b.get(back).location())
	if to := b.get(b.open()).location(); !strings.HasPrefix(to, "/login/") {
		t.Errorf("to %q, though the session reaches the level", to)
	}
	h.request.EssentialACR, h.request.ACRValues = nil, []string{"urn:nine"}
	if to := b.get(b.open()).location(); !strings.HasPrefix(to, "/login/") {
		t.Errorf("acr_values are a wish, and it leads to %q", to)
	}
}

func TestSessionYoungerThanMaxAgeIsUsed(t *testing.T) {
	h := newHouse(t)
	h.saysAuthTime()
	b := h.browser()
	b.signIn("alice@acme.test")
	h.clock.Forward(5 * time.Minute)
	age := int64(3600)
	h.request.MaxAge = &age
	if to := b.get(b.open()).location(); !strings.HasPrefix(to, "/login/") {
		t.Errorf("to %q, though the session is young enough", to)
	}
	huge := int64(1) << 62
	h.request.MaxAge = &huge
	if to := b.get(b.open()).location(); !strings.HasPrefix(to, "/login/") {
		t.Errorf("max_age near the limit of int64: to %q", to)
	}
}

func TestIDTokenHintOfSomebodyElseIsLoginRequired(t *testing.T) {
	h := newHouse(t)
	h.request.HintSubject = "usr_somebody"
	if to := h.browser().signIn("alice@acme.test").location(); to != "https://app.example/cb?error=login_required" {
		t.Errorf("to %q", to)
	}
	if !slices.Contains(h.events("acme"), "sign_in.refused login_required") {
		t.Errorf("events = %v", h.events("acme"))
	}
}

// An id_token_hint that is none of ours says that the app means somebody, and
// not whom.
func TestAttackStrangeHintChoosesNobody(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	b.signIn("alice@acme.test")
	h.engine.ask, h.request.StrangeHint = false, true
	choice := b.get(b.open())
	if !strings.Contains(choice.text(), "Choose an organization") {
		t.Fatalf("page = %s", choice.text())
	}
	h.request.LoginHint = "alice@acme.test"
	if p := b.get(b.open()); !strings.Contains(p.text(), "Choose an organization") {
		t.Errorf("page = %s", p.text())
	}
	newcomer := h.browser()
	if p := newcomer.get(newcomer.open()); !strings.Contains(p.text(), "Work e-mail") {
		t.Errorf("page = %s", p.text())
	}
	if to := b.get(b.submit(choice, "tenant", "acme").location()).location(); to != "https://app.example/cb?code=c" {
		t.Errorf("who has chosen goes to %q", to)
	}
}

// saysAuthTime makes acme's provider say when it authenticated, unasked.
func (h *house) saysAuthTime() {
	h.op["acme"].Claims = func(c map[string]any) { c["auth_time"] = h.clock.Now().Unix() }
}

// What a provider's clock may be behind is for what it says of just now.
func TestAttackSessionALittleOlderThanMaxAge(t *testing.T) {
	h := newHouse(t)
	h.saysAuthTime()
	b := h.browser()
	b.signIn("alice@acme.test")
	h.clock.Forward(2 * time.Second)
	for _, age := range []int64{0, 1} {
		h.request.MaxAge = &age
		if to := b.get(b.open()).location(); !strings.HasPrefix(to, h.op["acme"].Issuer) {
			t.Errorf("max_age=%d: to %q", age, to)
		}
	}
}

func TestAuthTimeIsNeverInvented(t *testing.T) {
	h := newHouse(t)
	h.op["acme"].Claims = func(c map[string]any) { delete(c, "auth_time") }
	b := h.browser()
	b.submit(b.signIn("alice@acme.test"), "decision", "allow")
	if at := h.engine.approved[0].session.AuthTime; !at.IsZero() {
		t.Errorf("auth_time %v, which nobody said", at)
	}
	for _, age := range []int64{60, 3600, 1 << 62} {
		h.request.MaxAge = &age
		to := b.get(b.open()).location()
		if !strings.Contains(to, h.op["acme"].Issuer+"/authorize?") || !strings.Contains(to, "max_age=") {
			t.Fatalf("max_age=%d is answered by an authentication of unknown age: %q", age, to)
		}
		b.get(h.provider(to)).wants(http.StatusBadRequest, "upstream_stale")
	}
}

func TestAuthTimeOfAProviderWhoseClockIsAhead(t *testing.T) {
	h := newHouse(t)
	h.op["acme"].Claims = func(c map[string]any) { c["auth_time"] = h.clock.Now().Add(30 * time.Second).Unix() }
	b := h.browser()
	b.submit(b.signIn("alice@acme.test"), "decision", "allow")
	if at := h.engine.approved[0].session.AuthTime; !at.Equal(h.clock.Now()) {
		t.Errorf("auth_time %v, want now", at)
	}
}

func TestOwnPagesAreReachedBySigningIn(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	login := b.get("/login?return_to=/oauth2/logout").location()
	back := h.provider(b.toProvider(login, "alice@acme.test"))
	if to := b.get(back).location(); to != "/oauth2/logout" {
		t.Errorf("to %q", to)
	}
	if to := b.get("/login?return_to=/oauth2/logout").location(); to != "/oauth2/logout" {
		t.Errorf("signed in already, to %q", to)
	}
}

func TestPersonUnknownWhereUsersAreNotCreated(t *testing.T) {
	h := newHouse(t)
	h.change("acme", func(c *storage.Connection) { c.CreateUsers = false })
	b := h.browser()
	back := h.provider(b.toProvider(b.open(), "alice@acme.test"))
	b.get(back).wants(http.StatusForbidden, "no_account")
	if len(h.users("acme")) != 0 || !slices.Contains(h.events("acme"), "sign_in.refused no_account") {
		t.Errorf("users %v, events %v", h.users("acme"), h.events("acme"))
	}
}

// change updates a tenant's connection.
func (h *house) change(slug string, f func(*storage.Connection)) {
	h.t.Helper()
	ctx, tenant := h.t.Context(), h.store.Tenant(h.tenants[slug])
	con, err := tenant.Connection(ctx, storage.ConnectionID("con_"+slug))
	h.must(err)
	f(&con)
	h.must(tenant.UpdateConnection(ctx, con, audit.ConnectionUpdated(ctx, h.clock.Now(), con)))
}

func TestDisabledUser(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	consent := b.signIn("alice@acme.test")
	u := h.users("acme")[0]
	u.DisabledAt = h.clock.Now()
	h.must(h.store.Tenant(h.tenants["acme"]).UpdateUser(t.Context(), u, audit.UserDisabled(t.Context(), h.clock.Now(), u)))
	b.submit(consent, "decision", "allow").wants(http.StatusForbidden, "user_suspended")
	if b.signedIn() {
		t.Error("the session of a disabled person is used")
	}
	b.get(h.provider(b.toProvider(b.open(), "alice@acme.test"))).wants(http.StatusForbidden, "user_suspended")
}

func TestDisabledConnection(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	back := h.provider(b.toProvider(b.open(), "alice@acme.test"))
	h.change("acme", func(c *storage.Connection) { c.DisabledAt = h.clock.Now() })
	b.get(back).wants(http.StatusForbidden, "connection_disabled")
	b.submit(b.get(b.open()), "email", "alice@acme.test").wants(http.StatusForbidden, "connection_disabled")
	if h.op["acme"].Seen("/token") != 0 {
		t.Error("the code was redeemed all the same")
	}
}

func TestSuspendedTenant(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	consent := b.signIn("alice@acme.test")
	back := h.provider(b.toProvider(b.open(), "alice@acme.test"))
	tenant, err := h.store.TenantBySlug(t.Context(), "acme")
	h.must(err)
	tenant.SuspendedAt, tenant.SuspendReason = h.clock.Now(), "Unpaid since May"
	h.must(h.store.UpdateTenant(t.Context(), tenant, audit.TenantSuspended(t.Context(), h.clock.Now(), tenant)))
	for step, p := range map[string]page{
		"callback": b.get(back),
		"consent":  b.submit(consent, "decision", "allow"),
		"e-mail":   b.submit(b.get(b.open()), "email", "alice@acme.test"),
	} {
		p.wants(http.StatusForbidden, "tenant_suspended")
		if !strings.Contains(p.text(), "Unpaid since May") {
			t.Errorf("%s: the page lacks the operator's reason: %s", step, p.text())
		}
	}
	if !slices.Contains(h.events("acme"), "tenant.suspended") {
		t.Errorf("the tenant cannot read that it was suspended: %v", h.events("acme"))
	}
}

func TestAppThatTheTenantDoesNotAllow(t *testing.T) {
	h := newHouse(t)
	tenant, err := h.store.TenantBySlug(t.Context(), "acme")
	h.must(err)
	tenant.Policy.OnlyListedClients = true
	h.must(h.store.UpdateTenant(t.Context(), tenant, audit.TenantUpdated(t.Context(), h.clock.Now(), tenant)))
	h.browser().signIn("alice@acme.test").wants(http.StatusForbidden, "client_not_allowed")
}

func TestDisabledApp(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	consent := b.signIn("alice@acme.test")
	c, err := h.store.Client(t.Context(), "app")
	h.must(err)
	c.DisabledAt = h.clock.Now()
	h.must(h.store.UpdateClient(t.Context(), c, audit.ClientDisabled(t.Context(), h.clock.Now(), c)))
	b.submit(consent, "decision", "allow").wants(http.StatusForbidden, "client_disabled")
}

func TestApprovalThatFailsIsAPage(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	consent := b.signIn("alice@acme.test")
	h.engine.fail = storage.ErrConflict
	b.submit(consent, "decision", "allow").wants(http.StatusForbidden, "access_denied")
	h.engine.fail = nil
	b.submit(consent, "decision", "allow").wants(http.StatusBadRequest, "already_used")
}

func TestProblemsOfTheProvider(t *testing.T) {
	for name, c := range map[string]struct {
		bend   func(h *house)
		status int
		code   string
	}{
		"answer fails a check": {func(h *house) { h.op["acme"].Claims = func(m map[string]any) { delete(m, "nonce") } }, http.StatusBadRequest, "upstream_invalid"},
		"reports an error":     {func(h *house) { h.op["acme"].Response = respond("server_error") }, http.StatusBadGateway, "upstream_error"},
		"is down": {func(h *house) {
			h.op["acme"].Intercept = func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path == "/token" {
					w.WriteHeader(http.StatusBadGateway)
				}
				return r.URL.Path == "/token"
			}
		}, http.StatusServiceUnavailable, "upstream_unavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			c.bend(h)
			b := h.browser()
			login := b.open()
			b.get(h.provider(b.toProvider(login, "alice@acme.test"))).wants(c.status, c.code)
			if !slices.Contains(h.events("acme"), "sign_in.refused "+c.code) {
				t.Errorf("events = %v", h.events("acme"))
			}
			if p := b.get(login); !strings.Contains(p.text(), "Work e-mail") {
				t.Errorf("the transaction must wait for another attempt: %s", p.text())
			}
		})
	}
}

func TestPersonWhoCancelsAtTheProviderGoesBackToTheApp(t *testing.T) {
	h := newHouse(t)
	h.op["acme"].Response = respond("access_denied")
	b := h.browser()
	to := b.get(h.provider(b.toProvider(b.open(), "alice@acme.test"))).location()
	if to != "https://app.example/cb?error=access_denied" {
		t.Errorf("to %q", to)
	}
}

func TestStoreOutageIs503(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	login := b.open()
	h.store.goAway(true)
	for _, p := range []page{b.get(login), b.get("/start"), b.post(login, nil), b.get("/login/callback/con_acme?state=a.b&code=c")} {
		p.wants(http.StatusServiceUnavailable, "temporarily_unavailable")
		if p.Header().Get("Retry-After") == "" || strings.Contains(p.Body.String(), "refused") {
			t.Errorf("%s: Retry-After %q, page %s", p.path, p.Header().Get("Retry-After"), p.text())
		}
	}
	h.store.goAway(false)
	if p := b.get(login); p.Code != http.StatusOK {
		t.Errorf("status %d after the outage", p.Code)
	}
}
