package authz_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/storage"
)

// Whatever is the matter with a key, its holder reads the same bytes.
func TestAttackDeadKeyIsExchanged(t *testing.T) {
	t.Parallel()
	for name, kill := range map[string]func(w *world, k storage.APIKey){
		"revoked":     func(w *world, k storage.APIKey) { w.revokeKey(k.ID) },
		"quarantined": func(w *world, k storage.APIKey) { w.rewrite(k.ID, func(k *storage.APIKey) { k.QuarantinedAt = start }) },
		"expired":     func(w *world, k storage.APIKey) { w.rewrite(k.ID, func(k *storage.APIKey) { k.ExpiresAt = start }) },
		"another address": func(w *world, k storage.APIKey) {
			w.rewrite(k.ID, func(k *storage.APIKey) { k.AllowedIPs = []string{"198.51.100.0/24"} })
		},
		"tenant suspended": func(w *world, _ storage.APIKey) { w.edit(func(t *storage.Tenant) { t.SuspendedAt = start }) },
		"client not listed": func(w *world, _ storage.APIKey) {
			w.edit(func(t *storage.Tenant) { t.Policy.OnlyListedClients = true })
		},
		"owner disabled": func(w *world, _ storage.APIKey) {
			u, err := w.store.Tenant(w.acme.ID).User(w.Context(), w.alice.ID)
			w.must(err)
			u.DisabledAt = start
			w.must(w.store.Tenant(w.acme.ID).UpdateUser(w.Context(), u, event("user.disabled")))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onBothWithKeys(t, func(w *world) {
				raw, k := w.key()
				unknown := w.exchange(token.NewKey("up_live_", storage.NewKeyID(start)))
				w.mustExchange(raw)
				kill(w, k)
				rec := w.exchange(raw)
				w.refused(rec, 400, "invalid_grant")
				if rec.Body.String() != unknown.Body.String() {
					w.Errorf("an oracle: %s is told from %s", rec.Body, unknown.Body)
				}
			})
		})
	}
}

// A profile that was taken out of the configuration, and one whose keys want https
// on a server without.
func TestAttackKeyOfAProfileThatDoesNotAllowIt(t *testing.T) {
	t.Parallel()
	w := newKeyWorld(t)
	gone, _ := w.key(func(k *storage.APIKey) { k.Profile = "gone" })
	tls, _ := w.key(func(k *storage.APIKey) { k.Profile = "tls" })
	w.refused(w.exchange(gone), 400, "invalid_grant")
	w.mustExchange(tls)
	w.mount("http://127.0.0.1:8080")
	w.refused(w.exchange(tls), 400, "invalid_grant")
}

func TestAttackKeyOfAnotherTenantIsExchanged(t *testing.T) {
	t.Parallel()
	onBothWithKeys(t, func(w *world) {
		raw, k := w.key()
		for _, client := range []string{"globex-ci", "globex-m2m"} {
			rec := w.exchangeAs(client, raw)
			w.refused(rec, 400, "invalid_grant")
			if unknown := w.exchangeAs(client, token.NewKey("up_live_", k.ID)); rec.Body.String() != unknown.Body.String() {
				w.Errorf("an oracle: %s is told from %s", rec.Body, unknown.Body)
			}
		}
		if w.recorded("cross_tenant.denied") == 0 {
			w.Error("the tenant is not told")
		}
	})
}

func TestAttackClientThatMayNotExchange(t *testing.T) {
	t.Parallel()
	w := newKeyWorld(t)
	raw, _ := w.key()
	w.refused(w.exchangeAs("web", raw), 400, "unauthorized_client")
	w.refused(w.exchangeAs("m2m", raw), 400, "unauthorized_client")
	w.refused(w.post("/oauth2/token", exchangeForm(raw), with("ci", "wrong")), 401, "invalid_client")
	w.refused(w.post("/oauth2/token", exchangeForm(raw, "client_id", "ci")), 401, "invalid_client")
	w.change("ci", func(c *storage.Client) { c.DisabledAt = start })
	w.refused(w.exchange(raw), 401, "invalid_client")
}

