package idp_test

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/idp/oidcconn/optest"
	"github.com/watchgate/watchgate/storage"
)

// invite adds somebody who has not signed in yet, as an invitation does: with an
// identity at the tenant's connection of kind Passkey.
func (h *house) invite(slug, email string, role storage.Role) storage.User {
	h.t.Helper()
	ctx, now, tenant := h.t.Context(), h.clock.Now(), h.store.Tenant(h.tenants[slug])
	con := storage.Connection{
		ID: storage.ConnectionID("con_passkey_" + slug), Kind: storage.Passkey, Name: "Passkeys", Issuer: base, CreatedAt: now, Version: 1,
	}
	if _, err := tenant.Connection(ctx, con.ID); err != nil {
		h.must(tenant.CreateConnection(ctx, con, audit.ConnectionCreated(ctx, now, con)))
	}
	u := storage.User{ID: storage.NewUserID(now), Role: role, Email: email, CreatedAt: now, Version: 1}
	id := storage.Identity{Connection: con.ID, Issuer: base, Subject: string(u.ID)}
	h.must(tenant.CreateUser(ctx, u, []storage.Identity{id}, audit.UserInvited(ctx, now, u)))
	return u
}

// addConnection gives a tenant another provider, which is the connection of a domain
// where one is named.
func (h *house) addConnection(slug, name, domain string, op *optest.Provider) storage.ConnectionID {
	h.t.Helper()
	ctx, tenant := h.t.Context(), h.store.Tenant(h.tenants[slug])
	con, err := tenant.Connection(ctx, storage.ConnectionID("con_"+slug))
	h.must(err)
	con.ID, con.Name, con.Issuer = storage.ConnectionID("con_"+name), name, op.Issuer
	con.SealedSecret = h.sealSecret(h.tenants[slug], con.ID)
	h.must(tenant.CreateConnection(ctx, con, audit.ConnectionCreated(ctx, h.clock.Now(), con)))
	if domain != "" {
		h.putDomain(slug, storage.Domain{Name: domain, Connection: con.ID, VerifiedAt: h.clock.Now()})
	}
	h.op[name] = op
	h.start(base)
	return con.ID
}

func (h *house) putDomain(slug string, d storage.Domain) {
	h.t.Helper()
	d.Version, d.Token = h.domain(slug, d.Name).Version, cmp.Or(d.Token, h.domain(slug, d.Name).Token)
	h.must(h.store.Tenant(h.tenants[slug]).PutDomain(h.t.Context(), d, audit.DomainVerified(h.t.Context(), h.clock.Now(), d)))
}

func TestInvitedPersonIsLinkedByAVerifiedAddress(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		invited := h.invite("acme", "Alice@acme.test", storage.RoleAdmin)
		h.change("acme", func(c *storage.Connection) { c.CreateUsers = false })
		h.browser().signIn("alice@acme.test")
		h.browser().signIn("alice@acme.test")
		users := h.users("acme")
		if len(users) != 1 || users[0].ID != invited.ID || users[0].Role != storage.RoleAdmin || users[0].Claims["name"] != "Alice Archer" {
			t.Errorf("users = %+v", users)
		}
		if got := h.events("acme"); !slices.Contains(got, "user.linked") {
			t.Errorf("events = %v", got)
		}
		ids, err := h.store.Tenant(h.tenants["acme"]).Identities(t.Context(), invited.ID)
		h.must(err)
		if len(ids) != 2 {
			t.Errorf("identities = %+v", ids)
		}
	})
}

func TestLinkedPersonGetsTheRoleThatTheProviderSays(t *testing.T) {
	h := newHouse(t)
	h.invite("acme", "alice@acme.test", storage.RoleAdmin)
	h.nameClaim("acme", "access_level")
	h.says("acme", "access_level", "viewer")
	h.browser().signIn("alice@acme.test")
	if got := h.roleOf("acme"); got != storage.RoleViewer {
		t.Errorf("%q", got)
	}
}

