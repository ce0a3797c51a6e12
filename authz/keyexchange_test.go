package authz_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/watchgate/watchgate/authz"
	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/storage"
)

func TestKeyIsExchangedForTokens(t *testing.T) {
	t.Parallel()
	onBothWithKeys(t, func(w *world) {
		raw, k := w.key()
		rec := w.exchange(raw)
		var answer map[string]any
		w.must(json.Unmarshal(rec.Body.Bytes(), &answer))
		got := w.tokens(rec)
		if answer["issued_token_type"] != "urn:ietf:params:oauth:token-type:access_token" || got.Type != "Bearer" || got.Expires != 3600 || got.Scope != "alert:write monitor:read" {
			w.Errorf("got %v", answer)
		}
		if got.Refresh == "" || got.ID != "" || !w.alive(got.Access) || !w.introspected(got.Access) {
			w.Errorf("got %v", answer)
		}
		row := w.row(got.Access)
		if row.User != w.alice.ID || row.Session != "" || row.Connection != "" || row.Life.Key != k.ID || row.Client != "ci" || !row.Auth.AuthTime.IsZero() {
			w.Errorf("the row is %+v", row)
		}
		again := w.refresh(got.Refresh, "ci")
		if !w.alive(again.Access) || again.Scope != got.Scope || again.ID != "" || w.row(again.Access).Life.Key != k.ID {
			w.Errorf("refreshed: %+v", again)
		}
		if w.recorded("key.exchanged") != 1 || w.recorded("token.refreshed") != 1 {
			w.Error("the trail does not say what happened")
		}
	})
}

func TestServiceKeyIsExchangedWithoutAPerson(t *testing.T) {
	t.Parallel()
	onBothWithKeys(t, func(w *world) {
		raw, k := w.key(service)
		got := w.mustExchange(raw)
		again := w.refresh(got.Refresh, "ci")
		for _, access := range []string{got.Access, again.Access} {
			if row := w.row(access); row.User != "" || row.Life.Key != k.ID || !w.alive(access) {
				w.Errorf("the row is %+v", row)
			}
		}
		if rec := w.do(get("/oauth2/userinfo", bearer(got.Access))); rec.Code != 403 {
			w.Errorf("UserInfo of nobody: %d %s", rec.Code, rec.Body)
		}
	})
}

func TestScopesOfAnExchange(t *testing.T) {
	t.Parallel()
	w := newKeyWorld(t)
	for name, c := range map[string]struct {
		key         []string
		role        storage.Role
		ask         string
		want, error string
	}{
		"all that both may":              {[]string{"monitor:read", "config:admin"}, storage.RoleOwner, "", "monitor:read", ""},
		"a part":                         {[]string{"monitor:read", "alert:write"}, storage.RoleOwner, "alert:write", "alert:write", ""},
		"what the key's scope implies":   {[]string{"monitoring:admin"}, storage.RoleOwner, "alert:write", "alert:write", ""},
		"what the role permits":          {[]string{"monitor:read", "alert:write"}, storage.RoleViewer, "", "monitor:read", ""},
		"beyond the role":                {[]string{"monitor:read", "alert:write"}, storage.RoleViewer, "alert:write", "", "invalid_scope"},
		"beyond the key":                 {[]string{"monitor:read"}, storage.RoleOwner, "alert:write", "", "invalid_scope"},
		"beyond the client":              {[]string{"config:admin", "monitor:read"}, storage.RoleOwner, "config:admin", "", "invalid_scope"},
		"nothing in common":              {[]string{"config:admin"}, storage.RoleOwner, "", "", "invalid_scope"},
		"malformed":                      {[]string{"monitor:read"}, storage.RoleOwner, `monitor:read "x"`, "", "invalid_scope"},
		"what no role has to permit":     {[]string{"openid", "offline_access", "monitor:read"}, "", "", "monitor:read", ""},
		"the scopes of a signed-in user": {[]string{"monitor:read"}, storage.RoleOwner, "openid", "", "invalid_scope"},
	} {
		t.Run(name, func(t *testing.T) {
			raw, _ := w.key(func(k *storage.APIKey) {
				k.Scopes = c.key
				k.Owner = map[bool]storage.UserID{true: w.alice.ID}[c.role != ""]
			})
			if c.role != "" {
				w.promote(c.role)
				defer w.promote(storage.RoleOwner)
			}
			got := w.tokens(w.exchange(raw, "scope", c.ask))
			if got.Scope != c.want || got.Error != c.error {
				t.Errorf("scope %q, error %q; want %q, %q", got.Scope, got.Error, c.want, c.error)
			}
		})
	}
}

