package storagetest

import (
	"testing"
	"time"

	"github.com/watchgate/watchgate/storage"
)

func testTenants(t *testing.T, w *world) {
	ctx, tenant := t.Context(), w.a.tenant
	w.same(get(w.store.TenantByID(ctx, tenant.ID))(w), tenant)
	w.same(get(w.store.TenantBySlug(ctx, tenant.Slug))(w), tenant)
	all := get(w.store.ListTenants(ctx))(w)
	w.same(all, []storage.Tenant{w.a.tenant, w.b.tenant})

	other := tenant
	other.ID = storage.NewTenantID(w.now)
	w.want(w.store.CreateTenant(ctx, other, w.event("x")), storage.ErrExists)
	other.ID, other.Slug = tenant.ID, "unused"
	w.want(w.store.CreateTenant(ctx, other, w.event("x")), storage.ErrExists)

	tenant.SuspendedAt, tenant.SuspendReason, tenant.TokensNotBefore = w.now.Add(time.Second), "unpaid", w.now
	tenant.Slug, tenant.Name, tenant.Policy = "renamed-"+tenant.Slug, "Other", storage.TenantPolicy{}
	w.must(w.store.UpdateTenant(ctx, tenant, w.event("x")))
	w.want(w.store.UpdateTenant(ctx, tenant, w.event("x")), storage.ErrConflict)
	tenant.Version++
	w.same(get(w.store.TenantByID(ctx, tenant.ID))(w), tenant)
	tenant.Slug = w.b.tenant.Slug
	w.want(w.store.UpdateTenant(ctx, tenant, w.event("x")), storage.ErrExists)
	other.ID = storage.NewTenantID(w.now)
	w.want(w.store.UpdateTenant(ctx, other, w.event("x")), storage.ErrNotFound)

	_, err := w.store.TenantByID(ctx, "ten_nobody")
	w.want(err, storage.ErrNotFound)
	_, err = w.store.TenantBySlug(ctx, "nobody")
	w.want(err, storage.ErrNotFound)
	w.must(w.store.Ping(ctx))
}

func testClients(t *testing.T, w *world) {
	ctx, c := t.Context(), w.client
	w.same(get(w.store.Client(ctx, c.ID))(w), c)
	w.want(w.store.CreateClient(ctx, c, w.event("x")), storage.ErrExists)

	c.Name, c.URI, c.AuthMethod, c.Secrets, c.RedirectURIs = "Other", "", storage.AuthNone, nil, []string{"app:/cb"}
	c.FormPost, c.PKCEOptional, c.Verified, c.IDTokenAlg = false, false, false, ""
	c.ServiceTenant, c.DisabledAt, c.Owner = w.a.tenant.ID, w.now.Add(time.Minute), "ten_other"
	w.must(w.store.UpdateClient(ctx, c, w.event("x")))
	w.want(w.store.UpdateClient(ctx, c, w.event("x")), storage.ErrConflict)
	c.Version++
	c.Owner = "" // an update never moves a client to another owner
	w.same(get(w.store.Client(ctx, c.ID))(w), c)

	second := storage.Client{ID: "demo-spa", Owner: w.a.tenant.ID, AuthMethod: storage.AuthNone}
	w.want(w.store.UpdateClient(ctx, second, w.event("x")), storage.ErrNotFound)
	w.must(w.store.CreateClient(ctx, second, w.event("x")))
	w.same(get(w.store.ListClients(ctx))(w), []storage.Client{c, second})
	_, err := w.store.Client(ctx, "nobody")
	w.want(err, storage.ErrNotFound)
}

func testResourceServers(t *testing.T, w *world) {
	ctx, rs := t.Context(), w.rs
	w.same(get(w.store.ResourceServer(ctx, rs.ID))(w), rs)
	w.want(w.store.CreateResourceServer(ctx, rs, w.event("x")), storage.ErrExists)

	rs.Name, rs.TenantID, rs.Audience, rs.Secrets, rs.Scopes = "Other", w.a.tenant.ID, "https://other.test", nil, nil
	rs.DisabledAt = w.now
	w.must(w.store.UpdateResourceServer(ctx, rs, w.event("x")))
	w.want(w.store.UpdateResourceServer(ctx, rs, w.event("x")), storage.ErrConflict)
	rs.Version++
	w.same(get(w.store.ListResourceServers(ctx))(w), []storage.ResourceServer{rs})

	rs.ID = "rs_nobody"
	w.want(w.store.UpdateResourceServer(ctx, rs, w.event("x")), storage.ErrNotFound)
	_, err := w.store.ResourceServer(ctx, rs.ID)
	w.want(err, storage.ErrNotFound)
}

