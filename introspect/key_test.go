package introspect_test

import (
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/introspect"
	"github.com/watchgate/watchgate/storage"
)

func TestAnswerAboutAKey(t *testing.T) {
	w := keyWorld(t)
	for name, c := range map[string]struct {
		change func(*storage.APIKey)
		want   string
	}{
		"a person's": {func(*storage.APIKey) {},
			`{"active":true,"scope":"monitor:read alert:write","username":"alice@acme.test","token_type":"api_key",` +
				`"iat":IAT,"nbf":IAT,"sub":"ALICE","aud":"https://api.example.com","iss":"https://auth.example.com","jti":"KEY","key_id":"KEY","tenant_id":"ACME","tenant":"acme"}`},
		"that ends": {func(k *storage.APIKey) { k.ExpiresAt = start.Add(time.Hour) },
			`{"active":true,"scope":"monitor:read alert:write","username":"alice@acme.test","token_type":"api_key","exp":EXP,` +
				`"iat":IAT,"nbf":IAT,"sub":"ALICE","aud":"https://api.example.com","iss":"https://auth.example.com","jti":"KEY","key_id":"KEY","tenant_id":"ACME","tenant":"acme"}`},
		"the tenant's": {func(k *storage.APIKey) { k.Owner = "" },
			`{"active":true,"scope":"monitor:read alert:write","token_type":"api_key",` +
				`"iat":IAT,"nbf":IAT,"sub":"KEY","aud":"https://api.example.com","iss":"https://auth.example.com","jti":"KEY","key_id":"KEY","tenant_id":"ACME","tenant":"acme"}`},
		"through an app": {func(k *storage.APIKey) { k.Client, k.Scopes = w.spa.ID, []string{"monitor:read"} },
			`{"active":true,"scope":"monitor:read","client_id":"demo-spa","username":"alice@acme.test","token_type":"api_key",` +
				`"iat":IAT,"nbf":IAT,"sub":"ALICE","aud":"https://api.example.com","iss":"https://auth.example.com","jti":"KEY","key_id":"KEY","tenant_id":"ACME","tenant":"acme"}`},
	} {
		s := w.key(c.change)
		want := strings.NewReplacer("ALICE", string(w.alice.ID), "KEY", string(w.stored(s).ID), "ACME", string(w.acme.ID),
			"IAT", unix(start), "EXP", unix(start.Add(time.Hour))).Replace(c.want)
		for _, statements := range []int64{1, 0} {
			w.expect(tok(s), isActive, statements)
			if body := w.ask(tok(s)).Body.String(); body != want {
				t.Errorf("%s:\n%s\nwant\n%s", name, body, want)
			}
		}
	}
}

func unix(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }

// What has not the form of a key, or not its signature, costs no statement once the
// asker is known, and is a guess.
func TestAttackGarbageWithAKeysPrefix(t *testing.T) {
	w := newWorld(t)
	cfg, keys := w.withKeys(nil)
	reg := prometheus.NewRegistry()
	cfg.Registerer = reg
	w.remember(cfg)
	w.expect(tok("garbage"), inactive, 1) // who asks
	forged := keyPrefix + strings.Repeat("x", 43-6) + "forged"
	for n := range 100 {
		s := forged
		if n%2 == 0 {
			s = keyPrefix + "garbage"
		}
		signalled := int64(0)
		if n == 98 { // the hundredth guess: the signal is stored
			signalled = 1
		}
		w.expect(tok(s), inactive, signalled)
	}
	if n := keys.verified.Load(); n != 50 {
		t.Errorf("%d signatures looked at, want 50", n)
	}
	if n := value(t, reg, "watchgate_signals_total"); n != 1 {
		t.Errorf("%v signals", n)
	}
}

// Without a lease, and for a caller that is not remembered, a forged key costs no
// statement but the caller's.
func TestForgedKeyOfAnUnknownCaller(t *testing.T) {
	w := newWorld(t)
	cfg, _ := w.withKeys(nil)
	w.mount(cfg)
	forged := keyPrefix + strings.Repeat("x", 43-6) + "forged"
	w.expect(tok(forged), inactive, 1)
	w.expect(tok(forged), inactive, 0)
}

// A signature is looked at before a statement, and not where the answer is
// remembered.
func TestSignatureIsNotVerifiedWhenWarm(t *testing.T) {
	w := newWorld(t)
	cfg, keys := w.withKeys(nil)
	w.remember(cfg)
	s := w.key()
	w.warm(tok(s))
	w.slowly(formRequest(plainBasic("demo-api:"+secret), "token="+s))
	if n := keys.verified.Load(); n != 1 {
		t.Errorf("%d signatures looked at, want 1", n)
	}
}

// A deployment without keys knows none, whatever the store has.
func TestWithoutKeysAKeyIsGarbage(t *testing.T) {
	w := newWorld(t)
	w.remember(introspect.Config{Store: w.store})
	w.expect(tok(w.key()), inactive, 1)
}