func TestResourceOfAnExchange(t *testing.T) {
	t.Parallel()
	w := newKeyWorld(t)
	raw, _ := w.key()
	for _, parameter := range []string{"resource", "audience"} {
		got := w.mustExchange(raw, parameter, audience+"/")
		if row := w.row(got.Access); !slices.Equal(row.Audience, []string{audience}) {
			t.Errorf("%s: the token is for %v", parameter, row.Audience)
		}
		if again := w.refresh(got.Refresh, "ci"); !slices.Equal(w.row(again.Access).Audience, []string{audience}) {
			t.Errorf("%s: the refreshed token is for another resource", parameter)
		}
		for _, strange := range []string{"https://nobody.example.com", "https://globex.example.com", "https://gone.example.com"} {
			w.refused(w.exchange(raw, parameter, strange), 400, "invalid_target")
		}
	}
}

func TestTokensEndWithTheKeyAtTheLatest(t *testing.T) {
	t.Parallel()
	onBothWithKeys(t, func(w *world) {
		raw, k := w.key(func(k *storage.APIKey) { k.ExpiresAt = start.Add(halfHour) })
		got := w.mustExchange(raw)
		if row := w.row(got.Access); got.Expires != 1800 || !row.ExpiresAt.Equal(k.ExpiresAt) || !row.Life.GrantExpiresAt.Equal(k.ExpiresAt) {
			w.Errorf("%d s, until %s, the grant until %s", got.Expires, row.ExpiresAt, row.Life.GrantExpiresAt)
		}
		w.pass(halfHour - time.Second)
		again := w.refresh(got.Refresh, "ci")
		if again.Expires != 1 || !w.alive(again.Access) {
			w.Errorf("a second before the end: %+v", again)
		}
		w.pass(time.Second)
		if w.alive(again.Access) || w.refresh(again.Refresh, "ci").Error != "invalid_grant" {
			w.Error("something outlives the key")
		}
		w.refused(w.exchange(raw), 400, "invalid_grant")
	})
}

func TestRefreshSaysTheEndThatTheKeyWasGiven(t *testing.T) {
	t.Parallel()
	w := newKeyWorld(t)
	raw, k := w.key()
	got := w.mustExchange(raw)
	w.rewrite(k.ID, func(k *storage.APIKey) { k.ExpiresAt = start.Add(halfHour) })
	if again := w.refresh(got.Refresh, "ci"); again.Expires != 1800 {
		t.Errorf("%d s, want no more than the key has", again.Expires)
	}
}

func TestLongKeyGivesTokensOfTheUsualLifetime(t *testing.T) {
	t.Parallel()
	w := newKeyWorld(t)
	raw, _ := w.key(func(k *storage.APIKey) { k.ExpiresAt = start.Add(365 * 24 * time.Hour) })
	row := w.row(w.mustExchange(raw).Access)
	if !row.ExpiresAt.Equal(start.Add(authz.AccessLifetime)) || !row.Life.GrantExpiresAt.Equal(start.Add(authz.RefreshLifetime)) {
		t.Errorf("until %s, the grant until %s", row.ExpiresAt, row.Life.GrantExpiresAt)
	}
}