func testSigningKeys(t *testing.T, w *world) {
	ctx := t.Context()
	first := storage.SigningKey{KID: "k1", Alg: "RS256", Public: []byte("{}"), Sealed: []byte{1}, CreatedAt: w.now, ActiveAt: w.now}
	second := storage.SigningKey{KID: "k0", Alg: "EdDSA", Public: []byte("{}"), Sealed: []byte{2}, CreatedAt: w.now.Add(time.Hour)}
	w.must(w.store.PutSigningKeys(ctx, []storage.SigningKey{second, first}, w.event("x")))
	first.Version, second.Version = 1, 1
	w.same(get(w.store.SigningKeys(ctx, storage.SignTokens))(w), []storage.SigningKey{first, second})

	again := first
	again.Version = 0
	w.want(w.store.PutSigningKeys(ctx, []storage.SigningKey{again}, w.event("x")), storage.ErrExists)

	first.RetiredAt, first.RemoveAt = w.now.Add(2*time.Hour), w.now.Add(3*time.Hour)
	second.ActiveAt = first.RetiredAt
	third := storage.SigningKey{KID: "k3", Alg: "ES256", Public: []byte("{}"), Sealed: []byte{3}, CreatedAt: w.now.Add(2 * time.Hour)}
	first.Sealed = []byte{4, 5} // under a new master
	stale := second
	stale.Version = 7
	w.want(w.store.PutSigningKeys(ctx, []storage.SigningKey{third, first, stale}, w.event("x")), storage.ErrConflict)
	w.must(w.store.PutSigningKeys(ctx, []storage.SigningKey{first, second, third}, w.event("x")))
	first.Version, second.Version, third.Version = 2, 2, 1
	w.same(get(w.store.SigningKeys(ctx, storage.SignTokens))(w), []storage.SigningKey{first, second, third})
	testOneKeyHasNoEnd(t, w, second)
}

// testOneKeyHasNoEnd: a second key of an algorithm that signs without an end is
// refused, and takes over in the unit that gives the first an end, in any order.
func testOneKeyHasNoEnd(t *testing.T, w *world, last storage.SigningKey) {
	ctx := t.Context()
	heir := storage.SigningKey{KID: "k4", Alg: last.Alg, CreatedAt: w.now.Add(3 * time.Hour), ActiveAt: w.now.Add(4 * time.Hour)}
	w.want(w.store.PutSigningKeys(ctx, []storage.SigningKey{heir}, w.event("x")), storage.ErrExists)
	last.RetiredAt, last.RemoveAt = heir.ActiveAt, heir.ActiveAt.Add(time.Hour)
	w.must(w.store.PutSigningKeys(ctx, []storage.SigningKey{heir, last}, w.event("x")))
	last.Version, heir.Version = last.Version+1, 1

	// The heir is dropped, and the one before it goes on.
	heir.RetiredAt, heir.RemoveAt = w.now, w.now
	last.RetiredAt, last.RemoveAt = time.Time{}, time.Time{}
	w.must(w.store.PutSigningKeys(ctx, []storage.SigningKey{last, heir}, w.event("x")))
	testUsesAreApart(w, last)
}

// testUsesAreApart: a key of one use is none of another, which has its own last one.
func testUsesAreApart(w *world, last storage.SigningKey) {
	ctx := w.Context()
	other := storage.SigningKey{KID: "k5", Alg: last.Alg, Use: storage.SignAPIKeys, Public: []byte("{}"), Sealed: []byte{1}, CreatedAt: w.now, ActiveAt: w.now}
	tokens := get(w.store.SigningKeys(ctx, storage.SignTokens))(w)
	w.must(w.store.PutSigningKeys(ctx, []storage.SigningKey{other}, w.event("x")))
	other.Version = 1
	w.same(get(w.store.SigningKeys(ctx, storage.SignAPIKeys))(w), []storage.SigningKey{other})
	w.same(get(w.store.SigningKeys(ctx, storage.SignTokens))(w), tokens)
	other.KID, other.Version = "k6", 0
	w.want(w.store.PutSigningKeys(ctx, []storage.SigningKey{other}, w.event("x")), storage.ErrExists)
}

