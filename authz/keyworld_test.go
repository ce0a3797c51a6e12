package authz_test

import (
	"context"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/watchgate/watchgate/internal/catalogue"
	"github.com/watchgate/watchgate/internal/limit"
	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/storage"
)

const (
	exchangeGrant = "urn:ietf:params:oauth:grant-type:token-exchange"
	apiKeyType    = "urn:watchgate:params:oauth:token-type:api_key"
)

// product is the catalogue of these tests.
const product = `
resources:
  monitor: {description: Monitors, actions: {read: {scope: "monitor:read", description: See monitors}}}
  alert: {description: Alerts, actions: {write: {scope: "alert:write", description: Change alerts}}}
  config: {description: Setup, actions: {admin: {scope: "config:admin", description: Change the setup}}}
scopes:
  "monitoring:admin": {description: Everything, implies: ["monitor:read", "alert:write"]}
  "all:admin": {description: Everything and keys, implies: ["monitor:read", "api-keys:write"]}
roles:
  owner: ["*"]
  member: ["monitor:read", "alert:write", "api-keys:read", "api-keys:write"]
  viewer: ["monitor:read"]
`

// keyForms are keys of the profiles live and tls, and JWTs that the signer of these
// tests made.
type keyForms struct{}

func (keyForms) ParseKey(s string) ([32]byte, bool) {
	prefix, hash, err := token.ParseKey(s)
	if err == nil && prefix == "up_live_" {
		return hash, true
	}
	hash, err = token.ParseJWTKey(s)
	return hash, err == nil
}

func (keyForms) Verify(ctx context.Context, s string) bool {
	if _, _, err := token.ParseKey(s); err == nil {
		return true
	}
	_, err := keys.Verify(ctx, s)
	return err == nil
}

func (keyForms) Rules(profile string) (bool, limit.Rate, bool) {
	rate := limit.Rate{}
	if profile == "rated" {
		rate = limit.Rate{Requests: 2, Per: time.Minute}
	}
	return profile == "tls", rate, slices.Contains([]string{"live", "tls", "rated"}, profile)
}

// newKeyWorld is a world with API keys, on SQLite.
func newKeyWorld(t *testing.T) *world {
	t.Helper()
	return newWorld(t).withKeys()
}

// onBothWithKeys runs a test on both engines.
func onBothWithKeys(t *testing.T, test func(*world)) {
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		test(newKeyWorld(t))
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		test(newPostgresWorld(t).withKeys())
	})
}

func (w *world) withKeys() *world {
	w.Helper()
	file, err := catalogue.Parse("product.yaml", []byte(product))
	w.must(err)
	w.forms, w.catalogue = keyForms{}, file.Catalogue
	w.aliceIn() // so that there is such a person
	w.signIn(w.globex, w.idpG, w.carol)
	for _, c := range []struct {
		id     storage.ClientID
		change func(*storage.Client)
	}{
		{"ci", nil},
		{"short", func(c *storage.Client) { c.GrantTypes = []string{storage.GrantTokenExchange} }},
		{"globex-ci", func(c *storage.Client) { c.Owner = w.globex.ID }},
		{"globex-m2m", func(c *storage.Client) { c.ServiceTenant = w.globex.ID }},
	} {
		w.client(c.id, func(s *storage.Client) {
			s.GrantTypes = []string{storage.GrantTokenExchange, storage.GrantRefreshToken}
			s.Scopes = []string{"openid", "offline_access", "monitor:read", "alert:write", "api-keys:read", "api-keys:write", "all:admin"}
			if c.change != nil {
				c.change(s)
			}
		})
	}
	w.mount(issuer)
	return w
}

// key makes alice's key, edited, and returns its whole text.
func (w *world) key(edit ...func(*storage.APIKey)) (string, storage.APIKey) {
	w.Helper()
	id := storage.NewKeyID(w.now())
	raw := token.NewKey("up_live_", id)
	_, hash, err := token.ParseKey(raw)
	w.must(err)
	k := storage.APIKey{
		ID: id, Profile: "live", Name: "ci", Hash: hash, Hint: token.KeyHint(raw), Owner: w.alice.ID,
		Scopes: []string{"monitor:read", "alert:write"}, CreatedAt: w.now(), Version: 1,
	}
	role := storage.RoleOwner
	for _, e := range edit {
		e(&k)
	}
	if k.Owner == "" {
		role = ""
	}
	w.must(w.store.Tenant(w.acme.ID).CreateKey(w.Context(), storage.CreateKey{Key: k, Role: role}, event("key.created")))
	return raw, k
}

// service makes it a service key.
func service(k *storage.APIKey) { k.Owner = "" }

// stored is the key as it is now.
func (w *world) stored(id storage.KeyID) storage.APIKey {
	w.Helper()
	k, err := w.store.Tenant(w.acme.ID).Key(w.Context(), id)
	w.must(err)
	return k
}

// rewrite changes a stored key.
func (w *world) rewrite(id storage.KeyID, edit func(*storage.APIKey)) {
	w.Helper()
	k := w.stored(id)
	edit(&k)
	w.must(w.store.Tenant(w.acme.ID).UpdateKey(w.Context(), k, event("key.updated")))
}

func (w *world) revokeKey(id storage.KeyID) {
	w.Helper()
	w.must(w.store.Tenant(w.acme.ID).RevokeKey(w.Context(), id, w.now(), "revoked", event("key.revoked")))
}

// promote gives alice another role.
func (w *world) promote(role storage.Role) {
	w.Helper()
	u, err := w.store.Tenant(w.acme.ID).User(w.Context(), w.alice.ID)
	w.must(err)
	u.Role = role
	w.must(w.store.Tenant(w.acme.ID).UpdateUser(w.Context(), u, event("user.updated")))
}

// exchange asks for tokens under a key, as ci.
func (w *world) exchange(key string, pairs ...string) *httptest.ResponseRecorder {
	return w.exchangeAs("ci", key, pairs...)
}

func (w *world) exchangeAs(client, key string, pairs ...string) *httptest.ResponseRecorder {
	return w.post("/oauth2/token", exchangeForm(key, pairs...), as(client))
}

func exchangeForm(key string, pairs ...string) map[string][]string {
	return form(append([]string{"grant_type", exchangeGrant, "subject_token", key, "subject_token_type", apiKeyType}, pairs...)...)
}

// mustExchange is an exchange that works.
func (w *world) mustExchange(key string, pairs ...string) tokens {
	w.Helper()
	got := w.tokens(w.exchange(key, pairs...))
	if got.Access == "" || !w.alive(got.Access) {
		w.Fatalf("no tokens: %+v", got)
	}
	return got
}

// ends is when the row of an access token says that it ends.
func (w *world) row(access string) storage.LiveToken {
	w.Helper()
	ref, err := token.Parse(token.Access, access)
	w.must(err)
	_, live, err := w.store.FindAccess(w.Context(), "", ref)
	w.must(err)
	if live == nil {
		w.Fatal("there is no such token")
	}
	return *live
}

// introspected reports whether a resource server's one statement finds it live.
func (w *world) introspected(access string) bool {
	w.Helper()
	ref, err := token.Parse(token.Access, access)
	w.must(err)
	_, live, err := w.store.Introspect(w.Context(), "api", ref)
	w.must(err)
	return live != nil && live.Dead(w.now()) == ""
}

const halfHour = 30 * time.Minute
