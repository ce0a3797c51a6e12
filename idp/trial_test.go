package idp_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/idp"
	"github.com/watchgate/watchgate/internal/seal"
	"github.com/watchgate/watchgate/storage"
)

// openTrial makes a trial of acme's connection; it returns its id and its path.
func (h *house) openTrial() (storage.TestID, string) {
	h.t.Helper()
	ctx, now := h.t.Context(), h.clock.Now()
	test := storage.ConnectionTest{ID: storage.NewTestID(now), Connection: "con_acme", CreatedAt: now, ExpiresAt: now.Add(24 * time.Hour)}
	h.must(h.store.Tenant(h.tenants["acme"]).PutConnectionTest(ctx, test, audit.ConnectionTested(ctx, now, test)))
	return test.ID, "/login/test/" + string(h.tenants["acme"]) + "/" + string(test.ID)
}

func (h *house) trialReport(id storage.TestID) (storage.ConnectionTest, idp.TrialReport) {
	h.t.Helper()
	test, err := h.store.Tenant(h.tenants["acme"]).ConnectionTest(h.t.Context(), id, h.clock.Now())
	h.must(err)
	var report idp.TrialReport
	if test.Report != nil {
		h.must(json.Unmarshal(test.Report, &report))
	}
	return test, report
}

// verdicts are those of a report by their checks.
func verdicts(r idp.TrialReport) map[string]idp.Verdict {
	all := map[string]idp.Verdict{}
	for _, f := range r.Findings {
		all[f.Check] = f.Verdict
	}
	return all
}

// untouched fails the test if anybody of acme was made, changed or signed in.
func (h *house) untouched(before []storage.User, b *browser) {
	h.t.Helper()
	if diff := cmp.Diff(before, h.users("acme")); diff != "" {
		h.t.Errorf("people (-before +after):\n%s", diff)
	}
	for _, u := range before {
		sessions, err := h.store.Tenant(h.tenants["acme"]).ListSessions(h.t.Context(), u.ID, h.clock.Now())
		h.must(err)
		if len(sessions) != 0 {
			h.t.Errorf("sessions of %s: %+v", u.Email, sessions)
		}
	}
	if left := b.cookies(); len(left) != 0 {
		h.t.Errorf("cookies left: %v", left)
	}
	for _, kind := range h.events("acme") {
		if strings.HasPrefix(kind, "session.") || strings.HasPrefix(kind, "user.") && kind != "user.invited" {
			h.t.Errorf("events = %v", h.events("acme"))
		}
	}
}

func TestTrialSaysWhatWouldHappenAndTouchesNobody(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.change("acme", func(c *storage.Connection) {
			c.DisabledAt, c.RoleClaim = h.clock.Now(), "groups"
			c.Settings.RoleRules = []storage.RoleRule{{Value: "sre", Role: storage.RoleAdmin}}
			c.Settings.MFA.AMR = []string{"otp"}
		})
		h.says("acme", "groups", []any{"everyone", "sre"})
		h.says("acme", "amr", []any{"otp"})
		h.invite("acme", "alice@acme.test", storage.RoleViewer)
		before := h.users("acme")
		id, path := h.openTrial()
		b := h.browser()
		p := b.get(h.provider(b.get(path).location()))
		if p.Code != http.StatusOK {
			t.Fatalf("status %d: %s", p.Code, p.text())
		}
		for _, want := range []string{"This connection works", "Nobody was signed in", "alice@acme.test", "groups", "sre", "admin", "second factor"} {
			if !strings.Contains(p.text(), want) {
				t.Errorf("the page lacks %q: %s", want, p.text())
			}
		}
		test, report := h.trialReport(id)
		if !test.DoneAt.Equal(h.clock.Now()) || report.Role != storage.RoleAdmin || report.RoleReason != "" || report.Level != storage.LevelMFA ||
			report.Email != "alice@acme.test" || !report.EmailVerified || report.Claims["sub"] != "alice-sub" || report.Claims["nonce"] != nil {
			t.Errorf("report %+v", report)
		}
		got := verdicts(report)
		for _, check := range []string{"redirect_uri", "client_secret", "answer", "address", "account", "role", "second_factor"} {
			if got[check] != idp.VerdictOK {
				t.Errorf("%s: %q", check, got[check])
			}
		}
		h.untouched(before, b)
	})
}

