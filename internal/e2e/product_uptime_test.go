package e2e

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// uptimeResources are what its keys read and write at the demo API; the sixth,
// api-keys, is at /v1.
var uptimeResources = []string{"monitors", "alerts", "status-pages", "maintenance", "team"}

// uptimeScopes are all that there are.
func uptimeScopes() []string {
	var all []string
	for _, r := range append([]string{"api-keys"}, uptimeResources...) {
		all = append(all, r+":read", r+":write")
	}
	slices.Sort(all)
	return all
}

var uptimeForm = regexp.MustCompile(`^uptime_[0-9a-hjkmnp-tv-z]{16}_[0-9A-Za-z]{49}$`)

// uptime is the product with an owner.
type uptime struct {
	*product
	owner string // alice's access token
	full  madeKey
}

func TestProductUptime(t *testing.T) {
	u := &uptime{product: startProduct(t, "uptime")}
	u.owner = u.person(t, alice)
	u.full = u.newKey(t, u.owner, fields{"name": "everything", "scopes": uptimeScopes()})
	t.Run("keys are uptime_", u.form)
	t.Run("each resource, read and write", u.scopes)
	t.Run("an expiry is optional", u.expiry)
	t.Run("403 for a missing scope", u.missingScope)
	t.Run("401 for an expired key", u.expired)
	t.Run("keys are listed without secrets under api-keys:read", u.list)
}

func (u *uptime) form(t *testing.T) {
	seen := map[string]bool{}
	for range 5 {
		k := u.newKey(t, u.owner, fields{"scopes": []string{"monitors:read"}})
		if !uptimeForm.MatchString(k.Secret) || seen[k.Secret] || !strings.HasSuffix(k.ID, k.Secret[len("uptime_"):len("uptime_")+16]) {
			t.Errorf("a key of %d characters, %s, is not of the form, or not new", len(k.Secret), k.Hint)
		}
		if k.Hint != k.Secret[:len("uptime_")+4]+"****" || k.Profile != "key" {
			t.Errorf("hint %s, profile %s", k.Hint, k.Profile)
		}
		seen[k.Secret] = true
		for _, header := range [][]string{bearer(k.Secret), {"X-API-Key", k.Secret}} {
			wantStatus(t, header[0]+" at the demo API", u.api.do(t, http.MethodGet, "/t/acme/monitors", nil, header...), http.StatusOK)
			wantStatus(t, header[0]+" at /v1", u.server.do(t, http.MethodGet, "/v1/auth/whoami", nil, header...), http.StatusOK)
		}
	}
}

// tries are calls that need a scope, by the scope.
func (u *uptime) tries(t *testing.T) map[string]func(secret string) []answer {
	out := map[string]func(secret string) []answer{
		"api-keys:read": func(secret string) []answer { return []answer{u.v1(t, secret, http.MethodGet, "/keys", nil)} },
		"api-keys:write": func(secret string) []answer {
			victim := u.newKey(t, u.owner, fields{"name": "victim", "scopes": []string{"monitors:read"}})
			return []answer{
				u.v1(t, secret, http.MethodPatch, victim.path(), fields{"name": "changed"}),
				u.v1(t, secret, http.MethodDelete, victim.path(), nil),
			}
		},
	}
	for _, r := range uptimeResources {
		all := "/t/acme/" + r
		out[r+":read"] = func(secret string) []answer { return []answer{u.call(t, secret, http.MethodGet, all, nil)} }
		out[r+":write"] = func(secret string) []answer {
			at := all + "/" + u.call(t, u.full.Secret, http.MethodPost, all, fields{"name": "there"}).text("id")
			return []answer{
				u.call(t, secret, http.MethodPost, all, fields{"name": "made"}),
				u.call(t, secret, http.MethodPut, at, fields{"name": "changed"}),
				u.call(t, secret, http.MethodDelete, at, nil),
			}
		}
	}
	return out
}

