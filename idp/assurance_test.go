package idp_test

import (
	"crypto/sha256"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/storage"
)

// policy changes a tenant's.
func (h *house) policy(slug string, f func(*storage.TenantPolicy)) {
	h.t.Helper()
	t, err := h.store.TenantBySlug(h.t.Context(), slug)
	h.must(err)
	f(&t.Policy)
	h.must(h.store.UpdateTenant(h.t.Context(), t, audit.TenantUpdated(h.t.Context(), h.clock.Now(), t)))
}

// proves says what of acme's provider proves a second factor.
func (h *house) proves(f func(*storage.UpstreamMFA)) {
	h.t.Helper()
	h.change("acme", func(c *storage.Connection) { f(&c.Settings.MFA) })
}

// raise proves a second factor in the browser's session, as the factor step does.
func (b *browser) raise(slug string, l storage.Level) {
	b.h.t.Helper()
	was, handle := b.session(slug), strings.Repeat("A", 42)+string('A'+byte(len(b.h.events(slug))%26))
	hash := sha256.Sum256([]byte(handle))
	b.h.must(b.h.store.Tenant(was.Tenant.ID).RaiseSession(b.h.t.Context(), was.ID, storage.RaiseSession{
		Was: was.Handle, Handle: hash[:], Level: l, MFAAt: b.h.clock.Now(), AMR: append(was.AMR, "otp"),
	}, audit.FactorProved(b.h.t.Context(), b.h.clock.Now(), was.Session, "totp")))
	b.setCookie(b.h.sessionCookie(slug), handle)
}

func TestSessionKnowsWhereItWasMadeAndWhatWasProved(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.proves(func(m *storage.UpstreamMFA) { m.AMR = []string{"otp"} })
		h.saysAuthTime()
		h.says("acme", "amr", []any{"pwd", "otp"})
		h.says("acme", "acr", "urn:acme:two")
		h.says("acme", "sid", "upstream-session-1")
		b := h.browser()
		req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, h.provider(b.toProvider(b.open(), "alice@acme.test")), nil)
		req.Header.Set("User-Agent", "Browser\u20ac"+strings.Repeat("x", 250)+"€€€")
		req.RemoteAddr = "192.0.2.7:1234"
		b.do(req).location()
		s := b.session("acme")
		if s.IP != "192.0.2.7" || len(s.UserAgent) > 255 || !strings.HasPrefix(s.UserAgent, "Browser") || s.UpstreamSID != "upstream-session-1" {
			t.Errorf("ip %q, user agent %q, sid %q", s.IP, s.UserAgent, s.UpstreamSID)
		}
		if s.Level != storage.LevelMFA || !s.MFAAt.Equal(s.AuthTime) || s.AuthTime.IsZero() || s.Pending || s.ACR != "urn:acme:two" {
			t.Errorf("level %q at %v, auth_time %v, pending %v", s.Level, s.MFAAt, s.AuthTime, s.Pending)
		}
	})
}

// Row 105: a second factor is what the provider's evidence proves, and nothing else.
func TestAttackRow105SecondFactorThatNobodyProved(t *testing.T) {
	for name, set := range map[string]func(h *house){
		"no amr": func(*house) {},
		"a password alone": func(h *house) {
			h.proves(func(m *storage.UpstreamMFA) { m.AMR = []string{"otp"} })
			h.says("acme", "amr", []any{"pwd"})
		},
		"mfa, of a provider that is not believed": func(h *house) {
			h.proves(func(m *storage.UpstreamMFA) { m.Ignore = true })
			h.says("acme", "amr", []any{"pwd", "mfa", "otp", "hwk"})
		},
		"mfa, where another value counts": func(h *house) {
			h.proves(func(m *storage.UpstreamMFA) { m.AMR = []string{"acme-token"} })
			h.says("acme", "amr", []any{"mfa"})
		},
		"a text": func(h *house) {
			h.proves(func(m *storage.UpstreamMFA) { m.AMR = []string{"otp"} })
			h.says("acme", "amr", "otp")
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.policy("acme", func(p *storage.TenantPolicy) { p.RequireLevel = storage.LevelMFA })
			set(h)
			b := h.browser()
			b.arriving("alice@acme.test")
			if s := b.session("acme"); s.Level != storage.LevelNone || !s.Pending || s.Usable(h.clock.Now()) {
				t.Errorf("level %q, pending %v", s.Level, s.Pending)
			}
			if len(h.engine.approved) != 0 || b.signedIn() {
				t.Error("signed in without the second factor")
			}
		})
	}
}