func TestAttackForgedKeyThatIsAJWT(t *testing.T) {
	t.Parallel()
	w := newKeyWorld(t)
	head := `{"alg":"EdDSA","kid":"` + strings.Repeat("k", 43) + `","typ":"api-key+jwt"}`
	forged := base64.RawURLEncoding.EncodeToString([]byte(head)) + ".e30." + strings.Repeat("A", 86)
	hash, err := token.ParseJWTKey(forged)
	w.must(err)
	// Whatever is stored: nothing is good that our keys did not sign.
	w.key(func(k *storage.APIKey) { k.Hash = hash })
	for name, raw := range map[string]string{"forged": forged, "garbage": "up_live_nothing", "with a space": " " + forged} {
		if n := w.counted(func() { w.refused(w.exchange(raw), 400, "invalid_grant") }); n != 1 {
			t.Errorf("%s: %d round trips, want the client's", name, n)
		}
	}
}

// A stolen key is good at the addresses on its list alone, and so is what was made
// under it when it is refreshed.
func TestAttackExchangeFromElsewhere(t *testing.T) {
	t.Parallel()
	w := newKeyWorld(t)
	raw, k := w.key(func(k *storage.APIKey) { k.AllowedIPs = []string{"192.0.2.0/24", "2001:db8::/32"} })
	as, here := as("ci"), from("192.0.2.1:1")
	got := w.tokens(w.post("/oauth2/token", exchangeForm(raw), as, here))
	if got.Refresh == "" {
		t.Fatalf("from an address on the list: %+v", got)
	}
	for address, code := range map[string]string{
		"198.51.100.7:1": "invalid_grant", "[2001:db8::7]:1": "", "[2001:db9::7]:1": "invalid_grant", "[::ffff:192.0.2.9]:1": "", "192.0.3.1:1": "invalid_grant",
	} {
		if got := w.tokens(w.post("/oauth2/token", exchangeForm(raw), as, from(address))); got.Error != code {
			t.Errorf("from %s: %q, want %q", address, got.Error, code)
		}
	}
	renewal := form("grant_type", "refresh_token", "refresh_token", got.Refresh)
	w.refused(w.post("/oauth2/token", renewal, as, from("198.51.100.7:1")), 400, "invalid_grant")
	if again := w.tokens(w.post("/oauth2/token", renewal, as, here)); again.Access == "" {
		t.Errorf("a refused refresh spends the token: %+v", again)
	}
	w.rewrite(k.ID, func(k *storage.APIKey) { k.AllowedIPs = []string{"nonsense"} })
	w.refused(w.post("/oauth2/token", exchangeForm(raw), as, here), 400, "invalid_grant")
}

