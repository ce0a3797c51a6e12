package oidcconn

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/watchgate/watchgate/idp"
	"github.com/watchgate/watchgate/idp/oidcconn/optest"
	"github.com/watchgate/watchgate/internal/outbound"
	"github.com/watchgate/watchgate/storage"
)

func (r *room) examine() []idp.Finding {
	r.t.Helper()
	return r.connector().(idp.Examiner).Examine(r.t.Context(), callback)
}

// finding is that of one check; a zero one when it was not made.
func finding(all []idp.Finding, check string) idp.Finding {
	i := slices.IndexFunc(all, func(f idp.Finding) bool { return f.Check == check })
	if i < 0 {
		return idp.Finding{}
	}
	return all[i]
}

// wellSet is a provider that says everything there is to say.
func wellSet(t *testing.T) *room {
	r := newRoom(t)
	r.op.Discovery = func(d map[string]any) {
		d["scopes_supported"] = []string{"openid", "email", "profile"}
		d["code_challenge_methods_supported"] = []string{"S256"}
	}
	r.con.SecretExpiresAt = r.clock.Now().Add(90 * 24 * time.Hour)
	r.again()
	return r
}

func TestExaminationOfAWellSetConnection(t *testing.T) {
	r := wellSet(t)
	all := r.examine()
	var checks []string
	for _, f := range all {
		checks = append(checks, f.Check)
		if want := idp.VerdictOK; f.Check != "redirect_uri" && (f.Verdict != want || f.Remedy != "") {
			t.Errorf("%s: %s, %s %s", f.Check, f.Verdict, f.Detail, f.Remedy)
		}
	}
	want := "discovery issuer keys clock endpoints scopes pkce response_types client_secret secret_expiry redirect_uri"
	if got := strings.Join(checks, " "); got != want {
		t.Errorf("checks %s, want %s", got, want)
	}
	if f := finding(all, "redirect_uri"); f.Verdict != idp.VerdictUnknown || !strings.Contains(f.Detail, callback) || f.Remedy == "" {
		t.Errorf("%+v", f)
	}
}

