package storagetest

import (
	"context"
	"testing"
	"time"

	"github.com/watchgate/watchgate/storage"
)

// testAway: a store that goes away in the middle says so. None of its errors is
// a sentinel, which callers would take for an answer; and what was stored is
// there when it comes back.
func testAway(t *testing.T, h Harness) {
	w := newWorld(t, h.Store)
	before := w.snapshot()
	n := w.join()
	waits := begin(func() error { return n.Wait(w.Context()) })
	back := h.Away(t)
	n.isOver(<-waits)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	calls := changes(t)
	for name, read := range reads(w) {
		calls[name] = func(ctx context.Context, _ *world, _ storage.Event) error { return read(ctx) }
	}
	for name, call := range calls {
		err := call(ctx, w, w.event("x"))
		if err == nil || class(err) != nil {
			t.Errorf("%s while the store is away: %v, want an error that is no sentinel", name, err)
		}
	}
	if ctx.Err() != nil {
		t.Error("a store that is away is waited for")
	}
	if back == nil {
		return
	}
	back()
	w.awaitBack()
	n = w.join()
	n.wantTold("nothing", n.renew(), nil)
	w.must(n.Leave(t.Context()))
	w.same(w.snapshot(), before)
	w.must(w.a.RedeemCode(t.Context(), w.redeem(w.a.code), w.event("x")))
}

// isOver fails the test unless the membership of a store that went away has ended,
// and there is no other to be had.
func (n *node) isOver(waited error) {
	n.Helper()
	_, _, read := n.Read(n.Context())
	_, joined := n.feed().Join(n.Context())
	for what, err := range map[string]error{"Wait": waited, "Read": read, "Record": n.Record(n.Context(), "0"), "Join": joined} {
		if err == nil || class(err) != nil {
			n.Errorf("%s while the store is away: %v, want an error that is no sentinel", what, err)
		}
	}
}

// awaitBack asks until the store answers: the first answers of a server that was
// killed may be those of its last connections.
func (w *world) awaitBack() {
	w.Helper()
	for range 100 {
		if w.store.Ping(w.Context()) == nil {
			return
		}
	}
	w.Fatal("the store does not come back")
}

// reads are the questions, on which "not found" would be the worst answer.
func reads(w *world) map[string]func(ctx context.Context) error {
	h := w.a
	return map[string]func(ctx context.Context) error{
		"Ping":        w.store.Ping,
		"TenantByID":  func(ctx context.Context) error { _, err := w.store.TenantByID(ctx, h.tenant.ID); return err },
		"ListTenants": func(ctx context.Context) error { _, err := w.store.ListTenants(ctx); return err },
		"Client":      func(ctx context.Context) error { _, err := w.store.Client(ctx, w.client.ID); return err },
		"User":        func(ctx context.Context) error { _, err := h.User(ctx, h.user.ID); return err },
		"Events":      func(ctx context.Context) error { _, err := h.Events(ctx, "", 1); return err },
		"Login":       func(ctx context.Context) error { _, err := w.store.Login(ctx, "log_x", w.now); return err },
		"SigningKeys": func(ctx context.Context) error { _, err := w.store.SigningKeys(ctx, storage.SignTokens); return err },
		"FindCode":    func(ctx context.Context) error { _, _, err := w.store.FindCode(ctx, "", h.code.Ref); return err },
		"FindAccess":  func(ctx context.Context) error { _, _, err := w.store.FindAccess(ctx, "", h.access.Ref); return err },
		"FindRefresh": func(ctx context.Context) error { _, _, err := w.store.FindRefresh(ctx, "", h.refresh.Ref); return err },
		"Introspect": func(ctx context.Context) error {
			_, _, err := w.store.Introspect(ctx, w.rs.ID, h.access.Ref)
			return err
		},
		"Sessions": func(ctx context.Context) error {
			_, err := w.store.SessionsByHandle(ctx, [][]byte{h.session.Handle})
			return err
		},
		"Key":      func(ctx context.Context) error { _, err := h.Key(ctx, h.key.ID); return err },
		"ListKeys": func(ctx context.Context) error { _, err := h.ListKeys(ctx, storage.KeyFilter{Limit: 1}); return err },
		"FindKey":  func(ctx context.Context) error { _, err := w.store.FindKey(ctx, h.key.Hash); return err },
		"IntrospectKey": func(ctx context.Context) error {
			_, _, err := w.store.IntrospectKey(ctx, w.rs.ID, h.key.Hash)
			return err
		},
		"Session": func(ctx context.Context) error { _, err := h.Session(ctx, h.session.ID); return err },
		"FactorByCredential": func(ctx context.Context) error {
			_, err := h.FactorByCredential(ctx, h.passkey.CredentialID)
			return err
		},
		"EmailLink":     func(ctx context.Context) error { _, err := h.EmailLink(ctx, h.link.Hash, w.now); return err },
		"LocalAccounts": func(ctx context.Context) error { _, err := w.store.LocalAccounts(ctx, h.user.Email); return err },
		"EndSessions": func(ctx context.Context) error {
			_, err := h.EndSessions(ctx, storage.EndSessions{User: h.user.ID}, w.now, w.event("x"))
			return err
		},
		"Once":           func(ctx context.Context) error { return h.Once(ctx, "use", "id", w.now) },
		"TakeTry":        func(ctx context.Context) error { _, err := h.TakeTry(ctx, h.user.ID, 9, time.Hour, w.now); return err },
		"Delivery":       func(ctx context.Context) error { _, err := h.Delivery(ctx, h.old.ID); return err },
		"DueRotations":   func(ctx context.Context) error { _, err := w.store.DueRotations(ctx, w.now, 1); return err },
		"DueDeliveries":  func(ctx context.Context) error { _, err := w.store.DueDeliveries(ctx, w.now, 1); return err },
		"BeginRequest":   func(ctx context.Context) error { _, err := h.BeginRequest(ctx, h.request); return err },
		"StartExecution": func(ctx context.Context) error { return h.StartExecution(ctx, w.newExecution(h.key.ID), 9) },
		"DomainOwner":    func(ctx context.Context) error { _, err := w.store.DomainOwner(ctx, h.domain.Name); return err },
		"Sweep":          func(ctx context.Context) error { _, err := w.store.Sweep(ctx, w.now); return err },
		"TouchSession":   func(ctx context.Context) error { return h.TouchSession(ctx, h.session.ID, w.now.Add(time.Minute)) },
		"ArrivalView": func(ctx context.Context) error {
			_, _, _, err := w.store.ArrivalView(ctx, storage.ArrivalPoint{Tenant: h.tenant.ID, Client: w.client.ID})
			return err
		},
		"AuthorizeView": func(ctx context.Context) error {
			_, _, err := w.store.AuthorizeView(ctx, w.client.ID, "", "", nil)
			return err
		},
	}
}
