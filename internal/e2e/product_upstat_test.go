package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/watchgate/watchgate/storage"
)

// The product's own codes.
const (
	authenticationError = "authentication_error"
	permissionError     = "permission_error"
)

const oneDay = 24 * time.Hour

// upstatResources are what its tokens have permissions on.
var upstatResources = []string{"monitors", "incidents", "heartbeats", "catalog", "on-call", "runbooks", "status-pages", "maintenance"}

// upstatCalls are a call of the demo API for each action on a resource. There has to
// be an object with the number 1; what is deleted is one that is not there.
func upstatCalls(resource string) map[string]demoCall {
	all := "/t/acme/" + resource
	return map[string]demoCall{
		"read":   {http.MethodGet, all, nil, http.StatusOK},
		"create": {http.MethodPost, all, fields{"name": "made"}, http.StatusCreated},
		"update": {http.MethodPut, all + "/" + resource + "_1", fields{"name": "changed"}, http.StatusOK},
		"delete": {http.MethodDelete, all + "/" + resource + "_none", nil, http.StatusNotFound},
	}
}

// upstat is the product with its owner.
type upstat struct {
	*product
	owner string // alice's access token
}

func TestProductUpstat(t *testing.T) {
	u := &upstat{product: startProduct(t, "upstat")}
	u.owner = u.person(t, alice)
	t.Run("a token is a JWT", u.isJWT)
	t.Run("a token is the account's", u.isTheAccounts)
	t.Run("tokens are made by the owner only", u.ownerOnly)
	t.Run("each permission on each resource", u.permissions)
	t.Run("a token reads everything by default", u.readsByDefault)
	t.Run("lifetimes", u.lifetimes)
	t.Run("list", u.list)
	t.Run("edit of a live token", u.edit)
	t.Run("reveal", u.reveal)
	t.Run("regenerate", u.regenerate)
	t.Run("delete", u.remove)
	t.Run("errors", u.errors)
	t.Run("nothing secret is stored, and what was shown is in the trail", u.trailOfReveal)
}

// check calls every action of a resource, of which the token may some.
func (u *upstat) check(t *testing.T, secret, resource string, may ...string) {
	t.Helper()
	for action, c := range upstatCalls(resource) {
		a := u.call(t, secret, c.method, c.path, c.body)
		if slices.Contains(may, action) {
			wantStatus(t, action+" of "+resource, a, c.allowed)
		} else {
			wantRefusal(t, action+" of "+resource, a, http.StatusForbidden, permissionError)
		}
	}
}

func (u *upstat) isJWT(t *testing.T) {
	k := u.newKey(t, u.owner, fields{})
	parts := strings.Split(k.Secret, ".")
	if len(parts) != 3 {
		t.Fatalf("a token of %d parts", len(parts))
	}
	var header struct{ Alg, Typ, KID string }
	var claims map[string]any
	for i, into := range []any{&header, &claims} {
		raw := must[[]byte](t)(base64.RawURLEncoding.DecodeString(parts[i]))
		noError(t, json.Unmarshal(raw, into))
	}
	if header.Alg != "EdDSA" || header.Typ != "api-key+jwt" || header.KID == "" {
		t.Errorf("header %+v", header)
	}
	if claims["iss"] != u.dev.URL || claims["sub"] != k.ID || claims["jti"] != k.ID || claims["tenant_id"] == "" || claims["iat"] == nil {
		t.Errorf("claims %v of %s", claims, k.ID)
	}
	wantStatus(t, "the token", u.call(t, k.Secret, http.MethodGet, "/t/acme/monitors", nil), http.StatusOK)

	claims["tenant_id"] = "ten_another"
	forged := parts[0] + "." + base64.RawURLEncoding.EncodeToString(must[[]byte](t)(json.Marshal(claims))) + "." + parts[2]
	wantRefusal(t, "a token with another claim", u.call(t, forged, http.MethodGet, "/t/acme/monitors", nil), http.StatusUnauthorized, authenticationError)
}

