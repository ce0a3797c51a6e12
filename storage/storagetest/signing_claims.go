package storagetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/watchgate/watchgate/storage"
)

func testClaims(t *testing.T, w *world) {
	testClaimedDomains(w)
	testTrials(w)
	testConnectionFields(w)
	testLoginFields(w)
}

func (w *world) unverified(h *home, name string) storage.Domain {
	return storage.Domain{Name: name, Connection: h.connection.ID, Token: "watchgate=1", CreatedAt: w.now}
}

// testClaimedDomains: whoever likes may claim one; it belongs to who has proved it,
// and only then is anybody sent anywhere.
func testClaimedDomains(w *world) {
	ctx, a, b := w.Context(), w.newHome(), w.newHome()
	name := fmt.Sprintf("claimed%d.test", serial.Add(1))
	ours, theirs := w.unverified(a, name), w.unverified(b, name)
	w.must(a.PutDomain(ctx, ours, w.event("x")))
	w.must(b.PutDomain(ctx, theirs, w.event("x")))
	ours.Version, theirs.Version = 1, 1
	_, err := w.store.DomainOwner(ctx, name)
	w.want(err, storage.ErrNotFound)

	ours.VerifiedAt, ours.CheckedAt = w.now, w.now
	w.must(a.PutDomain(ctx, ours, w.event("x")))
	ours.Version++
	w.same(get(w.store.DomainOwner(ctx, name))(w), storage.DomainOwner{Tenant: a.tenant, Connection: a.connection})
	before := w.look(b)
	theirs.VerifiedAt = w.now
	w.want(b.PutDomain(ctx, theirs, w.event("x")), storage.ErrExists)
	w.same(w.look(b), before)
	ours.SSORequired, ours.FailingSince, ours.ByOperator = true, w.now, true
	w.must(a.PutDomain(ctx, ours, w.event("x")))
	ours.Version++
	if owner := get(w.store.DomainOwner(ctx, name))(w); !owner.SSORequired || owner.Tenant.ID != a.tenant.ID {
		w.Errorf("the owner is %+v", owner)
	}
	w.same(find(get(a.ListDomains(ctx))(w), name), ours)

	ours.VerifiedAt = time.Time{} // it was lost
	w.must(a.PutDomain(ctx, ours, w.event("x")))
	ours.Version++
	w.must(b.PutDomain(ctx, theirs, w.event("x")))
	if owner := get(w.store.DomainOwner(ctx, name))(w); owner.Tenant.ID != b.tenant.ID {
		w.Errorf("the owner is %+v", owner)
	}
	ours.VerifiedAt = w.now
	w.want(a.PutDomain(ctx, ours, w.event("x")), storage.ErrExists)
}

func find(domains []storage.Domain, name string) storage.Domain {
	i := slices.IndexFunc(domains, func(d storage.Domain) bool { return d.Name == name })
	return domains[i]
}

func testTrials(w *world) {
	ctx, h := w.Context(), w.newHome()
	trial := h.trial
	w.same(get(h.ConnectionTest(ctx, trial.ID, trial.ExpiresAt.Add(-time.Millisecond)))(w), trial)
	_, err := h.ConnectionTest(ctx, trial.ID, trial.ExpiresAt)
	w.want(err, storage.ErrNotFound)
	_, err = h.ConnectionTest(ctx, "tst_nobody", w.now)
	w.want(err, storage.ErrNotFound)
	trial.DoneAt, trial.Report, trial.ExpiresAt = time.Time{}, nil, trial.ExpiresAt.Add(time.Hour)
	w.must(h.PutConnectionTest(ctx, trial, w.event("x")))
	w.same(get(h.ConnectionTest(ctx, trial.ID, w.now))(w), trial)
	trial.Connection = w.b.connection.ID
	w.want(h.PutConnectionTest(ctx, trial, w.event("x")), storage.ErrNotFound)
}

// testConnectionFields: everything comes back as it was given, and can be taken away.
func testConnectionFields(w *world) {
	ctx, h := w.Context(), w.newHome()
	c := h.connection
	c.Preset, c.SealedNextSecret, c.SecretExpiresAt, c.SecretWarnedAt = storage.PresetGoogle, nil, time.Time{}, time.Time{}
	c.Settings = storage.ConnectionSettings{HostedDomains: []string{"a.test", "b.test"}, Organization: "org", GroupsFromGraph: true, AllowPersonal: true,
		MFA: storage.UpstreamMFA{ACR: []string{"x y"}, PhishingResistant: []string{"phr"}, Ignore: true}}
	w.must(h.UpdateConnection(ctx, c, w.event("x")))
	c.Version++
	w.same(get(h.Connection(ctx, c.ID))(w), c)
	c.Preset, c.Settings = "", storage.ConnectionSettings{}
	w.must(h.UpdateConnection(ctx, c, w.event("x")))
	c.Version++
	w.same(get(h.ListConnections(ctx))(w), []storage.Connection{c})
}

