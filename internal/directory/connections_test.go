package directory_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/watchgate/watchgate/internal/seal"
	"github.com/watchgate/watchgate/storage"
)

func TestProviderIsLookedAtBeforeATenantReliesOnIt(t *testing.T) {
	store := emptyStore(t)
	asked := ""
	d := over(store, sealer(t, seal.Generate()), func(issuer string) error {
		asked = issuer
		return errors.New("it says another issuer")
	})
	acme, err := d.CreateTenant(t.Context(), "acme", "Acme")
	if err != nil {
		t.Fatal(err)
	}
	if text := wrong(t, second(d.CreateConnection(t.Context(), "acme", connection(), "s"))); !strings.Contains(text, "another issuer") {
		t.Error(text)
	}
	if all, err := store.Tenant(acme.ID).ListConnections(t.Context()); err != nil || len(all) != 0 || asked != connection().Issuer {
		t.Errorf("asked %q, stored %d connections, %v", asked, len(all), err)
	}
	if _, err := d.CreateUnseenConnection(t.Context(), "acme", connection(), "s"); err != nil {
		t.Errorf("without a look: %v", err)
	}
	bad := connection()
	bad.Issuer, asked = "http://10.0.0.1", ""
	wrong(t, second(d.CreateConnection(t.Context(), "acme", bad, "s")))
	wrong(t, second(d.CreateUnseenConnection(t.Context(), "acme", bad, "s")))
	if asked != "" {
		t.Errorf("%s was asked, which breaks the rules of its form", asked)
	}
}

// TestOldMasterIsNotNeededAfterReseal is KM-05.
func TestOldMasterIsNotNeededAfterReseal(t *testing.T) {
	store := emptyStore(t)
	old, fresh := seal.Generate(), seal.Generate()
	d := over(store, sealer(t, old), fine)
	acme, err := d.CreateTenant(t.Context(), "acme", "Acme")
	if err != nil {
		t.Fatal(err)
	}
	con, err := d.CreateConnection(t.Context(), "acme", connection(), "s3cret")
	if err != nil {
		t.Fatal(err)
	}
	d = over(store, sealer(t, fresh, old), fine)
	if n, err := d.Reseal(t.Context()); n != 1 || err != nil {
		t.Fatalf("%d values, %v; want 1", n, err)
	}
	if n, err := d.Reseal(t.Context()); n != 0 || err != nil {
		t.Errorf("again: %d values, %v; want none", n, err)
	}
	got, err := store.Tenant(acme.ID).Connection(t.Context(), con.ID)
	if err != nil {
		t.Fatal(err)
	}
	place := seal.Place{Tenant: acme.ID, Table: "connections", Column: "client_secret", Row: string(con.ID)}
	if plain, err := sealer(t, fresh).Open(place, got.SealedSecret); err != nil || string(plain) != "s3cret" {
		t.Errorf("under the new master alone: %q, %v", plain, err)
	}
	if kinds := trail(t, store, acme.ID); !slices.Contains(kinds, "connection.updated") {
		t.Errorf("the trail says %v", kinds)
	}
}

func TestResealDoesWhatItCan(t *testing.T) {
	store := emptyStore(t)
	lost, old, fresh := seal.Generate(), seal.Generate(), seal.Generate()
	if _, err := over(store, sealer(t, lost), fine).CreateTenant(t.Context(), "acme", "Acme"); err != nil {
		t.Fatal(err)
	}
	_, err1 := over(store, sealer(t, lost), fine).CreateConnection(t.Context(), "acme", connection(), "s")
	_, err2 := over(store, sealer(t, old), fine).CreateConnection(t.Context(), "acme", connection(), "s")
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	n, err := over(store, sealer(t, fresh, old), fine).Reseal(t.Context())
	if n != 1 || !errors.Is(err, seal.ErrSealed) {
		t.Errorf("%d values, %v; want 1 and ErrSealed for the other", n, err)
	}
}

// trail returns the kinds of a tenant's events.
func trail(t *testing.T, store storage.Store, id storage.TenantID) []string {
	t.Helper()
	events, err := store.Tenant(id).Events(t.Context(), "", 10)
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, ev := range events {
		kinds = append(kinds, ev.Kind)
	}
	return kinds
}

// TestAttackRoleClaimThatPeopleWriteThemselves: a nickname of "owner" is no role.
func TestAttackRoleClaimThatPeopleWriteThemselves(t *testing.T) {
	d, _, _ := open(t)
	if _, err := d.CreateTenant(t.Context(), "acme", "Acme"); err != nil {
		t.Fatal(err)
	}
	for _, claim := range []string{"nickname", "preferred_username", "email", "sub", "acr", "a b", "rôle", strings.Repeat("r", 201)} {
		c := connection()
		c.RoleClaim = claim
		if text := wrong(t, second(d.CreateConnection(t.Context(), "acme", c, "s"))); !strings.Contains(text, "role claim") {
			t.Errorf("%q: %s", claim, text)
		}
	}
	for _, claim := range []string{"", "roles", "https://acme.example/role"} {
		c := connection()
		c.RoleClaim = claim
		if _, err := d.CreateConnection(t.Context(), "acme", c, "s"); err != nil {
			t.Errorf("%q: %v", claim, err)
		}
	}
}