func TestTrialNamesWhatIsWrong(t *testing.T) {
	for name, c := range map[string]struct {
		set    func(h *house)
		check  string
		want   idp.Verdict
		reason string
	}{
		"the groups do not come": {func(h *house) { h.nameClaim("acme", "groups") }, "role", idp.VerdictFailed, idp.ReasonAbsent},
		"no rule fits": {func(h *house) {
			h.nameClaim("acme", "groups")
			h.says("acme", "groups", []any{"everyone"})
		}, "role", idp.VerdictFailed, idp.ReasonNoRule},
		"the address is not verified": {func(h *house) { h.says("acme", "email_verified", false) }, "address", idp.VerdictWarning, ""},
		"no address":                  {func(h *house) { h.says("acme", "email", nil) }, "address", idp.VerdictWarning, ""},
		"a domain of nobody":          {func(h *house) { h.says("acme", "email", "a@nowhere.test") }, "address", idp.VerdictWarning, ""},
		"a domain that another connection has to be used for": {func(h *house) {
			h.invite("acme", "x@acme.test", storage.RoleOwner)
			h.putDomain("acme", storage.Domain{Name: "acme.test", Connection: "con_passkey_acme", VerifiedAt: h.clock.Now(), SSORequired: true})
		}, "address", idp.VerdictFailed, ""},
		"no accounts are made": {func(h *house) { h.change("acme", func(c *storage.Connection) { c.CreateUsers = false }) }, "account", idp.VerdictWarning, ""},
		"no second factor":     {func(*house) {}, "second_factor", idp.VerdictWarning, ""},
		"a cancelled sign-in":  {func(h *house) { h.op["acme"].Response = respond("access_denied") }, "answer", idp.VerdictFailed, ""},
		"an error":             {func(h *house) { h.op["acme"].Response = respond("server_error") }, "answer", idp.VerdictFailed, ""},
		"a lie about the issuer": {func(h *house) {
			h.op["acme"].Claims = func(c map[string]any) { c["iss"] = "https://evil.example" }
		}, "answer", idp.VerdictFailed, ""},
		"no token": {func(h *house) { h.op["acme"].Intercept = broken("/token") }, "answer", idp.VerdictFailed, ""},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			c.set(h)
			before := h.users("acme")
			id, path := h.openTrial()
			b := h.browser()
			p := b.get(h.provider(b.get(path).location()))
			_, report := h.trialReport(id)
			if got := verdicts(report)[c.check]; p.Code != http.StatusOK || got != c.want || report.RoleReason != c.reason {
				t.Errorf("status %d, %s is %q, reason %q\n%s", p.Code, c.check, got, report.RoleReason, p.text())
			}
			for _, f := range report.Findings {
				if f.Check == c.check && (f.Detail == "" || f.Remedy == "" || !strings.Contains(p.text(), f.Remedy)) {
					t.Errorf("no remedy: %+v", f)
				}
			}
			h.untouched(before, b)
		})
	}
}

// broken makes one endpoint answer with an error.
func broken(path string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != path {
			return false
		}
		http.Error(w, "out of order", http.StatusBadGateway)
		return true
	}
}

// What only a sign-in can tell, a trial has told.
func TestTrialSettlesWhatAnExaminationCannotKnow(t *testing.T) {
	for name, c := range map[string]struct {
		response            func(h *house)
		redirectURI, secret idp.Verdict
	}{
		"somebody signs in": {func(*house) {}, idp.VerdictOK, idp.VerdictOK},
		"somebody declines": {func(h *house) { h.op["acme"].Response = respond("access_denied") }, idp.VerdictOK, idp.VerdictUnknown},
		"an answer of another": {func(h *house) {
			h.op["acme"].Response = func(v url.Values) { v.Set("iss", "https://evil.example") }
		}, idp.VerdictUnknown, idp.VerdictUnknown},
		"two secrets": {func(h *house) {
			place := seal.Place{Tenant: h.tenants["acme"], Table: "connections", Column: "next_secret", Row: "con_acme"}
			next, err := h.sealer.Seal(place, []byte("the next one"))
			h.must(err)
			h.change("acme", func(c *storage.Connection) { c.SealedNextSecret = next })
		}, idp.VerdictOK, idp.VerdictUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.op["acme"].Intercept = silentOfSecrets
			c.response(h)
			id, path := h.openTrial()
			b := h.browser()
			b.get(h.provider(b.get(path).location()))
			_, report := h.trialReport(id)
			if got := verdicts(report); got["redirect_uri"] != c.redirectURI || got["client_secret"] != c.secret {
				t.Errorf("%+v", report.Findings)
			}
		})
	}
}

// silentOfSecrets is a token endpoint that looks at a code before it looks at a secret.
func silentOfSecrets(w http.ResponseWriter, r *http.Request) bool {
	if r.URL.Path != "/token" || !strings.HasPrefix(r.PostFormValue("code"), "watchgate-made-up-") {
		return false
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusBadRequest)
	_, _ = w.Write([]byte(`{"error":"invalid_request"}`))
	return true
}

