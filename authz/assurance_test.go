package authz_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/watchgate/watchgate/authz"
	"github.com/watchgate/watchgate/internal/assurance"
	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
)

// enforce mounts the engine of a deployment in which alert:write issues credentials.
func (w *world) enforce() {
	w.Helper()
	engine, err := authz.New(authz.Config{
		Issuer: issuer, Store: w.store, Signer: keys, SignIn: w.browse, SuccessorKey: bytes.Repeat([]byte{7}, 32), Now: w.now,
		Rules: assurance.Rules{CredentialScopes: []string{"alert:write"}}, Keys: w.forms, Catalogue: w.catalogue,
	})
	w.must(err)
	w.engine = engine
	w.mux = web.NewMux(web.Config{Log: web.NewLog(&w.log, slog.LevelInfo), Now: w.now, HTTPS: true, ErrorPage: errorPage})
	engine.Mount(w.mux)
}

// policy changes acme's.
func (w *world) policy(change func(*storage.TenantPolicy)) {
	w.Helper()
	w.edit(func(t *storage.Tenant) { change(&t.Policy) })
}

func requires(level storage.Level) func(*storage.TenantPolicy) {
	return func(p *storage.TenantPolicy) { p.RequireLevel = level }
}

// proved is a session in which a second factor was proved so long ago.
func proved(level storage.Level, ago time.Duration) func(*storage.Session) {
	return func(s *storage.Session) { s.Level, s.MFAAt = level, s.CreatedAt.Add(-ago) }
}

// consented is a session of alice's who has allowed the web app everything.
func (w *world) consented(edit ...func(*storage.Session)) (*http.Cookie, storage.LiveSession) {
	w.Helper()
	cookie, ls := w.aliceIn(edit...)
	if ls.Pending {
		return cookie, ls
	}
	w.must(w.store.Tenant(w.acme.ID).IssueCode(w.Context(), w.remembering(ls), event("code.issued")))
	return cookie, ls
}

// remembering is a code that nobody redeems, with a consent to everything.
func (w *world) remembering(ls storage.LiveSession) storage.IssueCode {
	w.Helper()
	acme, err := w.store.TenantByID(w.Context(), w.acme.ID)
	w.must(err)
	client, err := w.store.Client(w.Context(), "web")
	w.must(err)
	return storage.IssueCode{
		ClientVersion: client.Version, TenantVersion: acme.Version, Handle: ls.Handle,
		Code: storage.Code{
			Ref: freshCode(w), Grant: storage.NewGrantID(w.now()), User: ls.User, Client: "web", Session: ls.ID, Connection: ls.Connection,
			RedirectURI: callback, Scopes: []string{"openid"}, CreatedAt: w.now(), ExpiresAt: w.now().Add(time.Minute),
		},
		Remember: &storage.Consent{
			User: ls.User, Client: "web", RedirectHost: storage.RedirectHost(callback), Scopes: []string{"openid", "monitor:read", "alert:write", "offline_access"},
			ClientVersion: client.Version, At: w.now(),
		},
	}
}

func freshCode(w *world) storage.TokenRef {
	w.Helper()
	ref, err := token.Parse(token.Code, token.New(token.Code, w.now().Add(time.Minute)))
	w.must(err)
	return ref
}

func essential(values string) string {
	return `{"id_token":{"acr":{"essential":true,"values":[` + values + `]}}}`
}

const (
	login   = "login_required"
	unmet   = "unmet_authentication_requirements"
	credits = "openid alert:write"
)

