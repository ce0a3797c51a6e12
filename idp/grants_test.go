package idp_test

import (
	"slices"
	"time"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/storage"
)

// tokens gives an app tokens in a session, by which it has offline access or not.
func (h *house) tokens(s storage.LiveSession, app storage.ClientID, offline bool) storage.GrantID {
	h.t.Helper()
	ctx, now, tenant := h.t.Context(), h.clock.Now(), h.store.Tenant(s.Tenant.ID)
	h.must(h.store.Prepare(ctx, now))
	client, err := h.store.Client(ctx, app)
	h.must(err)
	read, err := h.store.TenantByID(ctx, s.Tenant.ID)
	h.must(err)
	ev := audit.SignedOut(ctx, now, s.User, s.ID, "test")
	code := storage.Code{
		Ref: h.ref(token.Code, time.Minute), Grant: storage.NewGrantID(now), User: s.User, Client: app, Session: s.ID, Connection: s.Connection,
		RedirectURI: "https://app.example/cb", Scopes: []string{"openid"}, CreatedAt: now, ExpiresAt: now.Add(time.Minute),
	}
	h.must(tenant.IssueCode(ctx, storage.IssueCode{Code: code, ClientVersion: client.Version, TenantVersion: read.Version, Handle: s.Handle}, ev))
	grant := storage.Grant{
		ID: code.Grant, User: s.User, Client: app, Session: s.ID, Origin: s.ID, Connection: s.Connection, Scopes: code.Scopes, CreatedAt: now, ExpiresAt: now.Add(time.Hour),
	}
	if offline {
		grant.Session = ""
	}
	ev = audit.SignedOut(ctx, now, s.User, s.ID, "test")
	h.must(tenant.RedeemCode(ctx, storage.RedeemCode{Code: code.Ref, At: now, Grant: grant, Access: storage.AccessToken{
		Ref: h.ref(token.Access, time.Hour), ID: storage.NewTokenID(now), Grant: grant.ID, Client: app, User: s.User, Session: grant.Session,
		Connection: s.Connection, Scopes: code.Scopes, IssuedAt: now, ExpiresAt: now.Add(time.Hour),
	}}, ev))
	return grant.ID
}

// granted reports whether an app's access of a person goes on.
func (h *house) granted(user storage.UserID, slug string, grant storage.GrantID) bool {
	h.t.Helper()
	all, err := h.store.Tenant(h.tenants[slug]).ListGrants(h.t.Context(), user, h.clock.Now())
	h.must(err)
	return slices.ContainsFunc(all, func(g storage.Grant) bool { return g.ID == grant })
}

func (h *house) ref(kind token.Kind, life time.Duration) storage.TokenRef {
	h.t.Helper()
	r, err := token.Parse(kind, token.New(kind, h.clock.Now().Add(life)))
	h.must(err)
	return r
}
