package directory_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchgate/watchgate/internal/directory"
	"github.com/watchgate/watchgate/internal/mail"
	"github.com/watchgate/watchgate/internal/seal"
	"github.com/watchgate/watchgate/storage"
)

// house is a directory with a clock, a post and a tenant with an owner.
type house struct {
	*testing.T
	dir    *directory.Directory
	store  storage.Store
	sealer *seal.Sealer
	acme   storage.Tenant
	mu     sync.Mutex
	now    time.Time
	sent   []mail.Message
}

const here = "https://auth.example"

func newHouse(t *testing.T, store storage.Store) *house {
	t.Helper()
	h := &house{T: t, store: store, sealer: sealer(t, seal.Generate()), now: clock}
	h.dir = directory.New(directory.Config{
		Store: store, Sealer: h.sealer, Discoverer: provider(fine), RedirectURI: func(string) error { return nil }, Issuer: here, Post: h,
		Now: func() time.Time { h.mu.Lock(); defer h.mu.Unlock(); return h.now },
	})
	var err error
	h.acme, err = h.dir.CreateTenant(t.Context(), "acme", "Acme")
	h.must(err)
	con, err := h.dir.EnsurePasskeyConnection(t.Context(), "acme")
	h.must(err)
	u := storage.User{ID: storage.NewUserID(clock), Role: storage.RoleOwner, Email: "olga@acme.example", CreatedAt: clock, Version: 1}
	h.must(store.Tenant(h.acme.ID).CreateUser(t.Context(), u, []storage.Identity{{Connection: con.ID, Issuer: here, Subject: string(u.ID)}}, storage.Event{
		ID: storage.NewEventID(clock), Time: clock, Kind: "user.invited", Outcome: "success", ActorKind: "system",
	}))
	return h
}

func (h *house) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

// Queue implements mail.Post.
func (h *house) Queue(_ context.Context, t storage.TenantID, m mail.Message) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if t != h.acme.ID || m.Fields["tenant"] != "Acme" {
		h.Errorf("a mail of %s: %v", t, m.Fields)
	}
	h.sent = append(h.sent, m)
	return nil
}

// Prepare implements mail.Post.
func (h *house) Prepare(_ storage.TenantID, m mail.Message) (storage.Mail, error) {
	return storage.Mail{ID: storage.NewMailID(clock), Kind: string(m.Kind), To: m.To, Sealed: []byte("sealed"), CreatedAt: clock, ExpiresAt: clock.Add(m.Life)}, nil
}