// Revoking a key kills its refresh tokens, and its access tokens, at once.
func TestAttackTokensOfARevokedKey(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		kill   func(*world, storage.KeyID)
		revive func(*world, storage.KeyID) // nil: it is for ever
	}{
		"revoked": {kill: (*world).revokeKey},
		"rotated without grace": {kill: func(w *world, id storage.KeyID) {
			old := w.stored(id)
			next := old
			next.ID, next.Predecessor = storage.NewKeyID(start), id
			_, next.Hash, _ = token.ParseKey(token.NewKey("up_live_", next.ID))
			w.must(w.store.Tenant(w.acme.ID).RotateKey(w.Context(), storage.RotateKey{
				Old: id, OldVersion: old.Version, At: w.now(), DiesAt: w.now(), Successor: next,
			}, event("key.rotated")))
		}},
		"quarantined": {
			kill: func(w *world, id storage.KeyID) { w.rewrite(id, func(k *storage.APIKey) { k.QuarantinedAt = w.now() }) },
			revive: func(w *world, id storage.KeyID) {
				w.rewrite(id, func(k *storage.APIKey) { k.QuarantinedAt = time.Time{} })
			},
		},
		"ended early": {
			kill:   func(w *world, id storage.KeyID) { w.rewrite(id, func(k *storage.APIKey) { k.ExpiresAt = w.now() }) },
			revive: func(w *world, id storage.KeyID) { w.rewrite(id, func(k *storage.APIKey) { k.ExpiresAt = time.Time{} }) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onBothWithKeys(t, func(w *world) {
				raw, k := w.key()
				first := w.mustExchange(raw)
				second := w.refresh(first.Refresh, "ci")
				bystander, _ := w.key()
				other := w.mustExchange(bystander)
				w.pass(time.Second)
				c.kill(w, k.ID)
				for _, access := range []string{first.Access, second.Access} {
					if w.alive(access) || w.introspected(access) {
						w.Error("an access token outlives the key")
					}
				}
				for range 2 { // a refusal is no reuse that was noticed once
					w.refused(w.post("/oauth2/token", form("grant_type", "refresh_token", "refresh_token", second.Refresh), as("ci")), 400, "invalid_grant")
				}
				if !w.alive(other.Access) || w.refresh(other.Refresh, "ci").Access == "" {
					w.Error("another key's tokens died")
				}
				if c.revive != nil {
					c.revive(w, k.ID)
					if got := w.refresh(second.Refresh, "ci"); got.Access == "" || !w.alive(first.Access) {
						w.Errorf("alive again, and its tokens are not: %+v", got)
					}
				}
			})
		})
	}
}

func (o *overtaken) FindKey(ctx context.Context, hash [32]byte) (*storage.LiveKey, error) {
	defer o.happen()
	return o.Store.FindKey(ctx, hash)
}

// The statement that stores the tokens knows better than the look before it.
func TestAttackKeyDiesDuringItsExchange(t *testing.T) {
	t.Parallel()
	for name, kill := range map[string]func(*world, storage.KeyID){
		"revoked":     (*world).revokeKey,
		"quarantined": func(w *world, id storage.KeyID) { w.rewrite(id, func(k *storage.APIKey) { k.QuarantinedAt = start }) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onBothWithKeys(t, func(w *world) {
				raw, k := w.key()
				o := &overtaken{Store: w.store, meanwhile: func() { kill(w, k.ID) }}
				w.mountOn(issuer, o)
				w.refused(w.exchange(raw), 400, "invalid_grant")
				if w.recorded("key.exchanged") != 0 {
					w.Error("tokens were stored")
				}
			})
		})
	}
}

// A key that is cut while it is exchanged gives what it is good for now.
func TestAttackKeyIsCutDuringItsExchange(t *testing.T) {
	t.Parallel()
	onBothWithKeys(t, func(w *world) {
		raw, k := w.key()
		w.mountOn(issuer, &overtaken{Store: w.store, meanwhile: func() {
			w.rewrite(k.ID, func(k *storage.APIKey) { k.Scopes = []string{"monitor:read"} })
		}})
		if got := w.tokens(w.exchange(raw)); got.Scope != "monitor:read" {
			w.Errorf("got %+v", got)
		}
	})
}

func TestAttackKeyIsRevokedDuringARefresh(t *testing.T) {
	t.Parallel()
	onBothWithKeys(t, func(w *world) {
		raw, k := w.key()
		got := w.mustExchange(raw)
		w.mountOn(issuer, &overtaken{Store: w.store, meanwhile: func() { w.revokeKey(k.ID) }})
		if again := w.refresh(got.Refresh, "ci"); again.Error != "invalid_grant" {
			w.Errorf("got %+v", again)
		}
	})
}