// needs are what policy, scopes and apps ask of a session, and what comes of it:
// without a page, and, where somebody approves all the same, at Approve. "" is a code.
var needs = map[string]struct {
	policy          func(*storage.TenantPolicy)
	params          []string
	session         func(*storage.Session)
	silent, approve string
}{
	"nothing is asked": {nil, nil, nil, "", ""},
	"a provider says the name of a level": {nil, []string{"claims", essential(`"phr"`)},
		func(s *storage.Session) { s.ACR = "phr" }, "unmet_authentication_requirements", "unmet_authentication_requirements"},
	"the policy asks for two factors, and there is one":      {requires(storage.LevelMFA), nil, nil, login, login},
	"the policy asks for two factors":                        {requires(storage.LevelMFA), nil, proved(storage.LevelMFA, 9*time.Hour), "", ""},
	"the policy asks for phishing resistance, and got codes": {requires(storage.LevelPHR), nil, proved(storage.LevelMFA, 0), login, login},
	"the policy asks for phishing resistance":                {requires(storage.LevelPHR), nil, proved(storage.LevelPHR, 9*time.Hour), "", ""},
	"the policy's factor is missing":                         {requires(storage.LevelMFA), nil, pending, login, login},
	"pending, and the policy was dropped":                    {nil, nil, pending, login, login},

	"the app asks for two factors, and there is one": {nil, []string{"acr_values", "mfa"}, nil, login, unmet},
	"the app asks for two factors":                   {nil, []string{"acr_values", "mfa"}, proved(storage.LevelMFA, time.Hour), "", ""},
	"the app asks for two factors, and got better":   {nil, []string{"acr_values", "mfa"}, proved(storage.LevelPHR, time.Hour), "", ""},
	"the app would like better":                      {nil, []string{"acr_values", "phr mfa"}, proved(storage.LevelMFA, time.Hour), "", ""},
	"the app is content with the provider's own":     {nil, []string{"acr_values", "phr urn:mfa"}, nil, "", ""},
	"the app names what nobody knows":                {nil, []string{"acr_values", "urn:gold"}, nil, "", ""},
	"the app cannot do without phishing resistance":  {nil, []string{"claims", essential(`"phr"`)}, proved(storage.LevelMFA, 0), unmet, unmet},
	"the app cannot do without two factors":          {nil, []string{"claims", essential(`"mfa"`)}, proved(storage.LevelPHR, 0), "", ""},
	"the app cannot do without, and likes less":      {nil, []string{"claims", essential(`"phr"`), "acr_values", "mfa"}, proved(storage.LevelMFA, 0), unmet, unmet},
	"the app cannot do without its provider's":       {nil, []string{"claims", essential(`"urn:mfa"`)}, nil, "", ""},
	"the app cannot do without what nobody knows":    {nil, []string{"claims", essential(`"urn:gold"`)}, proved(storage.LevelPHR, 0), unmet, unmet},
	"the app drops what the policy asks for":         {requires(storage.LevelMFA), []string{"acr_values", "urn:mfa"}, nil, login, unmet},

	"credentials without a second factor":            {nil, []string{"scope", credits}, nil, login, login},
	"credentials with one of just now":               {nil, []string{"scope", credits}, proved(storage.LevelMFA, 59*time.Minute), "", ""},
	"credentials with one of this morning":           {nil, []string{"scope", credits}, proved(storage.LevelPHR, 2*time.Hour), login, login},
	"credentials in an organization that minds less": {mindless, []string{"scope", credits}, nil, "", ""},
	"credentials in one that minds more":             {within(time.Minute), []string{"scope", credits}, proved(storage.LevelMFA, 3*time.Minute), login, login},

	"two factors, and of less than that":      {nil, []string{"acr_values", "mfa", "max_age", "7200"}, proved(storage.LevelMFA, time.Hour), "", ""},
	"a sign-in of yesterday":                  {nil, []string{"max_age", "600"}, aged(time.Hour), login, login},
	"a sign-in of which nobody knows":         {nil, []string{"max_age", "600"}, func(s *storage.Session) { s.AuthTime = time.Time{} }, login, login},
	"a factor of now in a sign-in of an hour": {nil, []string{"max_age", "600", "acr_values", "mfa"}, both(aged(time.Hour), proved(storage.LevelMFA, 0)), login, login},
}

func pending(s *storage.Session)       { s.Pending = true }
func mindless(p *storage.TenantPolicy) { p.CredentialsWithoutMFA = true }
func aged(d time.Duration) func(*storage.Session) {
	return func(s *storage.Session) { s.AuthTime = s.CreatedAt.Add(-d) }
}

func both(edits ...func(*storage.Session)) func(*storage.Session) {
	return func(s *storage.Session) {
		for _, e := range edits {
			e(s)
		}
	}
}

func within(d time.Duration) func(*storage.TenantPolicy) {
	return func(p *storage.TenantPolicy) { p.CredentialMFAAge = d }
}

// MF-01: what is needed is judged without a page, where there is one, and by the
// statement's side at the end.
func TestNeedOfARequest(t *testing.T) {
	t.Parallel()
	for name, c := range needs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.enforce()
			if c.policy != nil {
				w.policy(c.policy)
			}
			if c.session == nil {
				c.session = func(*storage.Session) {}
			}
			cookie, ls := w.consented(c.session)
			params := request(append([]string{"scope", "openid monitor:read"}, c.params...)...)
			w.answered("prompt=none", w.authorize(plus(params, "prompt", "none"), cookie), c.silent)
			if rec := w.authorize(params, cookie); (rec.Header().Get("Location") == "/login/pending") != (c.silent != "") {
				t.Errorf("with pages: Location %q", rec.Header().Get("Location"))
			}
			w.authorize(plus(params, "prompt", "consent"), cookie)
			w.answered("approved", w.approve(ls), c.approve)
		})
	}
}

func plus(params url.Values, name, value string) url.Values {
	out := url.Values{}
	for k, v := range params {
		out[k] = v
	}
	out.Set(name, value)
	return out
}

// answered checks an authorization response: a code, or an error.
func (w *world) answered(what string, rec *httptest.ResponseRecorder, code string) {
	w.Helper()
	got := w.response(rec, callback)
	if got.Get("error") != code || got.Has("code") != (code == "") {
		w.Errorf("%s: %v, want %q", what, got, code)
	}
}