func (u *upstat) isTheAccounts(t *testing.T) {
	k := u.newKey(t, u.owner, fields{})
	if who := u.v1(t, k.Secret, http.MethodGet, "/whoami", nil); who.text("tenant") != "acme" || who.text("kind") != "api_key" || who.text("key_id") != k.ID {
		t.Errorf("whoami = %s", who)
	}
	for _, what := range []string{"before", "after"} { // the server has seen the token
		if a := u.asked(t, k.Secret, "tenant", "globex"); len(a) != 1 || a["active"] != false {
			t.Errorf("for globex, %s: %v", what, a)
		}
		if a := u.asked(t, k.Secret, "tenant", "acme"); a["active"] != true || a["tenant"] != "acme" || a["token_type"] != "api_key" || a["key_id"] != k.ID {
			t.Errorf("for acme, %s: %v", what, a)
		}
	}
	wantStatus(t, "another account's data", u.call(t, k.Secret, http.MethodGet, "/t/globex/monitors", nil), http.StatusNotFound)
	carols := u.person(t, carol)
	wantProblem(t, "another account's owner", u.v1(t, carols, http.MethodGet, k.path(), nil), http.StatusNotFound, "not-found")
	if keys := u.listed(t, carols, "?state=all&limit=100"); len(keys) != 0 {
		t.Errorf("another account's owner sees %d tokens", len(keys))
	}
}

func (u *upstat) ownerOnly(t *testing.T) {
	company := u.newCompany(t, "upstat.test")
	k := u.newKey(t, u.owner, fields{})
	for who, token := range map[string]string{
		"a member": u.person(t, bob), "a viewer": u.person(t, victor), "an admin": company.person(t, "ann", storage.RoleAdmin, true),
	} {
		for what, a := range map[string]answer{
			"create":     u.v1(t, token, http.MethodPost, "/keys", fields{"name": "mine"}),
			"list":       u.v1(t, token, http.MethodGet, "/keys", nil),
			"see":        u.v1(t, token, http.MethodGet, k.path(), nil),
			"edit":       u.v1(t, token, http.MethodPatch, k.path(), fields{"name": "mine"}),
			"reveal":     u.v1(t, token, http.MethodPost, k.path()+"/reveal", nil),
			"regenerate": u.v1(t, token, http.MethodPost, k.path()+"/rotate", nil),
			"delete":     u.v1(t, token, http.MethodDelete, k.path(), nil),
		} {
			wantRefusal(t, what+" by "+who, a, http.StatusForbidden, permissionError)
		}
	}
	machine := tokensOf(t, u.server.post(t, "/oauth2/token", demoM2M, with(machineForm(), "scope", "monitors:read api-keys:read api-keys:write"))).Access
	wantRefusal(t, "create by a machine", u.v1(t, machine, http.MethodPost, "/keys", fields{"name": "mine"}), http.StatusForbidden, permissionError)
	u.newKey(t, company.person(t, "olga", storage.RoleOwner, true), fields{"name": "of another owner"})
	wantStatus(t, "the token", u.call(t, k.Secret, http.MethodGet, "/t/acme/monitors", nil), http.StatusOK)
}

