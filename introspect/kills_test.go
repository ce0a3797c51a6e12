package introspect_test

import (
	"context"
	"time"

	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/storage"
)

// kills are the ways in which a token dies before its time, each done through the
// store as the rooms do it.
var kills = map[string]func(*world, string){
	"revoked":             func(w *world, s string) { w.revoke(s) },
	"tenant suspended":    func(w *world, _ string) { w.changeTenant(func(t *storage.Tenant) { t.SuspendedAt = start }) },
	"client disabled":     func(w *world, _ string) { w.changeClient(func(c *storage.Client) { c.DisabledAt = start }) },
	"user disabled":       func(w *world, _ string) { w.changeUser(func(u *storage.User) { u.DisabledAt = start }) },
	"connection disabled": func(w *world, _ string) { w.changeConnection(func(c *storage.Connection) { c.DisabledAt = start }) },
	"session ended": func(w *world, _ string) {
		must(w.t, w.store.Tenant(w.acme.ID).EndSession(context.Background(), w.session.ID, start, event("test.done")))
	},
	"grant revoked": func(w *world, _ string) {
		must(w.t, w.store.Tenant(w.acme.ID).RevokeGrant(context.Background(), w.grant, start, event("test.done")))
	},
	"consent withdrawn": func(w *world, _ string) {
		must(w.t, w.store.Tenant(w.acme.ID).WithdrawConsent(context.Background(), w.alice.ID, w.spa.ID, start, event("test.done")))
	},
	"tokens not before": func(w *world, _ string) {
		w.changeTenant(func(t *storage.Tenant) { t.TokensNotBefore = start.Add(time.Second) })
	},
}

// forGood are the kills that tokens do not outlive, though they can be undone: what is
// issued afterwards lives.
var forGood = map[string]bool{"client disabled": true, "connection disabled": true}

// revivals undo the kills that can be undone.
var revivals = map[string]func(*world){
	"tenant suspended":    func(w *world) { w.changeTenant(func(t *storage.Tenant) { t.SuspendedAt = time.Time{} }) },
	"client disabled":     func(w *world) { w.changeClient(func(c *storage.Client) { c.DisabledAt = time.Time{} }) },
	"user disabled":       func(w *world) { w.changeUser(func(u *storage.User) { u.DisabledAt = time.Time{} }) },
	"connection disabled": func(w *world) { w.changeConnection(func(c *storage.Connection) { c.DisabledAt = time.Time{} }) },
}

func (w *world) revoke(s string) string {
	ref, err := token.Parse(token.Access, s)
	must(w.t, err)
	must(w.t, w.store.Tenant(w.acme.ID).RevokeToken(context.Background(), ref, start, event("token.revoked")))
	return s
}

func (w *world) changeTenant(change func(*storage.Tenant)) {
	change(&w.acme)
	must(w.t, w.store.UpdateTenant(context.Background(), w.acme, event("test.done")))
	w.acme.Version++
}

func (w *world) changeClient(change func(*storage.Client)) {
	change(&w.spa)
	must(w.t, w.store.UpdateClient(context.Background(), w.spa, event("test.done")))
	w.spa.Version++
}

func (w *world) changeUser(change func(*storage.User)) {
	change(&w.alice)
	must(w.t, w.store.Tenant(w.acme.ID).UpdateUser(context.Background(), w.alice, event("test.done")))
	w.alice.Version++
}

func (w *world) changeConnection(change func(*storage.Connection)) {
	change(&w.connection)
	must(w.t, w.store.Tenant(w.acme.ID).UpdateConnection(context.Background(), w.connection, event("test.done")))
	w.connection.Version++
}

func (w *world) changeAPI(change func(*storage.ResourceServer)) {
	change(&w.api)
	must(w.t, w.store.UpdateResourceServer(context.Background(), w.api, event("test.done")))
	w.api.Version++
}