func testLoginFields(w *world) {
	ctx := w.Context()
	l := storage.Login{ID: storage.NewLoginID(w.now), Step: storage.StepFactor, Browser: []byte("b"), Purpose: storage.PurposeEnrolPasskey,
		Need: storage.Need{Level: storage.LevelPHR, Since: w.now.Add(-time.Hour), Fresh: w.now}, Ceremony: []byte{0, 1, 255}, Test: "tst_x",
		CreatedAt: w.now, ExpiresAt: w.now.Add(10 * time.Minute), Version: 1}
	w.must(w.store.BeginLogin(ctx, l))
	w.same(get(w.store.Login(ctx, l.ID, w.now))(w), l)
	l.Step, l.Purpose, l.Need, l.Ceremony, l.Test = storage.StepConsent, storage.PurposeNone, storage.Need{}, nil, ""
	w.must(w.store.AdvanceLogin(ctx, l, w.now))
	l.Version++
	w.same(get(w.store.Login(ctx, l.ID, w.now))(w), l)
}

func testChores(t *testing.T, w *world) {
	testDomainsToCheck(w)
	testExpiringConnections(w)
}

// testDomainsToCheck: verified, nobody's word, and not looked at lately; longest ago
// first.
func testDomainsToCheck(w *world) {
	ctx, h := w.Context(), w.newHome()
	put := func(name string, checked time.Time, change func(*storage.Domain)) storage.ClaimedDomain {
		d := w.unverified(h, name+"."+h.domain.Name)
		d.VerifiedAt, d.CheckedAt = w.now, checked
		change(&d)
		w.must(h.PutDomain(ctx, d, w.event("x")))
		d.Version = 1
		return storage.ClaimedDomain{Tenant: h.tenant.ID, Domain: d}
	}
	as := func(*storage.Domain) {}
	recent, old, never := put("recent", w.now, as), put("old", w.now.Add(-time.Hour), as), put("never", time.Time{}, as)
	put("claimed", time.Time{}, func(d *storage.Domain) { d.VerifiedAt = time.Time{} })
	put("vouched", time.Time{}, func(d *storage.Domain) { d.ByOperator = true })
	w.same(get(w.store.DomainsToCheck(ctx, w.now, 9))(w), []storage.ClaimedDomain{never, old})
	w.same(get(w.store.DomainsToCheck(ctx, w.now.Add(time.Millisecond), 9))(w), []storage.ClaimedDomain{never, old, recent})
	w.same(get(w.store.DomainsToCheck(ctx, w.now, 1))(w), []storage.ClaimedDomain{never})
}

// testExpiringConnections: whose secret ends soon, unless the tenant was told lately.
func testExpiringConnections(w *world) {
	ctx, h := w.Context(), w.newHome()
	soon, lately := w.now.Add(24*time.Hour), w.now.Add(-time.Hour)
	add := func(ends, warned time.Time) storage.TenantConnection {
		c := w.newConnection()
		c.SecretExpiresAt, c.SecretWarnedAt = ends, warned
		w.must(h.CreateConnection(ctx, c, w.event("x")))
		return storage.TenantConnection{Tenant: h.tenant.ID, Connection: c}
	}
	second := add(soon.Add(-time.Millisecond), time.Time{})
	first := add(w.now.Add(-time.Hour), lately.Add(-time.Millisecond))
	add(soon, time.Time{})
	add(time.Time{}, time.Time{})
	add(w.now, lately)
	w.same(get(w.store.ExpiringConnections(ctx, soon, lately, 9))(w), []storage.TenantConnection{first, second})
	w.same(get(w.store.ExpiringConnections(ctx, soon, lately, 1))(w), []storage.TenantConnection{first})
	for _, c := range get(h.ListConnections(ctx))(w) {
		if strings.HasPrefix(string(c.ID), string(first.Connection.ID)) {
			w.same(c, first.Connection)
		}
	}
}