// What is found is said in a sentence, with what to do.
func TestExaminationFindsWhatIsWrong(t *testing.T) {
	doc := func(name string, v any) func(r *room) {
		return func(r *room) {
			before := r.op.Discovery
			r.op.Discovery = func(d map[string]any) { before(d); d[name] = v }
		}
	}
	for _, c := range []struct {
		name, check string
		bend        func(r *room)
		verdict     idp.Verdict
		says        string
	}{
		{"slash", "issuer", func(r *room) { doc("issuer", r.op.Issuer+"/")(r) }, idp.VerdictFailed, "the provider's ends with a slash"},
		{"http", "issuer", func(r *room) { doc("issuer", strings.Replace(r.op.Issuer, "https", "http", 1))(r) }, idp.VerdictFailed, "one begins with http://"},
		{"capitals", "issuer", func(r *room) { doc("issuer", strings.ToUpper(r.op.Issuer))(r) }, idp.VerdictFailed, "upper and lower case differ"},
		{"path", "issuer", func(r *room) { doc("issuer", r.op.Issuer+"/oauth2/default")(r) }, idp.VerdictFailed, "goes on after the connection's"},
		{"another", "issuer", doc("issuer", "https://evil.example"), idp.VerdictFailed, "two different addresses"},
		{"none", "issuer", doc("issuer", nil), idp.VerdictFailed, "it names none"},
		{"control characters", "issuer", doc("issuer", "https://\x1b[31m"), idp.VerdictFailed, `\x1b[31m`},
		{"http endpoint", "endpoints", doc("token_endpoint", "http://10.0.0.5/"), idp.VerdictFailed, "token_endpoint"},
		{"javascript", "endpoints", doc("authorization_endpoint", "javascript:alert(1)"), idp.VerdictFailed, "authorization_endpoint"},
		{"http keys", "keys", doc("jwks_uri", "http://10.0.0.5/"), idp.VerdictFailed, "jwks_uri"},
		{"no keys", "keys", func(r *room) { r.op.Keys = nil }, idp.VerdictFailed, "None of the keys"},
		{"keys not found", "keys", func(r *room) {
			r.op.Intercept = func(w http.ResponseWriter, q *http.Request) bool {
				if q.URL.Path == "/jwks" {
					http.NotFound(w, q)
				}
				return q.URL.Path == "/jwks"
			}
		}, idp.VerdictFailed, "could not be read"},
		{"algorithms", "keys", doc("id_token_signing_alg_values_supported", []string{"HS256"}), idp.VerdictFailed, `"HS256"`},
		{"key of another kind", "keys", func(r *room) { r.op.Keys = []jose.JSONWebKey{optest.ECKey("e")}; r.con.Algs = []string{"RS256"} }, idp.VerdictFailed, "None of the keys"},
		{"slow clock", "clock", func(r *room) { now := r.op.Now; r.op.Now = func() time.Time { return now().Add(-30 * time.Second) } }, idp.VerdictWarning, "30s behind"},
		{"wrong clock", "clock", func(r *room) { now := r.op.Now; r.op.Now = func() time.Time { return now().Add(5 * time.Minute) } }, idp.VerdictFailed, "5m0s ahead"},
		{"scopes", "scopes", func(r *room) { r.con.Scopes = []string{"openid", "groups"} }, idp.VerdictWarning, `"groups"`},
		{"no scopes", "scopes", doc("scopes_supported", nil), idp.VerdictUnknown, "does not say"},
		{"plain", "pkce", doc("code_challenge_methods_supported", []string{"plain"}), idp.VerdictFailed, "plain"},
		{"no pkce", "pkce", doc("code_challenge_methods_supported", nil), idp.VerdictUnknown, "does not say"},
		{"no code", "response_types", doc("response_types_supported", []string{"id_token"}), idp.VerdictFailed, "code flow"},
		{"secret", "client_secret", func(r *room) { r.op.Secrets = nil }, idp.VerdictFailed, "does not accept the client secret"},
		{"public client", "client_secret", func(r *room) { r.con.SealedSecret = nil }, idp.VerdictFailed, "a connection without a client secret"},
		{"next secret", "next_secret", func(r *room) { r.con.SealedNextSecret = r.seal("next_secret", "not yet") }, idp.VerdictFailed, "the next client secret"},
		{"no expiry", "secret_expiry", func(r *room) { r.con.SecretExpiresAt = time.Time{} }, idp.VerdictUnknown, "not known whether the client secret ends"},
		{"ends soon", "secret_expiry", func(r *room) { r.con.SecretExpiresAt = r.clock.Now().Add(10 * 24 * time.Hour) }, idp.VerdictWarning, "in 10 days"},
		{"ends tomorrow", "secret_expiry", func(r *room) { r.con.SecretExpiresAt = r.clock.Now().Add(24 * time.Hour) }, idp.VerdictWarning, "in 1 day."},
		{"over", "secret_expiry", func(r *room) { r.con.SecretExpiresAt = r.clock.Now().Add(-time.Hour) }, idp.VerdictFailed, "ended on"},
		{"not found", "discovery", func(r *room) { r.con.Issuer += "/nowhere" }, idp.VerdictFailed, "status 404"},
		{"down", "discovery", func(r *room) {
			r.op.Intercept = func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(http.StatusBadGateway); return true }
		}, idp.VerdictFailed, "does not answer"},
		{"no document", "discovery", func(r *room) {
			r.op.Intercept = func(w http.ResponseWriter, _ *http.Request) bool { fmt.Fprint(w, "<html>"); return true }
		}, idp.VerdictFailed, "no OpenID Connect document"},
		{"ten megabytes", "discovery", func(r *room) {
			r.op.Intercept = func(w http.ResponseWriter, _ *http.Request) bool {
				fmt.Fprint(w, strings.Repeat(" ", 10<<20))
				return true
			}
		}, idp.VerdictFailed, "more than"},
		{"elsewhere", "discovery", func(r *room) {
			r.op.Intercept = func(w http.ResponseWriter, q *http.Request) bool {
				http.Redirect(w, q, "https://evil.example", http.StatusFound)
				return true
			}
		}, idp.VerdictFailed, "redirects"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := wellSet(t)
			c.bend(r)
			r.again()
			f := finding(r.examine(), c.check)
			if f.Verdict != c.verdict || !strings.Contains(f.Detail, c.says) || (f.Verdict != idp.VerdictOK) != (f.Remedy != "") {
				t.Errorf("%+v", f)
			}
		})
	}
}

