package directory_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/watchgate/watchgate/internal/directory"
	"github.com/watchgate/watchgate/storage"
)

func TestPolicyChangesOnlyWhatIsNamed(t *testing.T) {
	d, store, _ := open(t)
	acme, err := d.CreateTenant(t.Context(), "acme", "Acme")
	if err != nil {
		t.Fatal(err)
	}
	board, err := d.CreateClient(t.Context(), webClient())
	if err != nil {
		t.Fatal(err)
	}
	id := storage.ClientID(board.ID)
	for _, step := range []struct {
		change directory.PolicyChange
		want   storage.TenantPolicy
	}{
		{directory.PolicyChange{SessionLifetime: new(8 * time.Hour)}, storage.TenantPolicy{SessionLifetime: 8 * time.Hour}},
		{
			directory.PolicyChange{OnlyClients: []storage.ClientID{id, id}},
			storage.TenantPolicy{SessionLifetime: 8 * time.Hour, OnlyListedClients: true, Clients: []storage.ClientID{id}},
		},
		{
			directory.PolicyChange{SessionIdle: new(time.Minute)},
			storage.TenantPolicy{SessionLifetime: 8 * time.Hour, SessionIdle: time.Minute, OnlyListedClients: true, Clients: []storage.ClientID{id}},
		},
		{directory.PolicyChange{AllClients: true}, storage.TenantPolicy{SessionLifetime: 8 * time.Hour, SessionIdle: time.Minute}},
		{
			directory.PolicyChange{QuarantineLeakedKeys: new(true)},
			storage.TenantPolicy{SessionLifetime: 8 * time.Hour, SessionIdle: time.Minute, QuarantineLeakedKeys: true},
		},
		{directory.PolicyChange{QuarantineLeakedKeys: new(false)}, storage.TenantPolicy{SessionLifetime: 8 * time.Hour, SessionIdle: time.Minute}},
	} {
		if _, err := d.SetTenantPolicy(t.Context(), "acme", step.change); err != nil {
			t.Fatal(err)
		}
		got, err := store.TenantByID(t.Context(), acme.ID)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(step.want, got.Policy); diff != "" {
			t.Error(diff)
		}
	}
	if kinds := trail(t, store, acme.ID); !slices.Contains(kinds, "tenant.updated") {
		t.Errorf("the trail says %v", kinds)
	}
}

func TestPoliciesThatAreRefused(t *testing.T) {
	d, _, _ := open(t)
	for _, slug := range []string{"acme", "globex"} {
		if _, err := d.CreateTenant(t.Context(), slug, slug); err != nil {
			t.Fatal(err)
		}
	}
	c := webClient()
	c.Owner = "globex"
	theirs, err := d.CreateClient(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	for word, change := range map[string]directory.PolicyChange{
		"what changes": {},
		"at most 24h":  {SessionLifetime: new(24*time.Hour + time.Second)},
		"not 0s":       {SessionLifetime: new(time.Duration(0))},
		"at most 1h":   {SessionIdle: new(2 * time.Hour)},
		"not -1m":      {SessionIdle: new(-time.Minute)},
		"no client":    {OnlyClients: []storage.ClientID{"nosuch"}},
		"there is no":  {OnlyClients: []storage.ClientID{storage.ClientID(theirs.ID)}},
		"both":         {OnlyClients: []storage.ClientID{storage.ClientID(theirs.ID)}, AllClients: true},
	} {
		if text := wrong(t, second(d.SetTenantPolicy(t.Context(), "acme", change))); !strings.Contains(text, word) {
			t.Errorf("%q does not say %q", text, word)
		}
	}
	wrong(t, second(d.SetTenantPolicy(t.Context(), "nosuch", directory.PolicyChange{AllClients: true})))
}
