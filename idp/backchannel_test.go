package idp_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/idp"
	"github.com/watchgate/watchgate/idp/oidcconn/optest"
	"github.com/watchgate/watchgate/storage"
)

// call posts to a back channel, as a provider does: no cookies, no browser.
func (h *house) call(path string, header http.Header, body string) page {
	h.t.Helper()
	req := httptest.NewRequestWithContext(h.t.Context(), http.MethodPost, path, strings.NewReader(body))
	for name, v := range header {
		req.Header[name] = v
	}
	req.Host = "auth.example.com"
	w := httptest.NewRecorder()
	h.mux.ServeHTTP(w, req)
	return page{h.t, path, w}
}

func (h *house) backchannel(slug string, con storage.ConnectionID) string {
	return "/login/backchannel/" + string(h.tenants[slug]) + "/" + string(con)
}

var formType = http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}

// logoutToken sends a logout token to acme's connection.
func (h *house) logoutToken(tok string) page {
	h.t.Helper()
	return h.call(h.backchannel("acme", "con_acme"), formType, url.Values{"logout_token": {tok}}.Encode())
}

// taken fails the test unless the call had the answer of section 2.8.
func (p page) taken() {
	p.t.Helper()
	if p.Code != http.StatusOK || p.Header().Get("Cache-Control") != "no-store" || p.Body.Len() != 0 {
		p.t.Errorf("status %d, %v, %q", p.Code, p.Header(), p.Body)
	}
}

// refused fails the test unless the call was answered as a bad request.
func (p page) refused(status int) {
	p.t.Helper()
	var body struct {
		Error string `json:"error"`
	}
	if err := json.Unmarshal(p.Body.Bytes(), &body); err != nil || body.Error == "" || p.Code != status || !strings.Contains(p.Header().Get("Cache-Control"), "no-store") {
		p.t.Errorf("status %d, want %d; %v, %q", p.Code, status, p.Header(), p.Body)
	}
}

// calling makes acme's provider name its sessions.
func (h *house) calling(sid string) {
	h.op["acme"].Claims = func(c map[string]any) {
		delete(c, "sid")
		if sid != "" {
			c["sid"] = sid
		}
	}
}

// in signs the person of acme's provider in, in a new browser and a session of that name.
func (h *house) in(sid string) *browser {
	h.t.Helper()
	h.calling(sid)
	b := h.browser()
	b.signIn("alice@acme.test")
	return b
}

// elsewhere is a session of the browser's person through another connection.
func (h *house) elsewhere(b *browser) storage.SessionID {
	h.t.Helper()
	ctx, now, of := h.t.Context(), h.clock.Now(), b.session("acme")
	tenant := h.store.Tenant(of.Tenant.ID)
	con, err := tenant.Connection(ctx, "con_acme")
	h.must(err)
	con.ID, con.Version = "con_second", 1
	h.must(tenant.CreateConnection(ctx, con, audit.ConnectionCreated(ctx, now, con)))
	user, err := tenant.User(ctx, of.User)
	h.must(err)
	s := of.Session
	s.ID, s.Connection, s.Handle = storage.NewSessionID(now), con.ID, []byte(strings.Repeat("h", 32))
	in := storage.SignIn{Identity: storage.Identity{Connection: "con_acme", Issuer: con.Issuer, Subject: "alice-sub"}, User: user, Session: s}
	h.must(tenant.SignIn(ctx, in, audit.SignedIn(ctx, now, user, s, false)))
	return s.ID
}

func (h *house) live(slug string, id storage.SessionID) bool {
	h.t.Helper()
	s, err := h.store.Tenant(h.tenants[slug]).Session(h.t.Context(), id)
	h.must(err)
	return !s.Expired(h.clock.Now())
}