// MF-03: the app is told the first of the contexts that it wants of those that are
// reached, in the ID token, at introspection and in whatever is refreshed.
func TestContextThatTheAppIsTold(t *testing.T) {
	t.Parallel()
	strong := both(proved(storage.LevelPHR, 10*time.Minute), func(s *storage.Session) { s.AMR = []string{"pwd", "hwk"} })
	blank := func(s *storage.Session) { s.ACR = "" }
	for name, c := range map[string]struct {
		session func(*storage.Session)
		params  []string
		want    any
	}{
		"what it asked for":               {strong, []string{"acr_values", "mfa"}, "mfa"},
		"its first":                       {strong, []string{"acr_values", "phr mfa"}, "phr"},
		"its first, the lower":            {strong, []string{"acr_values", "mfa phr"}, "mfa"},
		"past what nobody knows":          {strong, []string{"acr_values", "urn:gold mfa"}, "mfa"},
		"the provider's, where it asked":  {strong, []string{"acr_values", "urn:mfa phr"}, "urn:mfa"},
		"the essential first":             {strong, []string{"acr_values", "mfa", "claims", essential(`"phr"`)}, "phr"},
		"a wish of the claims parameter":  {strong, []string{"claims", `{"id_token":{"acr":{"values":["urn:gold","mfa"]}}}`}, "mfa"},
		"the strongest, unasked":          {strong, nil, "phr"},
		"the strongest, for what is not":  {strong, []string{"acr_values", "urn:gold"}, "phr"},
		"the provider's, without a level": {proved(storage.LevelNone, 0), nil, "urn:mfa"},
		"unasked, of a silent provider":   {both(strong, blank), nil, "phr"},
		"asked, of a silent provider":     {both(strong, blank), []string{"acr_values", "mfa"}, "mfa"},
		"nothing, where nobody knows":     {blank, []string{"acr_values", "urn:gold"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			_, ls := w.consented(c.session)
			first := w.grantedBy(ls, "openid offline_access", c.params...)
			second := w.refresh(first.Refresh, "web")
			for what, got := range map[string]tokens{"code": first, "refresh": second} {
				auth := w.row(got.Access).Auth
				told, _ := c.want.(string)
				if w.claims(got.ID)["acr"] != c.want || auth.ACR != told || auth.Level != ls.Level || !auth.MFATime.Equal(ls.MFAAt) {
					t.Errorf("%s: acr %v, and %+v with the token", what, w.claims(got.ID)["acr"], auth)
				}
			}
		})
	}
}

// TK-18, LO-07: every ID token names the session, and the grant remembers it.
func TestIDTokensNameTheSession(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		_, ls := w.consented()
		bound, offline := w.grantedBy(ls, "openid"), w.grantedBy(ls, "openid offline_access")
		again := w.refresh(w.refresh(offline.Refresh, "web").Refresh, "web")
		for what, got := range map[string]tokens{"bound": bound, "offline": offline, "refreshed twice": again} {
			if sid := w.claims(got.ID)["sid"]; sid != string(ls.ID) {
				w.Errorf("%s: sid = %v, want %s", what, sid, ls.ID)
			}
		}
		grants, err := w.store.Tenant(w.acme.ID).ListGrants(w.Context(), ls.User, w.now())
		w.must(err)
		for _, g := range grants {
			if g.Origin != ls.ID {
				w.Errorf("a grant from the session %q", g.Origin)
			}
		}
		w.must(w.store.Tenant(w.acme.ID).EndSession(w.Context(), ls.ID, w.now(), event("session.ended")))
		if sid := w.claims(w.refresh(again.Refresh, "web").ID)["sid"]; len(grants) != 2 || sid != string(ls.ID) {
			w.Errorf("%d grants, and after the session's end sid = %v", len(grants), sid)
		}
	})
}

// MD-09 of acr_values_supported: whoever has proved one of them is told so.
func TestAdvertisedContextsAreReached(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, ls := w.consented(proved(storage.LevelPHR, 0))
	advertised, _ := w.document()["acr_values_supported"].([]any)
	for _, acr := range advertised {
		if got := w.claims(w.grantedBy(ls, "openid", "acr_values", acr.(string)).ID)["acr"]; got != acr {
			t.Errorf("acr_values=%s: %v", acr, got)
		}
	}
	if len(advertised) != 2 {
		t.Errorf("advertised: %v", advertised)
	}
}

// AZ-22: a session that is renewed keeps its creation time. That the person came
// back is enough, if the provider says that it was for this.
func TestSignInAgainInASessionThatIsRenewed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		ago  time.Duration // the provider's auth_time, before the request
		seen time.Duration // the session was last used, after the request
		want string
	}{
		"again":                              {-2 * time.Second, 3 * time.Second, ""},
		"again, by a slow clock":             {30 * time.Second, 3 * time.Second, ""},
		"again, by a clock that is too slow": {2 * time.Minute, 3 * time.Second, login},
		"not again":                          {30 * time.Second, -time.Second, login},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.pass(time.Hour)
			_, ls := w.aliceIn(func(s *storage.Session) {
				s.CreatedAt, s.AuthTime, s.LastSeenAt = start, w.now().Add(-c.ago), w.now().Add(c.seen)
			})
			waiting := w.begins(request("prompt", "login consent").Encode())
			w.pass(5 * time.Second)
			w.answered(name, w.finish(waiting, ls, true), c.want)
		})
	}
}