func TestExchangeIsAUseOfTheKeysRate(t *testing.T) {
	t.Parallel()
	w := newKeyWorld(t)
	raw, _ := w.key(func(k *storage.APIKey) { k.Profile = "rated" })
	w.mustExchange(raw)
	w.mustExchange(raw)
	a := w.exchangeAs("ci", raw)
	if a.Code != http.StatusTooManyRequests || a.Header().Get("Retry-After") == "" || !strings.HasPrefix(a.Header().Get("RateLimit-Policy"), `"key"`) {
		t.Errorf("the third: %d %v", a.Code, a.Header())
	}
}

func TestClientWithoutRefreshGetsNone(t *testing.T) {
	t.Parallel()
	w := newKeyWorld(t)
	raw, _ := w.key()
	got := w.tokens(w.exchangeAs("short", raw))
	if got.Refresh != "" || !w.alive(got.Access) || !w.row(got.Access).Life.GrantExpiresAt.Equal(start.Add(authz.AccessLifetime)) {
		t.Errorf("got %+v", got)
	}
}

func TestMalformedExchange(t *testing.T) {
	t.Parallel()
	w := newKeyWorld(t)
	raw, _ := w.key()
	for name, c := range map[string]struct {
		pairs []string
		code  string
	}{
		"no subject token":             {[]string{"subject_token", ""}, "invalid_request"},
		"no type":                      {[]string{"subject_token_type", ""}, "invalid_request"},
		"another type":                 {[]string{"subject_token_type", "urn:ietf:params:oauth:token-type:access_token"}, "invalid_request"},
		"an actor":                     {[]string{"actor_token", raw, "actor_token_type", apiKeyType}, "invalid_request"},
		"an actor's type":              {[]string{"actor_token_type", apiKeyType}, "invalid_request"},
		"another type is wanted":       {[]string{"requested_token_type", "urn:ietf:params:oauth:token-type:jwt"}, "invalid_request"},
		"the type that there is":       {[]string{"requested_token_type", "urn:ietf:params:oauth:token-type:access_token"}, ""},
		"an unknown parameter is none": {[]string{"colour", "blue"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := w.tokens(w.exchange(raw, c.pairs...)); got.Error != c.code {
				t.Errorf("error %q (%s), want %q", got.Error, got.Text, c.code)
			}
		})
	}
}

func TestExchangeIsThereWhereKeysAre(t *testing.T) {
	t.Parallel()
	for _, on := range []bool{false, true} {
		w := newWorld(t)
		if on {
			w.withKeys()
		}
		var doc struct {
			Grants []string `json:"grant_types_supported"`
		}
		w.must(json.Unmarshal(w.do(get("/.well-known/oauth-authorization-server")).Body.Bytes(), &doc))
		if slices.Contains(doc.Grants, exchangeGrant) != on {
			t.Errorf("on %v: %v", on, doc.Grants)
		}
		if !on {
			w.refused(w.exchangeAs("web", "x"), 400, "unsupported_grant_type")
		}
	}
}

func TestRoundTripsOfAnExchange(t *testing.T) {
	t.Parallel()
	onBothWithKeys(t, func(w *world) {
		raw, _ := w.key()
		var got tokens
		garbage := raw[:len(raw)-1] + "~"
		for _, step := range []struct {
			name string
			want int64
			do   func()
		}{
			{"exchange: client, key, tenant, and the write", 4, func() { got = w.mustExchangeQuietly(raw) }},
			{"refresh under a key: the token, the key, and the write", 3, func() { w.refresh(got.Refresh, "ci") }},
			{"garbage", 1, func() { w.exchange(garbage) }},
			{"an access token", 1, func() { w.exchange(got.Access) }},
			{"an unknown key", 2, func() { w.exchange(token.NewKey("up_live_", storage.NewKeyID(start))) }},
		} {
			if n := w.counted(step.do); n != step.want {
				w.Errorf("%s: %d round trips, want %d", step.name, n, step.want)
			}
		}
	})
}

// mustExchangeQuietly looks at nothing but the answer.
func (w *world) mustExchangeQuietly(raw string) tokens {
	w.Helper()
	got := w.tokens(w.exchange(raw))
	if got.Access == "" {
		w.Fatalf("no tokens: %+v", got)
	}
	return got
}