func TestProviderSignsSomebodyOut(t *testing.T) {
	for name, c := range map[string]struct {
		claims       map[string]any
		one, another bool // is signed in afterwards
	}{
		"everywhere":                {map[string]any{"sub": "alice-sub"}, false, false},
		"of one session":            {map[string]any{"sid": "one"}, false, true},
		"of one session, with sub":  {map[string]any{"sid": "another", "sub": "alice-sub"}, true, false},
		"of a session that is gone": {map[string]any{"sid": "gone"}, true, true},
		"of somebody unknown":       {map[string]any{"sub": "nobody"}, true, true},
		"of another's session":      {map[string]any{"sub": "nobody", "sid": "one"}, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			one, another := h.in("one"), h.in("another")
			other := h.elsewhere(one)
			h.logoutToken(h.op["acme"].Logout(c.claims, nil)).taken()
			if one.signedIn() != c.one || another.signedIn() != c.another {
				t.Errorf("one %v, another %v", one.signedIn(), another.signedIn())
			}
			if !h.live("acme", other) {
				t.Error("a session of another connection ended")
			}
			if did := slices.Contains(h.events("acme"), "upstream.signed_out"); did == (c.one && c.another) && name != "of a session that is gone" {
				t.Errorf("events %v", h.events("acme"))
			}
			c.claims["jti"] = "again"
			h.logoutToken(h.op["acme"].Logout(c.claims, nil)).taken() // of whoever has signed out
		})
	}
}

// A provider that says no sid when people sign in cannot mean one session.
func TestProviderSignsOutASessionThatItNeverNamed(t *testing.T) {
	h := newHouse(t)
	nameless, named := h.in(""), h.in("named")
	other := h.elsewhere(nameless)
	h.logoutToken(h.op["acme"].Logout(map[string]any{"sub": "alice-sub", "sid": "other"}, nil)).taken()
	if nameless.signedIn() || !named.signedIn() || !h.live("acme", other) {
		t.Errorf("without a name %v, named %v, of another connection %v", nameless.signedIn(), named.signedIn(), h.live("acme", other))
	}
}

func TestProviderSignsSomebodyOutAndAppsAreToldInTurn(t *testing.T) {
	h := newHouse(t)
	h.reregister("app", func(c *storage.Client) { c.BackchannelLogoutURI = "https://app.example/backchannel" })
	woken := 0
	h.server.SetLogoutWake(func() { woken++ })
	b := h.in("one")
	s := b.session("acme")
	online, offline := h.tokens(s, "app", false), h.tokens(s, "cli", true)
	h.logoutToken(h.op["acme"].Logout(map[string]any{"sub": "alice-sub"}, nil)).taken()
	due, err := h.store.DueLogouts(t.Context(), h.clock.Now(), 10)
	h.must(err)
	if len(due) != 1 || due[0].Client != "app" || due[0].Session != s.ID || woken != 1 {
		t.Errorf("to tell %+v, woken %d times", due, woken)
	}
	if !h.granted(s.User, "acme", offline) {
		t.Errorf("offline access ended; %v", online)
	}
}

// attacksOfLogout are calls that are to have no effect.
var attacksOfLogout = map[string]func(op *optest.Provider) string{
	"nothing":            func(*optest.Provider) string { return "" },
	"garbage":            func(*optest.Provider) string { return "a.b.c" },
	"alg none":           func(op *optest.Provider) string { return unsigned(op.Logout(alice(), nil)) },
	"signature cut off":  func(op *optest.Provider) string { tok := op.Logout(alice(), nil); return tok[:len(tok)-8] },
	"another key":        func(op *optest.Provider) string { return by(optest.ECKey("rsa-1"), op) },
	"another issuer":     bent("iss", "https://evil.example"),
	"another audience":   bent("aud", "somebody"),
	"several audiences":  bent("aud", []string{optest.ClientID, "somebody"}),
	"nonce inside":       bent("nonce", "n"),
	"events missing":     bent("events", nil),
	"events of another":  bent("events", map[string]any{"http://schemas.openid.net/event/other": map[string]any{}}),
	"event that is none": bent("events", map[string]any{"http://schemas.openid.net/event/backchannel-logout": "yes"}),
	"expired":            bent("exp", 1000),
	"made in the future": bent("iat", 4e9),
	"old":                bent("iat", 1000),
	"no jti":             bent("jti", nil),
	"about nobody":       bent("sub", nil),
	"sub that is a list": bent("sub", []string{"alice-sub"}),
	"an ID token": func(op *optest.Provider) string {
		return op.Logout(map[string]any{"sub": "alice-sub", "nonce": "n", "events": nil}, func(h, _ map[string]any) { h["typ"] = "JWT" })
	},
	"another kind of token": func(op *optest.Provider) string {
		return op.Logout(alice(), func(h, _ map[string]any) { h["typ"] = "at+jwt" })
	},
}