func TestAttackAdministratorsProviderBecomesAnOwner(t *testing.T) {
	h := newHouse(t)
	owner := h.invite("acme", "alice@acme.test", storage.RoleOwner)
	h.browser().signIn("alice@acme.test")
	ids, err := h.store.Tenant(h.tenants["acme"]).Identities(t.Context(), owner.ID)
	h.must(err)
	if len(ids) != 1 || len(h.users("acme")) != 2 {
		t.Errorf("an owner got the identity of whoever the provider calls so: %+v", ids)
	}
}

// Row 46 (nOAuth), and every other way to become somebody by their address.
func TestAttackRow46AccountTakenOverByItsAddress(t *testing.T) {
	for name, set := range map[string]func(h *house){
		"the provider says the address is not verified": func(h *house) { h.says("acme", "email_verified", false) },
		"the provider does not say whether it is":       func(h *house) { h.says("acme", "email_verified", nil) },
		"the domain is another tenant's":                func(h *house) { h.moveDomain("acme.test", "globex") },
		"the domain is another tenant's, at a connection of the same id": func(h *house) {
			globex := h.store.Tenant(h.tenants["globex"])
			con, err := globex.Connection(h.t.Context(), "con_globex")
			h.must(err)
			con.ID = "con_acme"
			h.must(globex.CreateConnection(h.t.Context(), con, audit.ConnectionCreated(h.t.Context(), h.clock.Now(), con)))
			h.dropDomain("acme", "acme.test")
			h.putDomain("globex", storage.Domain{Name: "acme.test", Connection: con.ID, VerifiedAt: h.clock.Now()})
		},
		"the domain is only claimed": func(h *house) {
			h.dropDomain("acme", "acme.test")
			h.putDomain("acme", storage.Domain{Name: "acme.test", Connection: "con_acme", Token: "t"})
		},
		"the domain is another connection's": func(h *house) {
			con := h.addConnection("acme", "acme-two", "", optest.New(h.t, h.clock.Now))
			h.putDomain("acme", storage.Domain{Name: "acme.test", Connection: con, VerifiedAt: h.clock.Now()})
		},
		"the domain is nobody's": func(h *house) { h.says("acme", "email", "alice@nowhere.test") },
		"two people have the address": func(h *house) {
			h.invite("acme", "ALICE@acme.test", storage.RoleViewer)
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			victim := h.invite("acme", "alice@acme.test", storage.RoleOwner)
			if name == "the domain is nobody's" {
				victim = h.invite("acme", "alice@nowhere.test", storage.RoleOwner)
			}
			// The browser is at the provider before anything changes.
			b := h.browser()
			set(h)
			b.get(h.provider(b.toConnection("acme", "x@entry.test")))
			ids, err := h.store.Tenant(h.tenants["acme"]).Identities(t.Context(), victim.ID)
			h.must(err)
			if len(ids) != 1 || slices.Contains(h.events("acme"), "user.linked") {
				t.Errorf("the victim's identities: %+v, %v", ids, h.events("acme"))
			}
			if got := b.session("acme"); got.User == victim.ID {
				t.Error("somebody else is signed in as the victim")
			}
		})
	}
}

// toConnection sends the browser to a tenant's connection, by the domain of an address
// that only this is for.
func (b *browser) toConnection(slug, email string) string {
	b.h.t.Helper()
	_, domain, _ := strings.Cut(email, "@")
	b.h.putDomain(slug, storage.Domain{Name: domain, Connection: storage.ConnectionID("con_" + slug), VerifiedAt: b.h.clock.Now()})
	return b.toProvider(b.open(), email)
}

// domain is one of a tenant, as it is stored; the zero value when it has none of that
// name.
func (h *house) domain(slug, name string) storage.Domain {
	h.t.Helper()
	all, err := h.store.Tenant(h.tenants[slug]).ListDomains(h.t.Context())
	h.must(err)
	for _, d := range all {
		if d.Name == name {
			return d
		}
	}
	return storage.Domain{}
}

// dropDomain takes a domain from a tenant.
func (h *house) dropDomain(slug, name string) {
	h.t.Helper()
	d := h.domain(slug, name)
	h.must(h.store.Tenant(h.tenants[slug]).DeleteDomain(h.t.Context(), d, audit.DomainRemoved(h.t.Context(), h.clock.Now(), d)))
}