func testLogins(t *testing.T, w *world) {
	ctx := t.Context()
	age := int64(0)
	l := storage.Login{
		ID: storage.NewLoginID(w.now), Step: storage.StepIdentify, Browser: hash("browser"), CreatedAt: w.now, ExpiresAt: w.now.Add(10 * time.Minute),
		Request: &storage.AuthorizeRequest{Client: w.client.ID, RedirectURI: "https://demo.test/cb", Scopes: []string{"openid"}, State: "s",
			MaxAge: &age, At: w.now, Prompt: []string{"login"}},
	}
	w.must(w.store.BeginLogin(ctx, l))
	w.want(w.store.BeginLogin(ctx, l), storage.ErrExists)
	w.same(get(w.store.Login(ctx, l.ID, w.now))(w), l)

	l.Step, l.Tenant, l.Connection, l.Session, l.Email = storage.StepUpstream, w.a.tenant.ID, w.a.connection.ID, w.a.session.ID, "alice@acme.test"
	l.Request, l.ReturnTo = nil, "/console"
	w.must(w.store.AdvanceLogin(ctx, l, w.now))
	w.want(w.store.AdvanceLogin(ctx, l, w.now), storage.ErrConsumed)
	l.Version++
	w.same(get(w.store.Login(ctx, l.ID, w.now))(w), l)

	_, err := w.store.Login(ctx, l.ID, l.ExpiresAt)
	w.want(err, storage.ErrNotFound)
	w.want(w.store.AdvanceLogin(ctx, l, l.ExpiresAt), storage.ErrConsumed)
	_, err = w.store.Login(ctx, l.ID, l.ExpiresAt.Add(-time.Millisecond))
	w.must(err)

	l.Step = storage.StepDone
	w.must(w.store.AdvanceLogin(ctx, l, w.now))
	l.Version++
	w.want(w.store.AdvanceLogin(ctx, l, w.now), storage.ErrConsumed)
	l.ID = "log_nobody"
	w.want(w.store.AdvanceLogin(ctx, l, w.now), storage.ErrConsumed)
	_, err = w.store.Login(ctx, l.ID, w.now)
	w.want(err, storage.ErrNotFound)
}

func testEvents(t *testing.T, w *world) {
	ctx := t.Context()
	var all []storage.Event
	for range 5 {
		ev := w.event("refused")
		ev.Tenant = w.b.tenant.ID // a handle sets its own
		w.must(w.a.AppendEvent(ctx, ev))
		ev.Tenant = w.a.tenant.ID
		all = append([]storage.Event{ev}, all...)
	}
	w.same(get(w.a.Events(ctx, "", 5))(w), all)
	w.same(get(w.a.Events(ctx, all[1].ID, 2))(w), all[2:4])
	w.want(w.a.AppendEvent(ctx, all[0]), storage.ErrExists)

	bare := storage.Event{ID: storage.NewEventID(w.now.Add(time.Hour)), Time: w.now, Kind: "bare"}
	w.must(w.store.AppendPlatformEvent(ctx, bare))
	w.same(get(w.store.PlatformEvents(ctx, "", 1))(w), []storage.Event{bare})
	older := get(w.store.PlatformEvents(ctx, bare.ID, 1))(w)
	if len(older) != 1 || older[0].ID >= bare.ID {
		t.Errorf("events before the newest: %v", older)
	}

	testPlatformChangeInATenantsTrail(t, w)
}

// testPlatformChangeInATenantsTrail: a change of the platform's that names a
// tenant is in that tenant's trail and in no other, from the tenant's creation on.
func testPlatformChangeInATenantsTrail(t *testing.T, w *world) {
	ctx := t.Context()
	tenant := storage.Tenant{ID: storage.NewTenantID(w.now), Slug: "trail", Version: 1}
	platform, other := get(w.store.PlatformEvents(ctx, "", all))(w), get(w.b.Events(ctx, "", all))(w)
	var trail []storage.Event
	named := func(kind string) storage.Event {
		ev := w.event(kind)
		ev.Tenant = tenant.ID
		trail = append([]storage.Event{ev}, trail...)
		return ev
	}
	w.must(w.store.CreateTenant(ctx, tenant, named("tenant.created")))
	for _, kind := range []string{"tenant.suspended", "tenant.resumed", "tenant.updated"} {
		if tenant.SuspendedAt = (time.Time{}); kind == "tenant.suspended" {
			tenant.SuspendedAt = w.now
		}
		w.must(w.store.UpdateTenant(ctx, tenant, named(kind)))
		tenant.Version++
	}
	w.must(w.store.CreateClient(ctx, storage.Client{ID: storage.NewClientID(w.now), Owner: tenant.ID}, named("client.created")))
	w.same(get(w.store.Tenant(tenant.ID).Events(ctx, "", all))(w), trail)
	w.same(get(w.store.PlatformEvents(ctx, "", all))(w), platform)
	w.same(get(w.b.Events(ctx, "", all))(w), other)

	stray := w.event("tenant.updated")
	stray.Tenant = "ten_nobody"
	w.want(w.store.UpdateTenant(ctx, tenant, stray), storage.ErrNotFound)
	w.same(get(w.store.TenantByID(ctx, tenant.ID))(w), tenant)
}