func alice() map[string]any { return map[string]any{"sub": "alice-sub"} }

// bent is a logout token with one claim changed, or taken away.
func bent(claim string, value any) func(op *optest.Provider) string {
	return func(op *optest.Provider) string {
		return op.Logout(alice(), func(_, claims map[string]any) {
			if claims[claim] = value; value == nil {
				delete(claims, claim)
			}
		})
	}
}

// by is a logout token that somebody else signed.
func by(key jose.JSONWebKey, op *optest.Provider) string {
	payload, _ := json.Marshal(map[string]any{"iss": op.Issuer, "aud": optest.ClientID, "iat": op.Now().Unix(), "exp": op.Now().Add(time.Minute).Unix(),
		"jti": "x", "sub": "alice-sub", "events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}})
	return optest.Sign(key, map[string]any{"typ": "logout+jwt"}, payload)
}

// unsigned is a token with alg none and no signature.
func unsigned(tok string) string {
	parts := strings.Split(tok, ".")
	return "eyJhbGciOiJub25lIiwidHlwIjoibG9nb3V0K2p3dCJ9." + parts[1] + "."
}

func TestAttackLogoutTokenThatTheProviderNeverMade(t *testing.T) {
	for name, make := range attacksOfLogout {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			b := h.in("one")
			h.logoutToken(make(h.op["acme"])).refused(http.StatusBadRequest)
			if !b.signedIn() {
				t.Error("signed out")
			}
			if !slices.Contains(h.events("acme"), "upstream.refused invalid") {
				t.Errorf("events %v", h.events("acme"))
			}
		})
	}
}

func TestAttackLogoutTokenReplayed(t *testing.T) {
	h := newHouse(t)
	h.in("one")
	tok := h.op["acme"].Logout(alice(), nil)
	h.logoutToken(tok).taken()
	b := h.in("two")
	h.logoutToken(tok).refused(http.StatusBadRequest)
	if !b.signedIn() {
		t.Error("signed out by an old token")
	}
}

// A provider that serves two tenants, or two connections of one, signs for each alone.
func TestAttackLogoutTokenOfAnotherConnection(t *testing.T) {
	h := newHouse(t)
	b := h.in("one")
	tok := h.op["globex"].Logout(alice(), nil)
	h.logoutToken(tok).refused(http.StatusBadRequest)
	for name, path := range map[string]string{
		"another tenant's connection here": h.backchannel("acme", "con_globex"),
		"this connection elsewhere":        h.backchannel("globex", "con_acme"),
		"no such tenant":                   "/login/backchannel/ten_0/con_acme",
		"no such connection":               h.backchannel("acme", "con_0"),
	} {
		for _, tok := range []string{tok, h.op["acme"].Logout(alice(), nil)} {
			p := h.call(path, formType, url.Values{"logout_token": {tok}}.Encode())
			if p.refused(http.StatusBadRequest); !b.signedIn() {
				t.Errorf("%s: signed out", name)
			}
		}
	}
	// Nobody learns from the answer which connections there are.
	bad := h.logoutToken("x")
	if unknown := h.call(h.backchannel("acme", "con_0"), formType, "logout_token=x"); unknown.Body.String() != bad.Body.String() || unknown.Code != bad.Code {
		t.Errorf("%s and %s", unknown.Body, bad.Body)
	}
}

// People who prove themselves here have no provider that could speak for them.
func TestAttackLogoutTokenAtAConnectionWithoutAProvider(t *testing.T) {
	h := newHouse(t)
	b := h.in("one")
	h.change("acme", func(c *storage.Connection) { c.Kind = storage.Passkey })
	h.logoutToken(h.op["acme"].Logout(alice(), nil)).refused(http.StatusBadRequest)
	h.revoke(h.bearer("1"), byEmail).refused(http.StatusUnauthorized)
	if !b.session("acme").EndedAt.IsZero() {
		t.Error("signed out")
	}
}