// Where secrets have no end, nobody is asked for one; a day that somebody entered counts.
func TestExaminationAsksForNoEndOfASecretThatHasNone(t *testing.T) {
	for preset, r := range map[storage.Preset]*room{
		storage.PresetOkta: newOkta(t), storage.PresetEntra: newEntra(t), storage.PresetAuth0: newAuth0(t), storage.PresetGoogle: newGoogle(t), storage.PresetOIDC: newRoom(t),
	} {
		r.con.Preset = preset
		r.again()
		ends := preset == storage.PresetEntra || preset == storage.PresetOIDC
		f := finding(r.examine(), "secret_expiry")
		if (f.Check != "") != ends || ends && (f.Verdict != idp.VerdictUnknown || !strings.Contains(f.Remedy, "enter the day")) {
			t.Errorf("%s: %+v", preset, f)
		}
		r.con.SecretExpiresAt = r.clock.Now().Add(-time.Hour)
		r.again()
		if f := finding(r.examine(), "secret_expiry"); f.Verdict != idp.VerdictFailed {
			t.Errorf("%s: %+v", preset, f)
		}
	}
}

func TestExaminationCountsKeys(t *testing.T) {
	for want, keys := range map[string][]jose.JSONWebKey{
		"1 key at": {optest.ECKey("a")}, "2 keys at": {optest.ECKey("a"), optest.ECKey("b")},
	} {
		r := wellSet(t)
		r.op.Keys = keys
		if f := finding(r.examine(), "keys"); f.Verdict != idp.VerdictOK || !strings.HasPrefix(f.Detail, want) {
			t.Errorf("%+v", f)
		}
	}
}

// Plain http is said of endpoints that have it, where it is allowed.
func TestExaminationSaysWhichEndpointsAreGood(t *testing.T) {
	for want, jwks := range map[string]string{
		"Every endpoint is an https address.": "https://keys.example/", "Every endpoint is an https address, or http on this machine.": "http://127.0.0.1:9/keys",
	} {
		r := wellSet(t)
		before := r.op.Discovery
		r.op.Discovery = func(d map[string]any) { before(d); d["jwks_uri"] = jwks }
		r.connect = Connect(Config{Client: r.op.Client, Opener: r.sealer, Now: r.clock.Now, AllowLoopbackHTTP: true})
		if f := finding(r.examine(), "endpoints"); f.Verdict != idp.VerdictOK || f.Detail != want {
			t.Errorf("%+v", f)
		}
	}
}

func TestExaminationStillSaysTheRestWhenTheProviderIsAway(t *testing.T) {
	r := wellSet(t)
	r.op.Intercept = func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(http.StatusBadGateway); return true }
	all := r.examine()
	if finding(all, "secret_expiry").Verdict != idp.VerdictOK || finding(all, "redirect_uri").Verdict != idp.VerdictUnknown {
		t.Errorf("%+v", all)
	}
}

// The token endpoint gets a made-up code, and nothing that could be somebody's.
func TestExaminationSendsNothingButAMadeUpCode(t *testing.T) {
	r := wellSet(t)
	var codes []string
	r.op.Intercept = func(_ http.ResponseWriter, req *http.Request) bool {
		if req.Method != http.MethodGet {
			codes = append(codes, req.PostFormValue("code"))
			if req.PostFormValue("grant_type") != "authorization_code" || req.PostFormValue("redirect_uri") != callback || req.PostFormValue("code_verifier") == "" {
				t.Errorf("sent %v", req.PostForm)
			}
		}
		return false
	}
	r.examine()
	r.examine()
	if len(codes) != 2 || codes[0] == codes[1] || !strings.HasPrefix(codes[0], "watchgate-made-up-") {
		t.Errorf("codes %v", codes)
	}
}