func (u *uptime) scopes(t *testing.T) {
	tries := u.tries(t)
	for _, scope := range uptimeScopes() {
		t.Run(scope, func(t *testing.T) {
			k := u.newKey(t, u.owner, fields{"scopes": []string{scope}})
			resource, action, _ := strings.Cut(scope, ":")
			if d := cmp.Diff(map[string][]string{resource: {action}}, k.Permissions); d != "" {
				t.Errorf("permissions (-want +got):\n%s", d)
			}
			for needed, try := range tries {
				for i, a := range try(k.Secret) {
					if needed == scope && a.status/100 != 2 || needed != scope && a.status != http.StatusForbidden {
						t.Errorf("call %d that needs %s answers %s", i, needed, a)
					}
				}
			}
		})
	}
	for needed, try := range tries {
		for i, a := range try(u.full.Secret) {
			if a.status/100 != 2 {
				t.Errorf("a key with every scope: call %d that needs %s answers %s", i, needed, a)
			}
		}
	}
	a := u.v1(t, u.owner, http.MethodPost, "/keys", fields{"name": "no", "scopes": []string{"monitors:read", "monitors:delete"}})
	if wantProblem(t, "a scope that there is not", a, http.StatusUnprocessableEntity, "invalid"); a.wrongs() != "scopes[1]" {
		t.Errorf("a scope that there is not: %s", a)
	}
}

func (u *uptime) expiry(t *testing.T) {
	scopes := []string{"monitors:read"}
	for what, c := range map[string]struct {
		body fields
		want time.Duration
	}{
		"none": {fields{"scopes": scopes}, 0}, "never": {fields{"scopes": scopes, "expires_in": "never"}, 0}, "null": {fields{"scopes": scopes, "expires_at": nil}, 0},
		"720h": {fields{"scopes": scopes, "expires_in": "720h"}, 720 * time.Hour}, "45m": {fields{"scopes": scopes, "expires_in": "45m"}, 45 * time.Minute},
		"10y": {fields{"scopes": scopes, "expires_in": "10y"}, 3650 * oneDay},
	} {
		t.Run(what, func(t *testing.T) {
			k := u.newKey(t, u.owner, c.body)
			if k.life() != c.want {
				t.Errorf("made for %s, want %s", k.life(), c.want)
			}
			wantStatus(t, "the key", u.call(t, k.Secret, http.MethodGet, "/t/acme/monitors", nil), http.StatusOK)
			_, told := u.asked(t, k.Secret)["exp"]
			if told != (c.want != 0) {
				t.Errorf("introspection tells an end: %t", told)
			}
		})
	}
	at := time.Now().Add(9 * oneDay).UTC().Truncate(time.Second)
	if k := u.newKey(t, u.owner, fields{"scopes": scopes, "expires_at": at}); k.ExpiresAt == nil || !k.ExpiresAt.Equal(at) {
		t.Errorf("made until %v, want %s", k.ExpiresAt, at)
	}
	a := u.v1(t, u.owner, http.MethodPost, "/keys", fields{"name": "no", "scopes": scopes, "expires_at": at.Add(-30 * oneDay)})
	if wantProblem(t, "an end in the past", a, http.StatusUnprocessableEntity, "invalid"); a.wrongs() != "expires_at" {
		t.Errorf("an end in the past: %s", a)
	}
}

func (u *uptime) missingScope(t *testing.T) {
	k := u.newKey(t, u.owner, fields{"scopes": []string{"monitors:read"}})
	a := u.call(t, k.Secret, http.MethodPost, "/t/acme/monitors", fields{"name": "x"})
	wantRefusal(t, "at the demo API", a, http.StatusForbidden, "forbidden")
	if a.text("error") != "insufficient_scope" || !strings.Contains(a.header.Get("WWW-Authenticate"), `scope="monitors:write"`) {
		t.Errorf("at the demo API: %s, %s", a, a.header.Get("WWW-Authenticate"))
	}
	a = u.v1(t, k.Secret, http.MethodGet, "/keys", nil)
	wantProblem(t, "at /v1", a, http.StatusForbidden, "insufficient-scope")
	if !strings.Contains(a.header.Get("WWW-Authenticate"), `scope="api-keys:read"`) {
		t.Errorf("at /v1: %s", a.header.Get("WWW-Authenticate"))
	}
	// Introspection can be asked for the need itself.
	if a := u.asked(t, k.Secret, "scope", "monitors:read"); a["active"] != true || a["scope"] != "monitors:read" {
		t.Errorf("asked for what it has: %v", a)
	}
}