// A refresh gives no more than the key may now.
func TestAttackRefreshKeepsWhatTheKeyLost(t *testing.T) {
	t.Parallel()
	w := newKeyWorld(t)
	raw, k := w.key()
	got := w.mustExchange(raw)
	w.rewrite(k.ID, func(k *storage.APIKey) { k.Scopes = []string{"monitor:read"} })
	if w.refused(w.post("/oauth2/token", form("grant_type", "refresh_token", "refresh_token", got.Refresh, "scope", "alert:write"), as("ci")), 400, "invalid_scope"); t.Failed() {
		return
	}
	again := w.refresh(got.Refresh, "ci")
	if again.Scope != "monitor:read" {
		t.Errorf("the key was cut, and the refresh gives %q", again.Scope)
	}
	w.rewrite(k.ID, func(k *storage.APIKey) { k.Scopes = []string{"config:admin"} })
	if got := w.refresh(again.Refresh, "ci"); got.Error != "invalid_scope" {
		t.Errorf("got %+v", got)
	}
	w.rewrite(k.ID, func(k *storage.APIKey) { k.Scopes = []string{"monitor:read", "alert:write"} })
	w.promote(storage.RoleViewer)
	if got := w.refresh(again.Refresh, "ci"); got.Scope != "monitor:read" {
		t.Errorf("the owner's role was cut, and the refresh gives %+v", got)
	}
}

// AK-09: keys are made with what may make keys, and not with a token that forgot
// that it comes from a key.
func TestAttackExchangeToMakeKeys(t *testing.T) {
	t.Parallel()
	w := newKeyWorld(t)
	raw, _ := w.key(func(k *storage.APIKey) { k.Scopes = []string{"monitor:read", "api-keys:read", "api-keys:write"} })
	if got := w.mustExchange(raw); got.Scope != "api-keys:read monitor:read" {
		t.Errorf("scope %q", got.Scope)
	}
	w.refused(w.exchange(raw, "scope", "api-keys:write"), 400, "invalid_scope")
	// Nor with a scope that implies it.
	wide, _ := w.key(func(k *storage.APIKey) { k.Scopes = []string{"all:admin"} })
	if got := w.mustExchange(wide); got.Scope != "monitor:read" {
		t.Errorf("scope %q", got.Scope)
	}
}

// AK-09: a key opens nothing but what resource servers ask about, and an exchange.
func TestAttackKeyInPlaceOfAnotherCredential(t *testing.T) {
	t.Parallel()
	w := newKeyWorld(t)
	raw, k := w.key()
	cookie := &http.Cookie{Name: "s_x", Value: raw}
	for name, rec := range map[string]string{
		"cookie of a session":    w.authorize(request(), cookie).Header().Get("Location"),
		"parameter of authorize": w.authorize(request("access_token", raw, "api_key", raw)).Header().Get("Location"),
	} {
		if rec != "/login/pending" {
			t.Errorf("%s: led to %q, want a sign-in", name, rec)
		}
	}
	w.page(w.authorize(request("client_id", raw)))
	r := get("/oauth2/authorize?"+request("prompt", "none").Encode(), bearer(raw))
	w.sentBack(w.do(r), "login_required")

	w.refused(w.post("/oauth2/token", form("grant_type", "client_credentials"), with("m2m", raw)), 401, "invalid_client")
	w.refused(w.post("/oauth2/token", exchangeForm(raw), with("ci", raw)), 401, "invalid_client")
	w.refused(w.post("/oauth2/token", form("grant_type", "client_credentials", "client_id", "post", "client_secret", raw)), 401, "invalid_client")
	w.refused(w.post("/oauth2/token", form("grant_type", "client_credentials"), with(raw, raw)), 401, "invalid_client")
	w.refused(w.post("/oauth2/token", exchangeForm(raw), bearer(raw)), 401, "invalid_client")

	w.refused(w.post("/oauth2/token", form("grant_type", "refresh_token", "refresh_token", raw), as("ci")), 400, "invalid_grant")
	w.refused(w.post("/oauth2/token", redemption(raw), as("web")), 400, "invalid_grant")

	for name, rec := range map[string]int{
		"header": w.do(get("/oauth2/userinfo", bearer(raw))).Code,
		"form":   w.post("/oauth2/userinfo", form("access_token", raw)).Code,
	} {
		if rec != 401 {
			t.Errorf("UserInfo, key in the %s: %d", name, rec)
		}
	}
	for name, rec := range map[string]int{
		"by a client":  w.post("/oauth2/revoke", form("token", raw), as("web")).Code,
		"with the key": w.post("/oauth2/revoke", form("token", raw), bearer(raw)).Code,
	} {
		if want := map[string]int{"by a client": 200, "with the key": 401}[name]; rec != want {
			t.Errorf("revocation of a key %s: %d, want %d", name, rec, want)
		}
	}
	if !w.stored(k.ID).RevokedAt.IsZero() {
		t.Error("a client revoked a key")
	}
}