func TestAttackLogoutTokenOfAProviderThatTwoTenantsShare(t *testing.T) {
	h := newHouse(t)
	h.change("globex", func(c *storage.Connection) { c.Issuer = h.op["acme"].Issuer })
	b := h.in("one")
	theirs := h.browser()
	theirs.signIn("alice@globex.test")
	h.logoutToken(h.op["acme"].Logout(map[string]any{"sub": "alice-sub"}, nil)).taken()
	if b.signedIn() || !theirs.session("globex").Usable(h.clock.Now()) {
		t.Error("the other tenant's session ended, or this one's did not")
	}
}

func TestAttackFloodOfLogoutTokens(t *testing.T) {
	h := newHouse(t)
	for range 20 {
		h.logoutToken("x").refused(http.StatusBadRequest)
	}
	n := 0
	for _, ev := range h.events("acme") {
		if ev == "upstream.refused invalid" {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d events for one address in a minute", n)
	}
}

func TestBackchannelRequestsThatAreNone(t *testing.T) {
	h := newHouse(t)
	path, form := h.backchannel("acme", "con_acme"), url.Values{"logout_token": {h.op["acme"].Logout(alice(), nil)}}.Encode()
	h.call(path+"?"+form, formType, "").refused(http.StatusBadRequest)
	h.call(path, http.Header{"Content-Type": {"application/json"}}, form).refused(http.StatusBadRequest)
	h.call(path, formType, form+"&logout_token=x").refused(http.StatusBadRequest)
	if p := h.call(path, formType, "logout_token="+strings.Repeat("x", 70_000)); p.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("70 kB: status %d", p.Code)
	}
	if p := h.browser().get(path + "?" + form); p.Code != http.StatusMethodNotAllowed {
		t.Errorf("GET: status %d", p.Code)
	}
}

func TestProviderWhoseKeysCannotBeHad(t *testing.T) {
	h := newHouse(t)
	b := h.in("one")
	op := h.op["acme"]
	h.start(base) // a node that has asked for nothing yet
	op.Intercept = func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	}
	tok := op.Logout(alice(), nil)
	h.logoutToken(tok).refused(http.StatusServiceUnavailable)
	op.Intercept = nil
	h.clock.Forward(time.Minute)
	h.logoutToken(tok).taken()
	if b.signedIn() {
		t.Error("the token was used up in vain")
	}
}

// reluctant is a store that ends nothing, while away.
type reluctant struct {
	idp.Store
	away atomic.Bool
}

func (r *reluctant) Tenant(id storage.TenantID) storage.TenantStore {
	return reluctantTenant{r.Store.Tenant(id), r}
}

type reluctantTenant struct {
	storage.TenantStore
	of *reluctant
}

func (t reluctantTenant) EndSessions(ctx context.Context, e storage.EndSessions, at time.Time, ev storage.Event) ([]storage.SessionID, error) {
	if t.of.away.Load() {
		return nil, errAway
	}
	return t.TenantStore.EndSessions(ctx, e, at, ev)
}

func TestLogoutTokenWorksAfterTheStoreFailed(t *testing.T) {
	h := newHouse(t)
	store := &reluctant{Store: h.store}
	h.configure = func(cfg *idp.Config) { cfg.Store = store }
	h.start(base)
	b := h.in("one")
	tok := h.op["acme"].Logout(alice(), nil)
	store.away.Store(true)
	h.logoutToken(tok).refused(http.StatusServiceUnavailable)
	store.away.Store(false)
	h.logoutToken(tok).taken()
	if b.signedIn() {
		t.Error("signed in")
	}
	h.logoutToken(tok).refused(http.StatusBadRequest)
}

// On both engines one statement says who was first.
func TestAttackLogoutTokenManyTimesAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		b := h.in("one")
		tok := h.op["acme"].Logout(alice(), nil)
		var calls sync.WaitGroup
		codes := make([]int, 8)
		for i := range codes {
			calls.Go(func() { codes[i] = h.logoutToken(tok).Code })
		}
		calls.Wait()
		slices.Sort(codes)
		if codes[0] != http.StatusOK || codes[1] != http.StatusBadRequest || b.signedIn() {
			t.Errorf("%v", codes)
		}
	})
}