func (u *uptime) expired(t *testing.T) {
	short := u.newKey(t, u.owner, fields{"name": "short", "scopes": []string{"monitors:read"}, "expires_in": "3s"})
	long := u.newKey(t, u.owner, fields{"name": "long", "scopes": []string{"monitors:read"}})
	var a answer
	await(t, "the end of the key", func() bool {
		a = u.call(t, short.Secret, http.MethodGet, "/t/acme/monitors", nil)
		return a.status != http.StatusOK
	})
	wantRefusal(t, "the expired key at the demo API", a, http.StatusUnauthorized, "unauthenticated")
	if a.text("error") != "invalid_token" || !strings.Contains(a.header.Get("WWW-Authenticate"), `error="invalid_token"`) {
		t.Errorf("at the demo API: %s, %s", a, a.header.Get("WWW-Authenticate"))
	}
	// What the key lacks is not told any more.
	wantStatus(t, "the expired key without the scope", u.call(t, short.Secret, http.MethodPost, "/t/acme/monitors", fields{"name": "x"}), http.StatusUnauthorized)
	wantProblem(t, "the expired key at /v1", u.v1(t, short.Secret, http.MethodGet, "/whoami", nil), http.StatusUnauthorized, "unauthenticated")
	if a := u.asked(t, short.Secret); len(a) != 1 || a["active"] != false {
		t.Errorf("introspection: %v", a)
	}
	wantStatus(t, "a key without an end", u.call(t, long.Secret, http.MethodGet, "/t/acme/monitors", nil), http.StatusOK)
	ended := u.listed(t, u.owner, "?state=expired&limit=100")
	if !slices.ContainsFunc(ended, func(k madeKey) bool { return k.ID == short.ID && k.State == "expired" }) {
		t.Errorf("not among the expired: %+v", ended)
	}
}

func (u *uptime) list(t *testing.T) {
	reader := u.newKey(t, u.owner, fields{"name": "reader", "scopes": []string{"api-keys:read"}})
	made := []madeKey{u.full, reader}
	for _, name := range []string{"terraform", "ci"} {
		made = append(made, u.newKey(t, u.owner, fields{"name": name, "scopes": []string{"monitors:read", "alerts:write"}, "expires_in": "30d"}))
	}
	for who, credential := range map[string]string{"a key with api-keys:read": reader.Secret, "the owner": u.owner} {
		a := u.v1(t, credential, http.MethodGet, "/keys?limit=100&state=all", nil)
		wantStatus(t, "the list to "+who, a, http.StatusOK)
		var page struct{ Items []map[string]any }
		noError(t, json.Unmarshal([]byte(a.body), &page))
		for _, k := range made {
			i := slices.IndexFunc(page.Items, func(item map[string]any) bool { return item["id"] == k.ID })
			if i < 0 || page.Items[i]["name"] != k.Name || page.Items[i]["hint"] != k.Hint || page.Items[i]["created_at"] == nil {
				t.Errorf("%s is not listed to %s as it was made", k.Name, who)
			}
			if strings.Contains(a.body, k.Secret[len(k.Secret)-49:]) {
				t.Errorf("the secret of %s is listed to %s", k.Name, who)
			}
		}
		for _, item := range page.Items {
			if _, there := item["secret"]; there {
				t.Errorf("an item has a secret: %v", item["name"])
			}
		}
	}
	for _, k := range made[2:] {
		wantProblem(t, "the list to "+k.Name, u.v1(t, k.Secret, http.MethodGet, "/keys", nil), http.StatusForbidden, "insufficient-scope")
		got := u.v1(t, reader.Secret, http.MethodGet, k.path(), nil)
		if wantStatus(t, "one key", got, http.StatusOK); got.text("name") != k.Name || strings.Contains(got.body, k.Secret[len(k.Secret)-49:]) {
			t.Errorf("one key: %s", got)
		}
	}
	wantProblem(t, "a change by a key that reads", u.v1(t, reader.Secret, http.MethodDelete, made[2].path(), nil), http.StatusForbidden, "insufficient-scope")
}