// Our secret is for the connection's own token endpoint: not for one over plain http,
// and not for one that a document of another issuer names (FO-23).
func TestAttackExaminationGivesTheSecretAway(t *testing.T) {
	for name, bend := range map[string]func(d map[string]any){
		"plain http":     func(d map[string]any) { d["token_endpoint"] = "http://10.0.0.5/token" },
		"another issuer": func(d map[string]any) { d["issuer"] = "https://evil.example" },
	} {
		t.Run(name, func(t *testing.T) {
			r := wellSet(t)
			before := r.op.Discovery
			r.op.Discovery = func(d map[string]any) { before(d); bend(d) }
			if f := finding(r.examine(), "client_secret"); f.Check != "" || r.op.Seen("/token") != 0 {
				t.Errorf("%+v", f)
			}
		})
	}
}

func TestExaminationOfAPrivateAddressSaysNothingOfIt(t *testing.T) {
	r := wellSet(t)
	r.con.Issuer, r.con.SealedSecret = "https://10.0.0.1", nil
	r.connect = Connect(Config{Client: outbound.New(outbound.Config{}).HTTP(1<<20, 0), Now: r.clock.Now})
	f := finding(r.examine(), "discovery")
	if f.Verdict != idp.VerdictFailed || !strings.Contains(f.Detail, "not a public https address") {
		t.Errorf("%+v", f)
	}
}

// A remedy names where to click in that provider.
func TestRemediesAreTheProvidersOwn(t *testing.T) {
	for preset, r := range map[storage.Preset]*room{
		storage.PresetOkta: newOkta(t), storage.PresetEntra: newEntra(t), storage.PresetAuth0: newAuth0(t), storage.PresetGoogle: newGoogle(t),
	} {
		r.op.Secrets = nil
		r.again()
		f := finding(r.examine(), "client_secret")
		place := map[storage.Preset]string{
			storage.PresetOkta: "Client Credentials", storage.PresetEntra: "Certificates & secrets", storage.PresetAuth0: "Basic Information", storage.PresetGoogle: "Google Auth Platform",
		}[preset]
		if f.Verdict != idp.VerdictFailed || !strings.Contains(f.Remedy, place) {
			t.Errorf("%s: %+v", preset, f)
		}
	}
}

// Each product's own document passes, as its connection is meant to be set.
func TestExaminationOfEachProduct(t *testing.T) {
	for preset, r := range map[storage.Preset]*room{
		storage.PresetOkta: newOkta(t), storage.PresetEntra: newEntra(t), storage.PresetAuth0: newAuth0(t), storage.PresetGoogle: newGoogle(t), "shared": newSharedEntra(t),
	} {
		r.again()
		for _, f := range r.examine() {
			if f.Verdict == idp.VerdictFailed || f.Verdict == idp.VerdictWarning {
				t.Errorf("%s: %+v", preset, f)
			}
		}
	}
}

func TestExaminationOfAConnectionThatCannotBeUsed(t *testing.T) {
	r := newGoogle(t)
	r.con.Settings.HostedDomains = nil
	r.again()
	f := finding(r.examine(), "settings")
	if f.Verdict != idp.VerdictFailed || !strings.Contains(f.Detail, "no Google Workspace domain") || f.Remedy == "" {
		t.Errorf("%+v", f)
	}
}

// Entra may complain of a made-up code before it looks at the secret.
func TestExaminationDoesNotTakeEntrasComplaintForASecret(t *testing.T) {
	r := newEntra(t)
	if f := finding(r.examine(), "client_secret"); f.Verdict != idp.VerdictUnknown {
		t.Errorf("%+v", f)
	}
}
