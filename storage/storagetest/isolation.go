package storagetest

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/storage"
)

// reach is one call on the handle of one tenant with the objects of another (or
// with objects that never existed: the two must not be told apart). found says
// that the call returned something of them.
type reach func(w *world, own storage.TenantStore, other *home) (found bool, err error)

// mutation is a reach that returns an error alone.
func mutation(call func(w *world, own storage.TenantStore, other *home) error) reach {
	return func(w *world, own storage.TenantStore, other *home) (bool, error) { return false, call(w, own, other) }
}

// reaches has one case for each method of a tenant's handle.
var reaches = merged(signReaches, merged(keyReaches, map[string]reach{
	"User": func(w *world, own storage.TenantStore, other *home) (bool, error) {
		u, err := own.User(w.Context(), other.user.ID)
		return u.ID != "", err
	},
	"UserByIdentity": func(w *world, own storage.TenantStore, other *home) (bool, error) {
		u, err := own.UserByIdentity(w.Context(), other.identity)
		return u.ID != "", err
	},
	"ListUsers": func(w *world, own storage.TenantStore, other *home) (bool, error) {
		users, err := own.ListUsers(w.Context())
		return has(users, func(u storage.User) bool { return u.ID == other.user.ID }), err
	},
	"UpdateUser": mutation(func(w *world, own storage.TenantStore, other *home) error {
		return own.UpdateUser(w.Context(), other.user, w.event("x"))
	}),
	"Connection": func(w *world, own storage.TenantStore, other *home) (bool, error) {
		c, err := own.Connection(w.Context(), other.connection.ID)
		return c.ID != "", err
	},
	"ListConnections": func(w *world, own storage.TenantStore, other *home) (bool, error) {
		list, err := own.ListConnections(w.Context())
		return has(list, func(c storage.Connection) bool { return c.ID == other.connection.ID }), err
	},
	"CreateConnection": mutation(func(w *world, own storage.TenantStore, other *home) error {
		return own.CreateConnection(w.Context(), other.connection, w.event("x"))
	}),
	"UpdateConnection": mutation(func(w *world, own storage.TenantStore, other *home) error {
		c := other.connection
		c.Version += 3 // the tenant has one of this id by now, made by the case above
		return own.UpdateConnection(w.Context(), c, w.event("x"))
	}),
	"ListDomains": func(w *world, own storage.TenantStore, other *home) (bool, error) {
		list, err := own.ListDomains(w.Context())
		return has(list, func(d storage.Domain) bool { return d.Name == other.domain.Name }), err
	},
	"PutDomain": mutation(func(w *world, own storage.TenantStore, other *home) error {
		d := storage.Domain{Name: fmt.Sprintf("free%s", other.domain.Name), Connection: "con_nobody"}
		return own.PutDomain(w.Context(), d, w.event("x"))
	}),
	"DeleteDomain": mutation(func(w *world, own storage.TenantStore, other *home) error {
		return own.DeleteDomain(w.Context(), other.domain, w.event("x"))
	}),
	"SignIn": mutation(func(w *world, own storage.TenantStore, other *home) error {
		in := storage.SignIn{Identity: other.identity, User: other.user, Session: w.newSession(other.user.ID, other.connection.ID), Replaces: other.session.ID}
		return own.SignIn(w.Context(), in, w.event("x"))
	}),
	"EndSession": mutation(func(w *world, own storage.TenantStore, other *home) error {
		return own.EndSession(w.Context(), other.session.ID, w.now, w.event("x"))
	}),
	"TouchSession": mutation(func(w *world, own storage.TenantStore, other *home) error {
		return own.TouchSession(w.Context(), other.session.ID, w.now.Add(1e9))
	}),
	"ListSessions": func(w *world, own storage.TenantStore, other *home) (bool, error) {
		list, err := own.ListSessions(w.Context(), other.user.ID, w.now)
		return len(list) > 0, err
	},
	"IssueCode": mutation(func(w *world, own storage.TenantStore, other *home) error {
		in := w.issue(other)
		in.RequireConsent = &other.consent
		return own.IssueCode(w.Context(), in, w.event("x"))
	}),
	"RedeemCode": mutation(func(w *world, own storage.TenantStore, other *home) error {
		return own.RedeemCode(w.Context(), w.redeem(other.code), w.event("x"))
	}),
	"FailCode": mutation(func(w *world, own storage.TenantStore, other *home) error {
		return own.FailCode(w.Context(), other.code.Ref, w.now, w.event("x"))
	}),
	"RevokeGrant": mutation(func(w *world, own storage.TenantStore, other *home) error {
		return own.RevokeGrant(w.Context(), other.grant.ID, w.now, w.event("x"))
	}),
	"WithdrawConsent": mutation(func(w *world, own storage.TenantStore, other *home) error {
		return own.WithdrawConsent(w.Context(), other.user.ID, w.client.ID, w.now, w.event("x"))
	}),
	"ListGrants": func(w *world, own storage.TenantStore, other *home) (bool, error) {
		list, err := own.ListGrants(w.Context(), other.user.ID, w.now)
		return len(list) > 0, err
	},
	"ListConsents": func(w *world, own storage.TenantStore, other *home) (bool, error) {
		list, err := own.ListConsents(w.Context(), other.user.ID)
		return len(list) > 0, err
	},
	"IssueToken": mutation(func(w *world, own storage.TenantStore, other *home) error {
		a := other.access
		a.Ref = ref(token.Access, a.ExpiresAt)
		if err := own.IssueToken(w.Context(), w.issueToken(w.a, a), w.event("x")); err != nil {
			return err
		}
		// It is the own tenant's, and what it hangs on is not there: dead.
		_, live, err := w.store.FindAccess(w.Context(), "", a.Ref)
		if live != nil && live.Dead(w.now) == "" {
			return errors.New("a token that hangs on another tenant's grant is alive")
		}
		return err
	}),
	"RotateRefresh": mutation(func(w *world, own storage.TenantStore, other *home) error {
		return own.RotateRefresh(w.Context(), w.rotate(other, other.refresh), w.event("x"))
	}),
	"RevokeToken": mutation(func(w *world, own storage.TenantStore, other *home) error {
		return own.RevokeToken(w.Context(), other.access.Ref, w.now, w.event("x"))
	}),
	"AppendEvent": mutation(func(w *world, own storage.TenantStore, other *home) error {
		ev := w.event("x")
		ev.Tenant = other.tenant.ID
		return own.AppendEvent(w.Context(), ev)
	}),
	"Events": func(w *world, own storage.TenantStore, other *home) (bool, error) {
		list, err := own.Events(w.Context(), "", all)
		return has(list, func(ev storage.Event) bool { return ev.Tenant == other.tenant.ID }), err
	},
}))