// What is no key is not exchanged, however good it is elsewhere.
func TestAttackOtherCredentialInPlaceOfAKey(t *testing.T) {
	t.Parallel()
	w := newKeyWorld(t)
	got := w.granted()
	for _, raw := range []string{got.Access, got.Refresh, got.ID, secret, w.code(request())} {
		w.refused(w.exchange(raw), 400, "invalid_grant")
	}
}

// AK-13: what is exchanged is in no log and no trail.
func TestAttackKeyInLogsAndTrail(t *testing.T) {
	t.Parallel()
	w := newKeyWorld(t)
	raw, k := w.key()
	got := w.mustExchange(raw)
	w.exchangeAs("globex-ci", raw)
	w.revokeKey(k.ID)
	w.exchange(raw)
	w.exchangeAs("web", raw)
	w.post("/oauth2/token", url.Values{"grant_type": {raw}, "subject_token": {raw, raw}})
	events, err := w.store.Tenant(w.acme.ID).Events(t.Context(), "", 1000)
	w.must(err)
	platform, err := w.store.PlatformEvents(t.Context(), "", 1000)
	w.must(err)
	trail, err := json.Marshal(append(events, platform...))
	w.must(err)
	for _, s := range []string{raw, raw[len("up_live_")+17:], got.Access, got.Refresh} {
		if strings.Contains(w.log.String(), s) || strings.Contains(string(trail), s) {
			t.Errorf("%.12s... is kept where others read it", s)
		}
	}
	if w.recorded("key.refused") != 1 || w.recorded("cross_tenant.denied") != 1 {
		t.Errorf("%d refusals, %d across tenants", w.recorded("key.refused"), w.recorded("cross_tenant.denied"))
	}
}

// Whoever holds a dead key does not fill its tenant's trail.
func TestAttackFloodOfADeadKey(t *testing.T) {
	t.Parallel()
	w := newKeyWorld(t)
	raw, k := w.key()
	w.revokeKey(k.ID)
	for range 5 {
		w.refused(w.exchange(raw), 400, "invalid_grant")
	}
	if n := w.recorded("key.refused"); n != 1 {
		t.Errorf("%d events", n)
	}
	w.pass(time.Minute)
	w.exchange(raw)
	if n := w.recorded("key.refused"); n != 2 {
		t.Errorf("%d events, a minute later", n)
	}
}

// A store that goes away is 503 at every step, and never "no such key".
func TestOutageDuringAnExchange(t *testing.T) {
	t.Parallel()
	for name, ask := range map[string]func(w *world, raw string, got tokens) *httptest.ResponseRecorder{
		"exchange": func(w *world, raw string, _ tokens) *httptest.ResponseRecorder { return w.exchange(raw) },
		"refresh": func(w *world, _ string, got tokens) *httptest.ResponseRecorder {
			return w.post("/oauth2/token", form("grant_type", "refresh_token", "refresh_token", got.Refresh), as("ci"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newKeyWorld(t)
			raw, _ := w.key()
			got := w.mustExchange(raw)
			w.mountOn(issuer, &overtaken{Store: w.store, meanwhile: func() { w.must(w.store.Close()) }})
			w.unavailable("after the first look", ask(w, raw, got))
			w.unavailable("from the beginning", ask(w, raw, got))
		})
	}
}