func TestTrialOfAProviderThatDoesNotAnswer(t *testing.T) {
	h := newHouse(t)
	h.op["acme"].Intercept = func(w http.ResponseWriter, r *http.Request) bool {
		w.WriteHeader(http.StatusBadGateway)
		return true
	}
	id, path := h.openTrial()
	b := h.browser()
	p := b.get(path)
	if _, report := h.trialReport(id); p.Code != http.StatusOK || verdicts(report)["answer"] != idp.VerdictFailed || !strings.Contains(p.text(), "does not work yet") {
		t.Errorf("status %d, %+v: %s", p.Code, report, p.text())
	}
	h.untouched(nil, b)
}

func TestAttackTrialTurnedIntoASignIn(t *testing.T) {
	h := newHouse(t)
	_, path := h.openTrial()
	b := h.browser()
	back := h.provider(b.get(path).location())
	login := loginOf(back)
	for _, page := range []string{"", "/email", "/tenant", "/factor"} {
		if p := b.get(login + page); p.Code == http.StatusOK || p.Code == http.StatusSeeOther {
			t.Errorf("%s: status %d, %s", page, p.Code, p.text())
		}
	}
	for _, page := range []string{"", "/tenant", "/consent", "/factor", "/enrol"} {
		if p := b.post(login+page, url.Values{"email": {"alice@acme.test"}, "decision": {"allow"}}); p.Code < 400 {
			t.Errorf("POST %s: status %d, %s", page, p.Code, p.text())
		}
	}
	b.get(back)
	b.get(back).wants(http.StatusBadRequest, "already_used")
	h.untouched(nil, b)
}

func TestAttackTrialInAnotherBrowser(t *testing.T) {
	h := newHouse(t)
	id, path := h.openTrial()
	back := h.provider(h.browser().get(path).location())
	victim := h.browser()
	victim.get(back).wants(http.StatusBadRequest, "other_browser")
	if test, _ := h.trialReport(id); !test.DoneAt.IsZero() {
		t.Error("the trial was taken in another browser")
	}
}

func TestTrialIsTakenOnceAndInItsTime(t *testing.T) {
	h := newHouse(t)
	_, path := h.openTrial()
	one, other := h.browser(), h.browser()
	late := h.provider(other.get(path).location())
	one.get(h.provider(one.get(path).location()))
	other.get(late).wants(http.StatusBadRequest, "already_used")
	one.get(path).wants(http.StatusBadRequest, "already_used")
	_, path = h.openTrial()
	h.clock.Forward(25 * time.Hour)
	one.get(path).wants(http.StatusNotFound, "not_found")
	one.get(strings.Replace(path, string(h.tenants["acme"]), string(h.tenants["globex"]), 1)).wants(http.StatusNotFound, "not_found")
	one.get("/login/test/"+string(h.tenants["acme"])+"/tst_0").wants(http.StatusNotFound, "not_found")
}

func TestTrialInASuspendedTenant(t *testing.T) {
	h := newHouse(t)
	_, path := h.openTrial()
	h.suspend("acme", "Unpaid since May")
	p := h.browser().get(path)
	p.wants(http.StatusForbidden, "tenant_suspended")
	if !strings.Contains(p.text(), "Unpaid since May") {
		t.Errorf("page: %s", p.text())
	}
}

func TestTrialShowsNoMoreThanFits(t *testing.T) {
	h := newHouse(t)
	for i := range 150 {
		h.says("acme", "claim_"+strings.Repeat("x", i), i)
	}
	h.says("acme", "a_long_one", strings.Repeat("y", 5000))
	id, path := h.openTrial()
	b := h.browser()
	b.get(h.provider(b.get(path).location()))
	test, report := h.trialReport(id)
	if len(report.Claims) > 100 || len(test.Report) > 300<<10 || !strings.Contains(report.Claims["a_long_one"].(string), "too long") {
		t.Errorf("%d claims, %d bytes, %v", len(report.Claims), len(test.Report), report.Claims["a_long_one"])
	}
}

// suspend suspends a tenant.
func (h *house) suspend(slug, reason string) {
	h.t.Helper()
	tenant, err := h.store.TenantBySlug(h.t.Context(), slug)
	h.must(err)
	tenant.SuspendedAt, tenant.SuspendReason = h.clock.Now(), reason
	h.must(h.store.UpdateTenant(h.t.Context(), tenant, audit.TenantSuspended(h.t.Context(), h.clock.Now(), tenant)))
}