func (u *upstat) permissions(t *testing.T) {
	all := map[string][]string{}
	for _, r := range upstatResources {
		all[r] = []string{"create", "delete", "read", "update"}
	}
	full := u.newKey(t, u.owner, fields{"permissions": all})
	if d := cmp.Diff(all, sorted(full.Permissions)); d != "" {
		t.Errorf("a token with every permission (-asked +made):\n%s", d)
	}
	for _, r := range upstatResources {
		made := u.call(t, full.Secret, http.MethodPost, "/t/acme/"+r, fields{"name": "first"})
		if made.status != http.StatusCreated || made.text("id") != r+"_1" {
			t.Fatalf("the first of %s: %s", r, made)
		}
		u.check(t, full.Secret, r, all[r]...)
		gone := u.call(t, full.Secret, http.MethodPost, "/t/acme/"+r, fields{"name": "to be deleted"}).text("id")
		wantStatus(t, "delete", u.call(t, full.Secret, http.MethodDelete, "/t/acme/"+r+"/"+gone, nil), http.StatusNoContent)
	}
	for i, r := range upstatResources {
		other := upstatResources[(i+1)%len(upstatResources)]
		for _, action := range all[r] {
			t.Run(r+" "+action, func(t *testing.T) {
				k := u.newKey(t, u.owner, fields{"permissions": map[string][]string{r: {action}}})
				if !slices.Equal(k.Scopes, []string{r + ":" + action}) {
					t.Errorf("scopes %v", k.Scopes)
				}
				u.check(t, k.Secret, r, action)
				wantRefusal(t, "the next resource", u.call(t, k.Secret, http.MethodGet, "/t/acme/"+other, nil), http.StatusForbidden, permissionError)
			})
		}
	}
	for what, asked := range map[string]any{"an action": map[string][]string{"monitors": {"run"}}, "a resource": map[string][]string{"sites": {"read"}}} {
		a := u.v1(t, u.owner, http.MethodPost, "/keys", fields{"name": "no", "permissions": asked})
		if wantProblem(t, "no such "+what, a, http.StatusUnprocessableEntity, "invalid"); !strings.HasPrefix(a.wrongs(), "permissions") {
			t.Errorf("no such %s: %s", what, a)
		}
	}
}

func sorted(permissions map[string][]string) map[string][]string {
	out := maps.Clone(permissions)
	for r := range out {
		out[r] = slices.Sorted(slices.Values(out[r]))
	}
	return out
}

func (u *upstat) readsByDefault(t *testing.T) {
	k := u.newKey(t, u.owner, fields{})
	want := map[string][]string{}
	for _, r := range upstatResources {
		want[r] = []string{"read"}
	}
	if d := cmp.Diff(want, k.Permissions); d != "" {
		t.Errorf("permissions (-want +got):\n%s", d)
	}
	for _, r := range upstatResources {
		u.check(t, k.Secret, r, "read")
	}
}

func (u *upstat) lifetimes(t *testing.T) {
	for asked, want := range map[string]time.Duration{"never": 0, "30d": 30 * oneDay, "60d": 60 * oneDay, "90d": 90 * oneDay, "1y": 365 * oneDay} {
		t.Run(asked, func(t *testing.T) {
			k := u.newKey(t, u.owner, fields{"expires_in": asked})
			if k.life() != want {
				t.Errorf("made for %s, want %s", k.life(), want)
			}
			wantStatus(t, "the token", u.call(t, k.Secret, http.MethodGet, "/t/acme/monitors", nil), http.StatusOK)
		})
	}
	for _, asked := range []string{"1h", "1d", "29d", "31d", "45d", "6mo", "91d", "364d", "2y", "100y", "0s", "-30d", "forever"} {
		t.Run("no "+asked, func(t *testing.T) {
			a := u.v1(t, u.owner, http.MethodPost, "/keys", fields{"name": "no", "expires_in": asked})
			if wantProblem(t, asked, a, http.StatusUnprocessableEntity, "invalid"); a.wrongs() != "expires_in" {
				t.Errorf("%s: %s", asked, a)
			}
		})
	}
	t.Run("no other moment", func(t *testing.T) {
		a := u.v1(t, u.owner, http.MethodPost, "/keys", fields{"name": "no", "expires_at": time.Now().Add(10 * oneDay)})
		if wantProblem(t, "in ten days", a, http.StatusUnprocessableEntity, "invalid"); a.wrongs() != "expires_at" {
			t.Errorf("in ten days: %s", a)
		}
	})
}

// find is a token in the owner's list.
func (u *upstat) find(t *testing.T, id string) (madeKey, bool) {
	t.Helper()
	keys := u.listed(t, u.owner, "?limit=100")
	i := slices.IndexFunc(keys, func(k madeKey) bool { return k.ID == id })
	if i < 0 {
		return madeKey{}, false
	}
	return keys[i], true
}

