package storagetest

import (
	"testing"
	"time"

	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/storage"
)

func testLookups(t *testing.T, w *world) {
	testFound(t, w)
	testNotFound(t, w)
	testKilled(t, w)
}

func testFound(t *testing.T, w *world) {
	ctx, h := t.Context(), w.a
	alive := storage.Life{TenantID: h.tenant.ID, TenantSlug: h.tenant.Slug, SessionExpiresAt: h.session.ExpiresAt}
	withGrant := alive
	withGrant.GrantExpiresAt = h.grant.ExpiresAt

	c, code, err := w.store.FindCode(ctx, w.client.ID, h.redeemed.Ref)
	w.must(err)
	w.same(c, w.client)
	w.same(code, &storage.LiveCode{Code: h.redeemed, Tenant: h.tenant, Life: alive, UserInfo: h.user})
	c, access, err := w.store.FindAccess(ctx, w.client.ID, h.access.Ref)
	w.must(err)
	w.same(c, w.client)
	w.same(access, &storage.LiveToken{AccessToken: h.access, Life: withGrant, UserInfo: h.user})
	c, refresh, err := w.store.FindRefresh(ctx, w.client.ID, h.refresh.Ref)
	w.must(err)
	w.same(c, w.client)
	w.same(refresh, &storage.LiveRefresh{RefreshToken: h.refresh, Tenant: h.tenant, Family: h.grant, Life: withGrant, UserInfo: h.user})
	for name, life := range map[string]storage.Life{"code": code.Life, "access": access.Life, "refresh": refresh.Life} {
		end := h.session.ExpiresAt
		if before, at := life.Dead(end.Add(-time.Millisecond)), life.Dead(end); before != "" || at != "session_expired" {
			t.Errorf("the %s is dead because of %q before its session's end, of %q at it", name, before, at)
		}
	}
	w.same(get(w.store.DomainOwner(ctx, h.domain.Name))(w), storage.DomainOwner{Tenant: h.tenant, Connection: h.connection, SSORequired: true})
}

// testNotFound: the client is told from the token, and a row is where its ref
// says, hash and bucket.
func testNotFound(t *testing.T, w *world) {
	ctx := t.Context()
	find := map[string]func(storage.ClientID, storage.TokenRef) (storage.Client, bool, error){
		"code": func(c storage.ClientID, r storage.TokenRef) (storage.Client, bool, error) {
			client, found, err := w.store.FindCode(ctx, c, r)
			return client, found != nil, err
		},
		"access": func(c storage.ClientID, r storage.TokenRef) (storage.Client, bool, error) {
			client, found, err := w.store.FindAccess(ctx, c, r)
			return client, found != nil, err
		},
		"refresh": func(c storage.ClientID, r storage.TokenRef) (storage.Client, bool, error) {
			client, found, err := w.store.FindRefresh(ctx, c, r)
			return client, found != nil, err
		},
	}
	refs := map[string]storage.TokenRef{"code": w.a.code.Ref, "access": w.a.access.Ref, "refresh": w.a.refresh.Ref}
	for kind, find := range find {
		_, _, err := find("nobody", refs[kind])
		w.want(err, storage.ErrNotFound)
		elsewhere := refs[kind]
		elsewhere.Bucket++
		for _, r := range []storage.TokenRef{ref(token.Access, w.now), elsewhere, {Bucket: 1<<32 - 1}} {
			client, found, err := find(w.client.ID, r)
			if err != nil || found || client.ID != w.client.ID {
				t.Errorf("%s of a ref that is not there: client %q, found %v, %v", kind, client.ID, found, err)
			}
		}
	}
	client, found, err := w.store.FindAccess(ctx, "", w.a.access.Ref)
	if err != nil || found == nil || client.ID != "" {
		t.Errorf("without a client: %v %v %v", client, found, err)
	}
}

// killing is one way in which a credential dies, and the word for it.
type killing struct {
	reason string
	kill   func(h *home, client *storage.Client)
}

func (w *world) killings() []killing {
	ctx := w.Context()
	later := w.now.Add(time.Second)
	return []killing{
		{"tenant_suspended", func(h *home, _ *storage.Client) {
			h.tenant.SuspendedAt = later
			w.must(w.store.UpdateTenant(ctx, h.tenant, w.event("x")))
		}},
		{"client_disabled", func(_ *home, c *storage.Client) {
			c.DisabledAt = later
			w.must(w.store.UpdateClient(ctx, *c, w.event("x")))
		}},
		{"grant_revoked", func(h *home, _ *storage.Client) {
			w.must(h.RevokeGrant(ctx, h.grant.ID, later, w.event("x")))
		}},
		{"user_disabled", func(h *home, _ *storage.Client) {
			h.user.DisabledAt = later
			w.must(h.UpdateUser(ctx, h.user, w.event("x")))
		}},
		{"session_ended", func(h *home, _ *storage.Client) {
			w.must(h.EndSession(ctx, h.session.ID, later, w.event("x")))
		}},
		{"connection_disabled", func(h *home, _ *storage.Client) {
			h.connection.DisabledAt = later
			w.must(h.UpdateConnection(ctx, h.connection, w.event("x")))
		}},
		{"issued_before_interruption", func(h *home, _ *storage.Client) {
			h.tenant.TokensNotBefore = later
			w.must(w.store.UpdateTenant(ctx, h.tenant, w.event("x")))
		}},
	}
}