// okta makes acme's connection one that knows Universal Logout.
func (h *house) okta() {
	h.t.Helper()
	h.change("acme", func(c *storage.Connection) { c.Preset = storage.PresetOkta })
}

func (h *house) revocation() string {
	return "/login/revocation/" + string(h.tenants["acme"]) + "/con_acme"
}

func (h *house) revoke(bearer, body string) page {
	h.t.Helper()
	header := http.Header{"Content-Type": {"application/json"}}
	if bearer != "" {
		header.Set("Authorization", "Bearer "+bearer)
	}
	return h.call(h.revocation(), header, body)
}

// bearer is a fresh token of Okta for acme's endpoint.
func (h *house) bearer(jti string) string {
	return h.op["acme"].Revocation(base+h.revocation(), func(_, claims map[string]any) { claims["jti"] = jti })
}

func bySubject(issuer, subject string) string {
	return `{"sub_id":{"format":"iss_sub","iss":"` + issuer + `","sub":"` + subject + `"}}`
}

const byEmail = `{"sub_id":{"format":"email","email":"Alice@acme.test"}}`

func TestOktaRevokesEverythingOfAPerson(t *testing.T) {
	for name, body := range map[string]func(h *house) string{
		"by identity": func(h *house) string { return bySubject(h.op["acme"].Issuer, "alice-sub") },
		"by e-mail":   func(*house) string { return byEmail },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.okta()
			h.op["acme"].Person = map[string]any{"sub": "bob-sub", "email": "bob@acme.test", "name": "Bob"}
			bob := h.browser()
			bob.signIn("bob@acme.test")
			h.op["acme"].Person = map[string]any{"sub": "alice-sub", "email": "alice@acme.test", "name": "Alice"}
			b := h.in("one")
			s := b.session("acme")
			other, grant := h.elsewhere(b), h.tokens(s, "cli", true)
			p := h.revoke(h.bearer("1"), body(h))
			if p.Code != http.StatusNoContent || p.Header().Get("Cache-Control") != "no-store" {
				t.Fatalf("status %d: %s", p.Code, p.Body)
			}
			if b.signedIn() || h.live("acme", other) || h.granted(s.User, "acme", grant) {
				t.Error("something of the person goes on")
			}
			if !bob.signedIn() {
				t.Error("somebody else was signed out")
			}
			if !slices.Contains(h.events("acme"), "tokens.revoked_upstream") {
				t.Errorf("events %v", h.events("acme"))
			}
		})
	}
}

func TestOktaRevokesSomebodyUnknown(t *testing.T) {
	h := newHouse(t)
	h.okta()
	b := h.in("one")
	for jti, body := range map[string]string{
		"1": bySubject(h.op["acme"].Issuer, "nobody"),
		"2": bySubject("https://other.okta.com", "alice-sub"),
		"3": strings.Replace(byEmail, "Alice", "nobody", 1),
	} {
		h.revoke(h.bearer(jti), body).refused(http.StatusNotFound)
	}
	if !b.signedIn() {
		t.Error("signed out")
	}
}

// An address at another connection is another person's, as far as this provider goes.
func TestAttackRevocationByTheAddressOfAPersonOfAnotherConnection(t *testing.T) {
	h := newHouse(t)
	h.okta()
	ctx, now, tenant := t.Context(), h.clock.Now(), h.store.Tenant(h.tenants["acme"])
	con, err := tenant.Connection(ctx, "con_acme")
	h.must(err)
	con.ID, con.Version = "con_second", 1
	h.must(tenant.CreateConnection(ctx, con, audit.ConnectionCreated(ctx, now, con)))
	u := storage.User{ID: storage.NewUserID(now), Role: storage.RoleOwner, Email: "alice@acme.test", CreatedAt: now, Version: 1}
	s := storage.Session{ID: storage.NewSessionID(now), User: u.ID, Connection: con.ID, Handle: []byte(strings.Repeat("h", 32)), CreatedAt: now,
		LastSeenAt: now, ExpiresAt: now.Add(time.Hour), IdleTimeout: time.Hour}
	in := storage.SignIn{Identity: storage.Identity{Connection: con.ID, Issuer: con.Issuer, Subject: "x"}, User: u, Create: true, Session: s}
	h.must(tenant.SignIn(ctx, in, audit.SignedIn(ctx, now, u, s, true)))
	h.revoke(h.bearer("1"), byEmail).refused(http.StatusNotFound)
	if !h.live("acme", s.ID) {
		t.Error("signed out")
	}
}