func (u *upstat) list(t *testing.T) {
	made := u.newKey(t, u.owner, fields{"name": "Grafana, staging", "expires_in": "30d"})
	got, there := u.find(t, made.ID)
	if !there || got.Name != "Grafana, staging" || !got.CreatedAt.Equal(made.CreatedAt) || got.ExpiresAt == nil || !got.ExpiresAt.Equal(*made.ExpiresAt) || got.LastUsedAt != nil {
		t.Errorf("listed as %+v", got)
	}
	wantStatus(t, "the token", u.call(t, made.Secret, http.MethodGet, "/t/acme/monitors", nil), http.StatusOK)
	await(t, "the last use in the list", func() bool {
		got, _ = u.find(t, made.ID)
		return got.LastUsedAt != nil
	})
	if got.LastUsedAt.Before(made.CreatedAt) {
		t.Errorf("used at %s, made at %s", got.LastUsedAt, made.CreatedAt)
	}
	if list := u.v1(t, u.owner, http.MethodGet, "/keys?limit=100", nil); strings.Contains(list.body, signature(made.Secret)) || strings.Contains(list.body, `"secret"`) {
		t.Error("the list has a token in it")
	}
}

// signature is the last part of a JWT: what nobody can make up.
func signature(jwt string) string { return jwt[strings.LastIndex(jwt, ".")+1:] }

func (u *upstat) edit(t *testing.T) {
	k := u.newKey(t, u.owner, fields{"name": "before", "permissions": map[string][]string{"incidents": {"read"}, "catalog": {"read"}}})
	change := func(what string, patch fields) madeKey {
		t.Helper()
		a := u.v1(t, u.owner, http.MethodPatch, k.path(), patch)
		wantStatus(t, what, a, http.StatusOK)
		var got madeKey
		noError(t, json.Unmarshal([]byte(a.body), &got))
		return got
	}
	u.check(t, k.Secret, "incidents", "read")
	if got := change("a name", fields{"name": "after"}); got.Name != "after" || len(got.Scopes) != 2 {
		t.Errorf("after another name: %+v", got)
	}
	if got, _ := u.find(t, k.ID); got.Name != "after" {
		t.Errorf("listed with the name %q", got.Name)
	}
	u.check(t, k.Secret, "catalog", "read")

	change("more permissions", fields{"permissions": fields{"incidents": []string{"read", "create"}}})
	u.check(t, k.Secret, "incidents", "read", "create")
	u.check(t, k.Secret, "catalog", "read")

	change("other permissions", fields{"permissions": fields{"incidents": []string{"update"}, "catalog": nil}})
	u.check(t, k.Secret, "incidents", "update")
	u.check(t, k.Secret, "catalog")
	if a := u.asked(t, k.Secret); a["scope"] != "incidents:update" {
		t.Errorf("introspection: %v", a)
	}
	again := u.v1(t, u.owner, http.MethodPost, k.path()+"/reveal", nil)
	if again.text("secret") != k.Secret {
		t.Errorf("an edited token is another: %d", again.status)
	}
}

func (u *upstat) reveal(t *testing.T) {
	k := u.newKey(t, u.owner, fields{"name": "shown again"})
	for _, what := range []string{"first", "second"} {
		a := u.v1(t, u.person(t, alice), http.MethodPost, k.path()+"/reveal", nil)
		if wantStatus(t, "reveal", a, http.StatusOK); a.text("secret") != k.Secret || a.text("id") != k.ID {
			t.Errorf("the %s reveal shows other bytes", what)
		}
		if a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("Cache-Control is %q", a.header.Get("Cache-Control"))
		}
	}
	for who, token := range map[string]string{"a member": u.person(t, bob), "a viewer": u.person(t, victor), "the token itself": k.Secret} {
		wantRefusal(t, "reveal to "+who, u.v1(t, token, http.MethodPost, k.path()+"/reveal", nil), http.StatusForbidden, permissionError)
	}
	wantProblem(t, "reveal to another account's owner", u.v1(t, u.person(t, carol), http.MethodPost, k.path()+"/reveal", nil), http.StatusNotFound, "not-found")
	wantStatus(t, "delete", u.v1(t, u.owner, http.MethodDelete, k.path(), nil), http.StatusNoContent)
	wantProblem(t, "reveal of a deleted token", u.v1(t, u.owner, http.MethodPost, k.path()+"/reveal", nil), http.StatusGone, "gone")
}