func merged[T any](a, b map[string]T) map[string]T {
	maps.Copy(b, a)
	return b
}

func has[T any](list []T, is func(T) bool) bool {
	for _, v := range list {
		if is(v) {
			return true
		}
	}
	return false
}

// testIsolation calls every method of tenant A with the objects of tenant B, and
// with objects that never existed. Each method gets a tenant A of its own; B stays
// as it is.
func testIsolation(t *testing.T, w *world) {
	before := w.look(w.b)
	for _, name := range tenantMethods(t) {
		w.a = w.newHome()
		foundOthers, errOthers := reaches[name](w, w.a, w.b)
		_, errGhosts := reaches[name](w, w.a, w.ghost())
		if foundOthers {
			t.Errorf("%s finds what is another tenant's", name)
		}
		if class(errOthers) != class(errGhosts) {
			t.Errorf("%s tells another tenant's objects (%v) from what never existed (%v)", name, errOthers, errGhosts)
		}
		if diff := cmp.Diff(before, w.look(w.b), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s changed another tenant (-before +after):\n%s", name, diff)
		}
	}
}

// testUnknownTenant: on the handle of a tenant that does not exist nothing is
// found, and nothing is stored.
func testUnknownTenant(t *testing.T, w *world) {
	for _, id := range []storage.TenantID{"ten_nobody", "", "platform"} {
		w := newWorld(t, w.store)
		before := w.snapshot()
		for _, name := range tenantMethods(t) {
			found, err := reaches[name](w, w.store.Tenant(id), w.b)
			if found {
				t.Errorf("%s of tenant %q finds something", name, id)
			}
			takesEvent := tenantChanges[name] != nil
			if takesEvent && class(err) == nil {
				t.Errorf("%s of tenant %q: %v, want a sentinel", name, id, err)
			}
			after := w.snapshot()
			if diff := cmp.Diff(before, after, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s of tenant %q changed something (-before +after):\n%s", name, id, diff)
			}
			before = after
		}
	}
}

// tenantMethods enumerates them, and fails for one without a case.
func tenantMethods(t *testing.T) []string {
	t.Helper()
	var names []string
	iface := reflect.TypeFor[storage.TenantStore]()
	for i := range iface.NumMethod() {
		name := iface.Method(i).Name
		if reaches[name] == nil {
			t.Errorf("%s has no case: add one beside the others", name)
			continue
		}
		names = append(names, name)
	}
	return names
}

// class is the sentinel that an error wraps, nil for none.
func class(err error) error {
	for _, sentinel := range []error{storage.ErrNotFound, storage.ErrExists, storage.ErrConsumed, storage.ErrConflict, storage.ErrLastOwner} {
		if errors.Is(err, sentinel) {
			return sentinel
		}
	}
	return nil
}

// ghost is a tenant's objects that were never stored.
func (w *world) ghost() *home {
	h := &home{tenant: storage.Tenant{ID: storage.NewTenantID(w.now)}, connection: w.newConnection(), domain: storage.Domain{Name: "ghost.test"}}
	in := w.signIn(h)
	h.user, h.identity, h.session = in.User, in.Identity, in.Session
	h.redeemed, h.code = w.issue(h).Code, w.issue(h).Code
	redeem := w.redeem(h.redeemed)
	h.grant, h.access, h.refresh = redeem.Grant, redeem.Access, *redeem.Refresh
	h.consent = storage.Consent{User: h.user.ID, Client: w.client.ID, ClientVersion: 1, At: w.now}
	h.signing = w.drawSigning(h)
	h.keyring = w.drawKeyring(h)
	return h
}