func TestAttackRevocationThatOktaNeverSent(t *testing.T) {
	for name, make := range map[string]func(h *house) string{
		"nothing":      func(*house) string { return "" },
		"garbage":      func(*house) string { return "a.b.c" },
		"unsigned":     func(h *house) string { return unsigned(h.bearer("1")) },
		"logout token": func(h *house) string { return h.op["acme"].Logout(alice(), nil) },
		"for another tenant's endpoint": func(h *house) string {
			return h.op["acme"].Revocation(base+"/login/revocation/"+string(h.tenants["globex"])+"/con_acme", nil)
		},
		"of another provider": func(h *house) string { return h.op["globex"].Revocation(base+h.revocation(), nil) },
		"about another app": func(h *house) string {
			return h.op["acme"].Revocation(base+h.revocation(), func(_, c map[string]any) { c["sub"] = "other" })
		},
		"without an id": func(h *house) string {
			return h.op["acme"].Revocation(base+h.revocation(), func(_, c map[string]any) { delete(c, "jti") })
		},
		"expired": func(h *house) string {
			tok := h.bearer("1")
			h.clock.Forward(7 * time.Minute)
			return tok
		},
		"used before": func(h *house) string {
			tok := h.bearer("1")
			h.revoke(tok, bySubject(h.op["acme"].Issuer, "nobody")).refused(http.StatusNotFound)
			return tok
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.okta()
			b := h.in("one")
			p := h.revoke(make(h), bySubject(h.op["acme"].Issuer, "alice-sub"))
			p.refused(http.StatusUnauthorized)
			if p.Header().Get("WWW-Authenticate") != `Bearer error="invalid_token"` || !b.signedIn() {
				t.Errorf("signed in %v, %v", b.signedIn(), p.Header())
			}
		})
	}
}

func TestAttackRevocationAtAConnectionOfAnotherProvider(t *testing.T) {
	h := newHouse(t) // a plain OpenID provider has no such call
	b := h.in("one")
	h.revoke(h.bearer("1"), bySubject(h.op["acme"].Issuer, "alice-sub")).refused(http.StatusUnauthorized)
	if !b.signedIn() {
		t.Error("signed out")
	}
}

func TestRevocationsThatCannotBeRead(t *testing.T) {
	h := newHouse(t)
	h.okta()
	b := h.in("one")
	good := bySubject(h.op["acme"].Issuer, "alice-sub")
	for name, body := range map[string]string{
		"empty": "", "no JSON": "sub_id=alice", "no subject": "{}", "no object": `{"sub_id":"alice"}`, "null": `{"sub_id":null}`,
		"two values": good + good, "cut off": good[:len(good)-1],
		"opaque":           `{"sub_id":{"format":"opaque","id":"alice-sub"}}`,
		"unknown member":   strings.Replace(good, `"sub":`, `"realm":"x","sub":`, 1),
		"two formats":      strings.Replace(good, `"sub":`, `"email":"bob@acme.test","sub":`, 1),
		"nobody":           bySubject(h.op["acme"].Issuer, ""),
		"format of e-mail": strings.Replace(good, "iss_sub", "email", 1),
	} {
		t.Run(name, func(t *testing.T) {
			p := h.revoke(h.bearer(name), body)
			p.t = t
			p.refused(http.StatusBadRequest)
		})
	}
	h.revoke(h.bearer("big"), strings.Repeat(" ", 9000)+good).refused(http.StatusRequestEntityTooLarge)
	form := http.Header{"Content-Type": {"text/plain"}, "Authorization": {"Bearer " + h.bearer("type")}}
	h.call(h.revocation(), form, good).refused(http.StatusBadRequest)
	if !b.signedIn() {
		t.Error("signed out")
	}
}