func (u *upstat) regenerate(t *testing.T) {
	for what, body := range map[string]any{"without a body": nil, "without grace": fields{"grace": "0s"}} {
		t.Run(what, func(t *testing.T) {
			old := u.newKey(t, u.owner, fields{"expires_in": "60d", "permissions": map[string][]string{"runbooks": {"read", "update"}}})
			u.check(t, old.Secret, "runbooks", "read", "update")
			next := keyOf(t, u.v1(t, u.owner, http.MethodPost, old.path()+"/rotate", body))
			wantRefusal(t, "the old value", u.call(t, old.Secret, http.MethodGet, "/t/acme/runbooks", nil), http.StatusUnauthorized, authenticationError)
			wantRefusal(t, "the old value at /v1", u.v1(t, old.Secret, http.MethodGet, "/whoami", nil), http.StatusUnauthorized, authenticationError)
			u.check(t, next.Secret, "runbooks", "read", "update")
			if next.Secret == old.Secret || next.Name != old.Name || next.life() != 60*oneDay {
				t.Errorf("%q for %s became %q for %s", old.Name, old.life(), next.Name, next.life())
			}
			if _, there := u.find(t, old.ID); there {
				t.Error("the old token is among the live ones")
			}
		})
	}
	k := u.newKey(t, u.owner, fields{})
	a := u.v1(t, u.owner, http.MethodPost, k.path()+"/rotate", fields{"grace": "1h"})
	if wantProblem(t, "a grace", a, http.StatusUnprocessableEntity, "invalid"); a.wrongs() != "grace" {
		t.Errorf("a grace: %s", a)
	}
	wantStatus(t, "a token that was not regenerated", u.call(t, k.Secret, http.MethodGet, "/t/acme/runbooks", nil), http.StatusOK)
}

func (u *upstat) remove(t *testing.T) {
	k := u.newKey(t, u.owner, fields{})
	wantStatus(t, "the token", u.call(t, k.Secret, http.MethodGet, "/t/acme/monitors", nil), http.StatusOK)
	wantStatus(t, "delete", u.v1(t, u.owner, http.MethodDelete, k.path(), nil), http.StatusNoContent)
	wantRefusal(t, "a deleted token", u.call(t, k.Secret, http.MethodGet, "/t/acme/monitors", nil), http.StatusUnauthorized, authenticationError)
	wantRefusal(t, "a deleted token at /v1", u.v1(t, k.Secret, http.MethodGet, "/whoami", nil), http.StatusUnauthorized, authenticationError)
	if a := u.asked(t, k.Secret); len(a) != 1 || a["active"] != false {
		t.Errorf("introspection: %v", a)
	}
	if _, there := u.find(t, k.ID); there {
		t.Error("a deleted token is among the live ones")
	}
}

func (u *upstat) errors(t *testing.T) {
	k := u.newKey(t, u.owner, fields{})
	for what, credential := range map[string]string{
		"no credential": "", "garbage": "garbage", "half a token": k.Secret[:len(k.Secret)-1], "a token of nobody": "wgat_000000000000000000000000000000000000",
	} {
		wantRefusal(t, what+" at the demo API", u.call(t, credential, http.MethodGet, "/t/acme/monitors", nil), http.StatusUnauthorized, authenticationError)
		wantRefusal(t, what+" at /v1", u.v1(t, credential, http.MethodGet, "/whoami", nil), http.StatusUnauthorized, authenticationError)
	}
	wantRefusal(t, "a missing permission at the demo API", u.call(t, k.Secret, http.MethodPost, "/t/acme/monitors", fields{"name": "x"}), http.StatusForbidden, permissionError)
	wantRefusal(t, "a missing permission at /v1", u.v1(t, k.Secret, http.MethodGet, "/keys", nil), http.StatusForbidden, permissionError)
	a := u.v1(t, u.owner, http.MethodPost, "/keys", fields{"name": "no", "scopes": []string{"api-keys:write"}})
	if a.status/100 != 4 {
		t.Errorf("a token that manages tokens: %s", a)
	}
}