func (h *house) advance(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

func (h *house) connection() storage.Connection {
	h.Helper()
	c, err := h.dir.CreateConnection(h.Context(), "acme", connection(), "first")
	h.must(err)
	return c
}

func TestSecretIsRotatedWithOverlapAndPromoted(t *testing.T) {
	h := newHouse(t, emptyStore(t))
	c := h.connection()
	next, err := h.dir.RotateSecret(t.Context(), "acme", c.ID, c.Version, directory.NextSecret{Secret: "second", ExpiresAt: clock.Add(time.Hour)})
	h.must(err)
	place := seal.Place{Tenant: h.acme.ID, Table: "connections", Column: "next_secret", Row: string(c.ID)}
	if plain, err := h.sealer.Open(place, next.SealedNextSecret); err != nil || string(plain) != "second" || string(next.SealedSecret) != string(c.SealedSecret) {
		t.Errorf("next: %q, %v", plain, err)
	}
	wrong(t, second(h.dir.PromoteSecret(t.Context(), "acme", c.ID, c.Version)))
	promoted, err := h.dir.PromoteSecret(t.Context(), "acme", c.ID, next.Version)
	h.must(err)
	place.Column = "client_secret"
	if plain, err := h.sealer.Open(place, promoted.SealedSecret); err != nil || string(plain) != "second" || promoted.SealedNextSecret != nil {
		t.Errorf("promoted: %q, %v", plain, err)
	}
	stored, err := h.dir.Connection(t.Context(), "acme", c.ID)
	h.must(err)
	if stored.Version != promoted.Version || stored.SealedNextSecret != nil {
		t.Errorf("stored: %+v", stored)
	}
	wrong(t, second(h.dir.PromoteSecret(t.Context(), "acme", c.ID, 0)))
	wrong(t, second(h.dir.RotateSecret(t.Context(), "acme", c.ID, 0, directory.NextSecret{Secret: "x", ExpiresAt: clock})))
	wrong(t, second(h.dir.RotateSecret(t.Context(), "acme", c.ID, 0, directory.NextSecret{})))
}

func TestOwnersAreToldThreeTimesThatASecretEnds(t *testing.T) {
	h := newHouse(t, emptyStore(t))
	c := h.connection()
	day := 24 * time.Hour
	_, err := h.dir.RotateSecret(t.Context(), "acme", c.ID, 0, directory.NextSecret{Secret: "second", ExpiresAt: clock.Add(60 * day)})
	h.must(err)
	var told []int // days before the end
	for at := range 62 {
		for range 2 { // two nodes
			n, err := h.dir.ExpiringSecrets(t.Context())
			h.must(err)
			if n > 0 {
				told = append(told, 60-at)
			}
		}
		h.advance(day)
	}
	if !slices.Equal(told, []int{30, 7, 1}) || len(h.sent) != 3 {
		t.Errorf("told %v days before, %d mails", told, len(h.sent))
	}
	if m := h.sent[0]; m.Kind != mail.SecretExpires || m.To != "olga@acme.example" || m.Fields["connection"] != "Okta" {
		t.Errorf("%s to %s: %v", m.Kind, m.To, m.Fields)
	}
	if kinds := trail(t, h.store, h.acme.ID); !slices.Contains(kinds, "secret.expiring") {
		t.Errorf("the trail says %v", kinds)
	}
}

// TestMasterIsNotNeededForNextSecretsAfterReseal is KM-05.
func TestMasterIsNotNeededForNextSecretsAfterReseal(t *testing.T) {
	store := emptyStore(t)
	old, fresh := seal.Generate(), seal.Generate()
	d := over(store, sealer(t, old), fine)
	acme, err := d.CreateTenant(t.Context(), "acme", "Acme")
	if err != nil {
		t.Fatal(err)
	}
	c, err1 := d.CreateConnection(t.Context(), "acme", connection(), "first")
	_, err2 := d.RotateSecret(t.Context(), "acme", c.ID, 0, directory.NextSecret{Secret: "second"})
	n, err3 := over(store, sealer(t, fresh, old), fine).Reseal(t.Context())
	if err := errors.Join(err1, err2, err3); err != nil || n != 1 {
		t.Fatalf("%d, %v", n, err)
	}
	got, err := store.Tenant(acme.ID).Connection(t.Context(), c.ID)
	if err != nil {
		t.Fatal(err)
	}
	place := seal.Place{Tenant: acme.ID, Table: "connections", Column: "next_secret", Row: string(c.ID)}
	if plain, err := sealer(t, fresh).Open(place, got.SealedNextSecret); err != nil || string(plain) != "second" {
		t.Errorf("under the new master alone: %q, %v", plain, err)
	}
}

func TestPeopleWithoutAProviderHaveOneConnection(t *testing.T) {
	h := newHouse(t, emptyStore(t))
	other, err := h.dir.CreateTenant(t.Context(), "globex", "Globex")
	h.must(err)
	ids := make([]storage.ConnectionID, 8)
	var all sync.WaitGroup
	for i := range ids {
		all.Go(func() {
			c, err := h.dir.EnsurePasskeyConnection(t.Context(), string(other.ID))
			if err != nil {
				t.Error(err)
			}
			ids[i] = c.ID
		})
	}
	all.Wait()
	if slices.Sort(ids); len(slices.Compact(ids)) != 1 {
		t.Errorf("%v", ids)
	}
	cons, err := h.dir.Connections(t.Context(), "globex")
	if err != nil || len(cons) != 1 || cons[0].Kind != storage.Passkey || cons[0].Issuer != here {
		t.Errorf("%+v, %v", cons, err)
	}
}

func TestConnectionsThatAreRefused(t *testing.T) {
	h := newHouse(t, emptyStore(t))
	for word, change := range map[string]func(*storage.Connection){
		"kind":      func(c *storage.Connection) { c.Kind = "saml" },
		"preset":    func(c *storage.Connection) { c.Preset = "ping" },
		"Workspace": func(c *storage.Connection) { c.Preset = storage.PresetGoogle },
		"GUID":      func(c *storage.Connection) { c.Settings.DirectoryIDs = []string{"common"} },
		"role rules": func(c *storage.Connection) {
			c.Settings.RoleRules = []storage.RoleRule{{Value: "a", Role: storage.RoleAdmin}}
		},
		"role of a rule": func(c *storage.Connection) {
			c.RoleClaim = "groups"
			c.Settings.RoleRules = []storage.RoleRule{{Value: "a", Role: "root"}}
		},
		"1 to 200 bytes": func(c *storage.Connection) {
			c.RoleClaim = "groups"
			c.Settings.RoleRules = []storage.RoleRule{{Value: "", Role: storage.RoleAdmin}}
		},
		"no rule fits": func(c *storage.Connection) { c.Settings.UnmappedRole = "root" },
		"printable":    func(c *storage.Connection) { c.Settings.MFA.AMR = []string{"a b"} },
		"JSON pointer": func(c *storage.Connection) { c.RoleClaim = "/a~2" },
		"organization": func(c *storage.Connection) { c.Settings.Organization = "a b" },
	} {
		c := connection()
		change(&c)
		if text := wrong(t, second(h.dir.CreateConnection(t.Context(), "acme", c, "s"))); !strings.Contains(text, word) {
			t.Errorf("%q does not say %q", text, word)
		}
	}
}

// TestAttackRoleClaimByPointerThatPeopleWriteThemselves: what a pointer names is no
// better than the name itself.
func TestAttackRoleClaimByPointerThatPeopleWriteThemselves(t *testing.T) {
	h := newHouse(t, emptyStore(t))
	for _, claim := range []string{"/nickname", "/address/region", "/email", "/preferred_username/0"} {
		c := connection()
		c.RoleClaim = claim
		if text := wrong(t, second(h.dir.CreateConnection(t.Context(), "acme", c, "s"))); !strings.Contains(text, "role claim") {
			t.Errorf("%s: %s", claim, text)
		}
	}
	for _, claim := range []string{"/realm_access/roles", "/https:~1~1acme.example~1roles", "/groups/0"} {
		c := connection()
		c.RoleClaim = claim
		if _, err := h.dir.CreateConnection(t.Context(), "acme", c, "s"); err != nil {
			t.Errorf("%s: %v", claim, err)
		}
	}
}

func TestWhereLogoutTokensGo(t *testing.T) {
	h := newHouse(t, emptyStore(t))
	for uri, good := range map[string]bool{
		"https://app.example/logout": true, "https://app.example/logout?x=1": true, "http://app.example/logout": false, "https://app.example/#f": false,
		"https://u:p@app.example/": false, "app:/logout": false, "http://127.0.0.1:9/logout": false, "https:///x": false, "https://app.example\\@evil.example/": false,
	} {
		c := webClient()
		c.BackchannelLogoutURI = uri
		if _, err := h.dir.CreateClient(t.Context(), c); (err == nil) != good {
			t.Errorf("%s: %v", uri, err)
		}
	}
}

func TestBreakGlassIsOpenForADayAtMost(t *testing.T) {
	h := newHouse(t, emptyStore(t))
	wrong(t, second(h.dir.OpenBreakGlass(t.Context(), "acme", 24*time.Hour+time.Second, "down")))
	wrong(t, second(h.dir.OpenBreakGlass(t.Context(), "acme", 0, "down")))
	wrong(t, second(h.dir.OpenBreakGlass(t.Context(), "acme", time.Hour, " ")))
	wrong(t, second(h.dir.CloseBreakGlass(t.Context(), "acme")))
	got, err := h.dir.OpenBreakGlass(t.Context(), "acme", 24*time.Hour, "the provider is down")
	if err != nil || !got.Policy.BreakGlassUntil.Equal(clock.Add(24*time.Hour)) || len(h.sent) != 1 || h.sent[0].Kind != mail.BreakGlass {
		t.Errorf("%+v, %v, sent %v", got.Policy, err, h.sent)
	}
	if got, err = h.dir.CloseBreakGlass(t.Context(), "acme"); err != nil || !got.Policy.BreakGlassUntil.IsZero() {
		t.Errorf("%+v, %v", got.Policy, err)
	}
	kinds := trail(t, h.store, h.acme.ID)
	if !slices.Contains(kinds, "break_glass.opened") || !slices.Contains(kinds, "break_glass.closed") {
		t.Errorf("the trail says %v", kinds)
	}
}

func TestPolicyOfSecondFactors(t *testing.T) {
	h := newHouse(t, emptyStore(t))
	for word, change := range map[string]directory.PolicyChange{
		"none, mfa or phr": {RequireLevel: new(storage.Level("high"))},
		"second fact":      {CredentialMFAAge: new(time.Second)},
		"24h":              {CredentialMFAAge: new(25 * time.Hour)},
		"contact":          {Contact: new(strings.Repeat("a", 201))},
	} {
		if text := wrong(t, second(h.dir.SetTenantPolicy(t.Context(), "acme", change))); !strings.Contains(text, word) {
			t.Errorf("%q does not say %q", text, word)
		}
	}
	got, err := h.dir.SetTenantPolicy(t.Context(), "acme", directory.PolicyChange{
		RequireLevel: new(storage.LevelPHR), CredentialMFAAge: new(10 * time.Minute), SignOutEverything: new(true), Contact: new("it@acme.example"), CredentialsWithoutMFA: new(true),
	})
	want := storage.TenantPolicy{RequireLevel: storage.LevelPHR, CredentialMFAAge: 10 * time.Minute, SignOutEverything: true, Contact: "it@acme.example", CredentialsWithoutMFA: true}
	if err != nil || got.Policy.RequireLevel != want.RequireLevel || got.Policy.CredentialMFAAge != want.CredentialMFAAge || got.Policy.Contact != want.Contact || !got.Policy.SignOutEverything || !got.Policy.CredentialsWithoutMFA {
		t.Errorf("%+v, %v", got.Policy, err)
	}
	if _, err := h.dir.SetTenantPolicyAt(t.Context(), "acme", got.Version-1, directory.PolicyChange{Contact: new("")}); !errors.Is(err, storage.ErrConflict) {
		t.Errorf("at an old version: %v", err)
	}
}

// app adds an authenticator app whose seed is sealed under a master.
func (h *house) app(master string) storage.Factor {
	h.Helper()
	owners, err := h.store.Tenant(h.acme.ID).Owners(h.Context())
	h.must(err)
	f := storage.Factor{ID: storage.NewFactorID(clock), User: owners[0].ID, Kind: storage.FactorTOTP, Name: "Phone", CreatedAt: clock, Version: 1}
	f.SealedSecret, err = sealer(h.T, master).Seal(h.seedPlace(f), []byte("seed of "+f.ID))
	h.must(err)
	h.must(h.store.Tenant(h.acme.ID).AddFactor(h.Context(), f, storage.Event{ID: storage.NewEventID(clock), Time: clock, Kind: "factor.added", Outcome: "success", ActorKind: "user"}))
	return f
}

func (h *house) seedPlace(f storage.Factor) seal.Place {
	return seal.Place{Tenant: h.acme.ID, Table: "factors", Column: "secret", Row: string(f.ID)}
}

// TestAuthenticatorAppsNeedNoOldMasterAfterReseal is KM-05: otherwise whoever takes the
// old one away locks people out.
func TestAuthenticatorAppsNeedNoOldMasterAfterReseal(t *testing.T) {
	store, lost, old, fresh := emptyStore(t), seal.Generate(), seal.Generate(), seal.Generate()
	h := newHouse(t, store)
	unreadable, app := h.app(lost), h.app(old)
	d := over(store, sealer(t, fresh, old), fine)
	if n, err := d.Reseal(t.Context()); n != 1 || !errors.Is(err, seal.ErrSealed) {
		t.Errorf("%d values, %v; want 1, and ErrSealed for the one that does not open", n, err)
	}
	if n, err := d.Reseal(t.Context()); n != 0 || err == nil {
		t.Errorf("again: %d values, %v", n, err)
	}
	factors, err := store.Tenant(h.acme.ID).ListFactors(t.Context(), app.User)
	h.must(err)
	for _, f := range factors {
		plain, err := sealer(t, fresh).Open(h.seedPlace(f), f.SealedSecret)
		if f.ID == app.ID && (err != nil || string(plain) != "seed of "+string(f.ID)) {
			t.Errorf("under the new master alone: %q, %v", plain, err)
		}
		if f.ID == unreadable.ID && string(f.SealedSecret) != string(unreadable.SealedSecret) {
			t.Error("what does not open was written over")
		}
	}
}

// TestOneAddressIsInvitedOnce: of many who ask for the same person at once, one gets them.
func TestOneAddressIsInvitedOnce(t *testing.T) {
	h := newHouse(t, emptyStore(t))
	var won atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			_, err := h.dir.InviteUser(t.Context(), "acme", directory.Invitation{Email: "new@acme.example", Role: storage.RoleMember})
			switch {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, storage.ErrExists):
				t.Error(err)
			}
		})
	}
	all.Wait()
	people, err := h.store.Tenant(h.acme.ID).UsersByEmail(t.Context(), "new@acme.example")
	if h.must(err); won.Load() != 1 || len(people) != 1 {
		t.Errorf("%d invitations made %d people", won.Load(), len(people))
	}
}