func TestKeyThatIsNotGood(t *testing.T) {
	w := keyWorld(t)
	for name, change := range map[string]func(*storage.APIKey){
		"profile is unknown": func(k *storage.APIKey) { k.Profile = "gone" },
		"expired":            func(k *storage.APIKey) { k.ExpiresAt = start },
		"quarantined":        func(k *storage.APIKey) { k.QuarantinedAt = start },
		"revoked":            func(k *storage.APIKey) { k.RevokedAt = start },
	} {
		s := w.key(change)
		if body := w.ask(tok(s)).Body.String(); body != inactive {
			t.Errorf("%s: %s", name, body)
		}
	}
	if body := w.ask(tok(keyPrefix + token.NewSecret())).Body.String(); body != inactive {
		t.Errorf("unknown: %s", body)
	}
}

func TestRememberedKeyEndsByItself(t *testing.T) {
	w := keyWorld(t)
	s := w.key(func(k *storage.APIKey) { k.ExpiresAt = start.Add(time.Minute) })
	w.warm(tok(s))
	w.clock = start.Add(time.Minute - time.Millisecond)
	w.expect(tok(s), isActive, 0)
	w.clock = start.Add(time.Minute)
	w.expect(tok(s), inactive, 1)
}

// TN-12 and AK: a key of another tenant is as if it did not exist, from memory, too,
// and its own tenant is told.
func TestAttackKeyOfAnotherTenant(t *testing.T) {
	w := keyWorld(t)
	w.resourceServer("globex-api", func(rs *storage.ResourceServer) { rs.TenantID = w.globex.ID })
	cold, s := w.key(), w.key()
	w.warm(tok(s))
	for _, k := range []string{cold, s} {
		w.refusedElsewhere(url.Values{"token": {k}, "tenant": {"globex"}})
		w.refusedElsewhere(url.Values{"token": {k}, "tenant": {""}})
		if body := w.ask(tok(k), as("globex-api", secret)).Body.String(); body != inactive {
			t.Error(body)
		}
	}
	acme, globex := w.denials()
	if len(acme) != 2 || len(globex) != 0 {
		t.Errorf("%v %v", acme, globex)
	}
}

// What a credential may is what its scopes imply and its owner's role permits; a
// machine and a service key have no role.
func TestScopesOfCredentialsUnderACatalogue(t *testing.T) {
	for role, want := range map[storage.Role]map[string]string{
		storage.RoleOwner:  {"person": "alert:write monitor:read monitor:write", "machine": "alert:write monitor:read monitor:write"},
		storage.RoleMember: {"person": "monitor:read monitor:write", "machine": "alert:write monitor:read monitor:write"},
		storage.RoleViewer: {"person": "monitor:read", "machine": "alert:write monitor:read monitor:write"},
		storage.RoleAdmin:  {"person": "", "machine": "alert:write monitor:read monitor:write"}, // not named: may nothing
	} {
		w := newWorld(t)
		cfg, _ := w.withKeys(parsed(t, monitoring))
		w.remember(cfg)
		w.changeAPI(func(rs *storage.ResourceServer) {
			rs.Scopes = append(rs.Scopes, storage.Scope{Name: "monitor:write", Description: "Change"})
		})
		w.changeUser(func(u *storage.User) { u.Role = role })
		scopes := []string{"openid", "alert:write", "monitor:write"}
		for holder, credentials := range map[string][]string{
			"person":  {w.key(func(k *storage.APIKey) { k.Scopes = scopes }), w.issue(func(a *storage.AccessToken) { a.Scopes = scopes })},
			"machine": {w.key(func(k *storage.APIKey) { k.Scopes, k.Owner = scopes, "" }), w.issueMachine(scopes)},
		} {
			for _, s := range credentials {
				for range 2 {
					if body := w.ask(tok(s)).Body.String(); !strings.Contains(body, `"scope":"`+want[holder]+`"`) {
						t.Errorf("%s, %s: %s", role, holder, body)
					}
				}
				form := url.Values{"token": {s}, "scope": {"monitor:read"}}
				if body := w.ask(form).Body.String(); strings.Contains(body, isActive) != strings.Contains(want[holder], "monitor:read") {
					t.Errorf("%s, %s needs an implied scope: %s", role, holder, body)
				}
			}
		}
	}
}

// issueMachine issues a token of client credentials.
func (w *world) issueMachine(scopes []string) string {
	w.t.Helper()
	s := token.New(token.Access, start.Add(time.Hour))
	ref, err := token.Parse(token.Access, s)
	must(w.t, err)
	must(w.t, w.store.Tenant(w.acme.ID).IssueToken(w.t.Context(), storage.IssueToken{
		Token:         storage.AccessToken{Ref: ref, ID: "tok_m", Client: w.m2m.ID, Scopes: scopes, IssuedAt: start, ExpiresAt: start.Add(time.Hour)},
		ClientVersion: w.m2m.Version, TenantVersion: w.acme.Version,
	}, event("token.issued")))
	return s
}