func (u *upstat) trailOfReveal(t *testing.T) {
	k := u.newKey(t, u.owner, fields{"name": "in the trail"})
	me := u.v1(t, u.owner, http.MethodGet, "/whoami", nil).text("user")
	if a := u.v1(t, u.owner, http.MethodPost, k.path()+"/reveal", nil); a.text("secret") != k.Secret {
		t.Fatalf("reveal: %d", a.status)
	}
	for what, credential := range map[string]string{"the secret": k.Secret, "its signature": signature(k.Secret), "the owner's access token": u.owner} {
		if bytes.Contains(u.stored(t), []byte(credential)) {
			t.Errorf("%s is on the disk", what)
		}
	}
	shown := slices.DeleteFunc(u.trail(t, "acme"), func(e storage.Event) bool { return e.Kind != "key.revealed" || e.Object != k.ID })
	if len(shown) != 1 || shown[0].Outcome != "success" || string(shown[0].User) != me || shown[0].ActorID != me {
		t.Errorf("the trail of the reveal by %s: %+v", me, shown)
	}
}

// TestProductUpstatRevealWantsAFreshSignIn has a product in which a sign-in is fresh
// for a second, and the real one after it, with the same tokens and the same browser.
func TestProductUpstatRevealWantsAFreshSignIn(t *testing.T) {
	hurried := startProduct(t, profileWith(t, "upstat", "reveal: {allowed: true, max_age: 5m}", "reveal: {allowed: true, max_age: 1s}"))
	spa := app{credentials{id: "demo-spa"}, hurried.dev.API + "/callback", "openid api-keys:read api-keys:write"}
	b := hurried.server.browser(spa)
	owner := hurried.signInAt(t, b, spa, alice, "user="+alice).Access
	k := hurried.newKey(t, owner, fields{})
	var old answer
	await(t, "the sign-in to be no longer fresh", func() bool {
		old = hurried.v1(t, owner, http.MethodPost, k.path()+"/reveal", nil)
		return old.status != http.StatusOK
	})
	wantProblem(t, "reveal after an older sign-in", old, http.StatusUnauthorized, "reauthenticate")
	wantRefusal(t, "reveal after an older sign-in", old, http.StatusUnauthorized, authenticationError)
	if challenge := old.header.Get("WWW-Authenticate"); !strings.Contains(challenge, `error="insufficient_user_authentication"`) || !strings.Contains(challenge, `max_age="1"`) {
		t.Errorf("no step-up (RFC 9470): %s", challenge)
	}
	if old.text("secret") != "" || strings.Contains(old.body, signature(k.Secret)) {
		t.Error("the refusal shows the token")
	}
	wantStatus(t, "the token", hurried.call(t, k.Secret, http.MethodGet, "/t/acme/monitors", nil), http.StatusOK)
	hurried.stop(t)

	real := startProductIn(t, hurried.dev.Dir, hurried.dev.Base, "upstat")
	// What the challenge asks for: the session of the browser does not do.
	owner = real.signInAt(t, b, spa, alice, "user="+alice, "max_age", "1").Access
	a := real.v1(t, owner, http.MethodPost, k.path()+"/reveal", nil)
	if wantStatus(t, "reveal after a fresh sign-in", a, http.StatusOK); a.text("secret") != k.Secret {
		t.Error("after a restart the token is another")
	}
	wantStatus(t, "the token after a restart", real.call(t, a.text("secret"), http.MethodGet, "/t/acme/monitors", nil), http.StatusOK)
	refused := slices.DeleteFunc(real.trail(t, "acme"), func(e storage.Event) bool { return e.Kind != "key.refused" || e.Object != k.ID })
	if len(refused) == 0 || refused[0].Outcome == "success" {
		t.Errorf("the trail of refused reveals: %+v", refused)
	}
}