func TestSecondFactorOfTheProviderMeetsThePolicy(t *testing.T) {
	h := newHouse(t)
	h.policy("acme", func(p *storage.TenantPolicy) { p.RequireLevel = storage.LevelMFA })
	h.proves(func(m *storage.UpstreamMFA) { m.AMR, m.AskFor = []string{"otp"}, []string{"urn:acme:two"} })
	h.says("acme", "amr", []any{"otp"})
	h.request.ACRValues = []string{"mfa", "urn:app:own"}
	b := h.browser()
	b.submit(b.signIn("alice@acme.test"), "decision", "allow")
	if asked := h.op["acme"].Asked().Get("acr_values"); asked != "urn:acme:two urn:app:own" {
		t.Errorf("the provider was asked for %q", asked)
	}
	if len(h.engine.approved) != 1 || b.session("acme").Pending {
		t.Errorf("approved %+v", h.engine.approved)
	}
}

func TestProviderIsNotAskedForWhatNobodyNeeds(t *testing.T) {
	h := newHouse(t)
	h.proves(func(m *storage.UpstreamMFA) { m.AskFor = []string{"urn:acme:two"} })
	h.browser().signIn("alice@acme.test")
	if asked := h.op["acme"].Asked(); asked.Has("acr_values") {
		t.Errorf("asked for %v", asked)
	}
}

func TestLocalFactorOutlivesAnotherSignInOfTheSamePerson(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		b := h.browser()
		b.signIn("alice@acme.test")
		h.clock.Forward(10 * time.Minute)
		b.raise("acme", storage.LevelPHR)
		proved := h.clock.Now()
		h.clock.Forward(10 * time.Minute)
		b.again()
		s := b.session("acme")
		if s.Level != storage.LevelPHR || !s.MFAAt.Equal(proved) || !slices.Contains(s.AMR, "otp") {
			t.Errorf("level %q at %v, amr %v", s.Level, s.MFAAt, s.AMR)
		}
	})
}

func TestAttackSecondFactorOfSomebodyElsesSession(t *testing.T) {
	for name, set := range map[string]func(h *house){
		"another person": func(h *house) { h.says("acme", "sub", "bob-sub") },
		"after silence":  func(h *house) { h.clock.Forward(2 * time.Hour) },
		"after a day":    func(h *house) { h.clock.Forward(25 * time.Hour) },
	} {
		h := newHouse(t)
		b := h.browser()
		b.signIn("alice@acme.test")
		b.raise("acme", storage.LevelPHR)
		set(h)
		b.again()
		if s := b.session("acme"); s.Level != storage.LevelNone || !s.MFAAt.IsZero() || slices.Contains(s.AMR, "otp") {
			t.Errorf("%s: level %q at %v, amr %v", name, s.Level, s.MFAAt, s.AMR)
		}
	}
}

// A session that waits for its factor is nobody's sign-in, and its cookie stays where
// it is while its person is at it.
func TestPendingSessionKeepsItsCookieBesideAnotherTenants(t *testing.T) {
	h := newHouse(t)
	h.policy("acme", func(p *storage.TenantPolicy) { p.RequireLevel = storage.LevelPHR })
	b := h.browser()
	b.arriving("alice@acme.test")
	b.arriving("carol@globex.test")
	if b.cookie(h.sessionCookie("acme")) == "" || b.cookie(h.sessionCookie("globex")) == "" {
		t.Errorf("cookies: %v", b.cookies())
	}
	current, err := h.server.Current(b.request())
	h.must(err)
	if len(current) != 1 || current[0].Tenant.Slug != "globex" {
		t.Errorf("signed in: %+v", current)
	}
}

// request is one of the browser's, with its cookies.
func (b *browser) request() *http.Request {
	req := httptest.NewRequestWithContext(b.h.t.Context(), http.MethodGet, "/", nil)
	for _, c := range b.jar.Cookies(b.url) {
		req.AddCookie(c)
	}
	return req
}

func TestEndedSessionIsNoCurrentOne(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	b.signIn("alice@acme.test")
	current, err := h.server.Current(b.request())
	h.must(err)
	h.must(h.server.End(t.Context(), current[0], "user"))
	h.must(h.server.End(t.Context(), current[0], "user"))
	if again, err := h.server.Current(b.request()); err != nil || len(again) != 0 || !slices.Contains(h.events("acme"), "session.ended user") {
		t.Errorf("%+v, %v, %v", again, err, h.events("acme"))
	}
}