// testKilled: one row kills everything that hangs on it, in every lookup.
func testKilled(t *testing.T, w *world) {
	ctx := t.Context()
	for _, k := range w.killings() {
		client := w.client
		h := w.newHome()
		k.kill(h, &client)
		_, code, err := w.store.FindCode(ctx, client.ID, h.redeemed.Ref)
		w.must(err)
		_, access, err := w.store.FindAccess(ctx, client.ID, h.access.Ref)
		w.must(err)
		_, refresh, err := w.store.FindRefresh(ctx, client.ID, h.refresh.Ref)
		w.must(err)
		_, introspected, err := w.store.Introspect(ctx, w.rs.ID, h.access.Ref)
		w.must(err)
		codeDies, refreshDies := k.reason, k.reason
		if k.reason == "grant_revoked" {
			codeDies = "" // a code is there before its grant
		}
		if k.reason == "issued_before_interruption" {
			refreshDies = "" // grants revive when a tenant does
		}
		for what, why := range map[string][2]string{
			"code":       {code.Life.Dead(w.now), codeDies},
			"access":     {access.Dead(w.now), k.reason},
			"refresh":    {refresh.Life.Dead(w.now), refreshDies},
			"introspect": {introspected.Dead(w.now), k.reason},
		} {
			if why[0] != why[1] {
				t.Errorf("%s: the %s is dead because of %q, want %q", k.reason, what, why[0], why[1])
			}
		}
		if client.DisabledAt != w.client.DisabledAt {
			w.client.Version++ // it was updated; back to life for the next
			w.must(w.store.UpdateClient(ctx, w.client, w.event("x")))
			w.client.Version++
		}
	}
}

func testIntrospect(t *testing.T, w *world) {
	ctx, h := t.Context(), w.a
	rs, live, err := w.store.Introspect(ctx, w.rs.ID, h.access.Ref)
	w.must(err)
	w.same(rs, w.rs)
	user := h.user
	user.Claims, user.CreatedAt = nil, time.Time{} // left out on the hot path
	life := storage.Life{TenantID: h.tenant.ID, TenantSlug: h.tenant.Slug, GrantExpiresAt: h.grant.ExpiresAt, SessionExpiresAt: h.session.ExpiresAt}
	w.same(live, &storage.LiveToken{AccessToken: h.access, Life: life, UserInfo: user})
	if live.Dead(h.access.ExpiresAt.Add(-time.Millisecond)) != "" || live.Dead(h.access.ExpiresAt) != "expired" {
		t.Error("a token lives until its ExpiresAt, and not at it")
	}

	_, none, err := w.store.Introspect(ctx, w.rs.ID, ref(token.Access, w.now))
	if err != nil || none != nil {
		t.Errorf("an unknown token: %v, %v", none, err)
	}
	_, _, err = w.store.Introspect(ctx, "rs_nobody", h.access.Ref)
	w.want(err, storage.ErrNotFound)
}

func testAuthorizeView(t *testing.T, w *world) {
	ctx, c := t.Context(), w.a.consent
	unknown := hash("unknown")
	handles := [][]byte{w.a.session.Handle, unknown, w.b.session.Handle}
	live := func(h *home, consent *storage.Consent) storage.LiveSession {
		return storage.LiveSession{Session: h.session, Tenant: h.tenant, UserInfo: h.user, Consent: consent}
	}
	client, sessions, err := w.store.AuthorizeView(ctx, w.client.ID, c.RedirectHost, c.Resource, handles)
	w.must(err)
	w.same(client, w.client)
	w.sameSessions(sessions, live(w.a, &w.a.consent), live(w.b, &w.b.consent))

	for _, other := range [][2]string{{"evil.test", c.Resource}, {c.RedirectHost, ""}} {
		_, sessions, err = w.store.AuthorizeView(ctx, w.client.ID, other[0], other[1], handles[:1])
		w.must(err)
		w.sameSessions(sessions, live(w.a, nil))
	}
	for _, n := range []int{0, 5, 16, 40} {
		many := make([][]byte, n)
		for i := range many {
			many[i] = unknown
		}
		if n > 0 {
			many[min(n, 16)-1] = w.a.session.Handle
		}
		_, sessions, err = w.store.AuthorizeView(ctx, w.client.ID, "", "", many)
		w.must(err)
		if len(sessions) != min(n, 1) {
			t.Errorf("%d handles: %d sessions", n, len(sessions))
		}
		w.same(get(w.store.SessionsByHandle(ctx, many))(w), sessions)
	}
	_, _, err = w.store.AuthorizeView(ctx, "nobody", "", "", handles)
	w.want(err, storage.ErrNotFound)

	w.a.connection.DisabledAt = w.now
	w.must(w.a.UpdateConnection(ctx, w.a.connection, w.event("x")))
	got := get(w.store.SessionsByHandle(ctx, handles[:1]))(w)
	if len(got) != 1 || got[0].Usable(w.now) || !got[0].ConnectionDisabledAt.Equal(w.now) {
		t.Errorf("a session of a disabled connection: %+v", got)
	}
}

// sameSessions compares in the order of ids, which are as good as random
// within a millisecond.
func (w *world) sameSessions(got []storage.LiveSession, want ...storage.LiveSession) {
	w.Helper()
	if len(want) == 2 && want[0].ID > want[1].ID {
		want[0], want[1] = want[1], want[0]
	}
	w.same(got, want)
}