// moveDomain gives a domain to another tenant.
func (h *house) moveDomain(domain, slug string) {
	h.t.Helper()
	for other := range h.tenants {
		if other != slug {
			h.dropDomain(other, domain)
		}
	}
	h.putDomain(slug, storage.Domain{Name: domain, Connection: storage.ConnectionID("con_" + slug), VerifiedAt: h.clock.Now()})
}

// Somebody who signs in with an address before its owner does gets nothing of the
// owner's: who has an identity at a provider is not linked to another.
func TestAttackPreRegisteredAddress(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		// A second provider of acme lets people say which address they have.
		lax := optest.New(t, h.clock.Now)
		lax.Person = map[string]any{"sub": "mallory-sub", "email": "alice@acme.test", "email_verified": true, "name": "Mallory"}
		h.addConnection("acme", "lax", "lax.test", lax)
		h.browser().signIn("mallory@lax.test")
		mallory := h.users("acme")[0]
		h.browser().signIn("alice@acme.test")
		if users := h.users("acme"); len(users) != 2 {
			t.Fatalf("users = %+v", users)
		}
		ids, err := h.store.Tenant(h.tenants["acme"]).Identities(t.Context(), mallory.ID)
		h.must(err)
		if len(ids) != 1 || slices.Contains(h.events("acme"), "user.linked") {
			t.Errorf("alice's identity became mallory's: %+v", ids)
		}
	})
}

// Somebody who was linked once is not linked again: a second subject with the same
// address, as after a deletion at the provider, is another person.
func TestAttackAddressThatIsUsedAgain(t *testing.T) {
	h := newHouse(t)
	invited := h.invite("acme", "alice@acme.test", storage.RoleAdmin)
	h.browser().signIn("alice@acme.test")
	h.says("acme", "sub", "another-alice")
	b := h.browser()
	b.signIn("alice@acme.test")
	if got := b.session("acme"); got.User == invited.ID || got.UserInfo.Role != storage.RoleMember {
		t.Errorf("the new subject is %s, %s", got.User, got.UserInfo.Role)
	}
}

func TestDisabledPersonIsLinkedAndStaysOut(t *testing.T) {
	h := newHouse(t)
	u := h.invite("acme", "alice@acme.test", storage.RoleAdmin)
	u.DisabledAt = h.clock.Now()
	h.must(h.store.Tenant(h.tenants["acme"]).UpdateUser(t.Context(), u, audit.UserDisabled(t.Context(), h.clock.Now(), u)))
	h.browser().arriving("alice@acme.test").wants(http.StatusForbidden, "user_suspended")
	if len(h.users("acme")) != 1 {
		t.Error("somebody who is disabled got a second account")
	}
}

// Of two browsers that bring the same new identity, one links it and the other finds it.
func TestLinkingTwiceAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.invite("acme", "alice@acme.test", storage.RoleAdmin)
		const browsers = 4
		codes := make(chan int, browsers)
		for range browsers {
			b := h.browser()
			back := h.provider(b.toProvider(b.open(), "alice@acme.test"))
			go func() { codes <- b.get(back).Code }()
		}
		for range browsers {
			if code := <-codes; code != http.StatusSeeOther {
				t.Errorf("status %d", code)
			}
		}
		if users := h.users("acme"); len(users) != 1 {
			t.Errorf("%d people", len(users))
		}
	})
}

// Row 51: only JSON's true is a verified address.
func TestAttackRow51EmailVerifiedThatIsNoBoolean(t *testing.T) {
	for _, said := range []any{"false", "true", "1", 1.0, "yes", map[string]any{}, []any{true}} {
		h := newHouse(t)
		h.invite("acme", "alice@acme.test", storage.RoleAdmin)
		h.says("acme", "email_verified", said)
		h.browser().arriving("alice@acme.test")
		if len(h.users("acme")) != 2 {
			t.Errorf("email_verified %v (%T) was believed", said, said)
		}
	}
}
