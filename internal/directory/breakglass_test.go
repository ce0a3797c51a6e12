package directory_test

import (
	"strings"
	"testing"
	"time"

	"github.com/watchgate/watchgate/storage"
)

// Owners come in through the connection of people without a provider: a tenant with a
// provider may have none.
func TestBreakGlassMakesTheWayThatOwnersComeIn(t *testing.T) {
	h := newHouse(t, emptyStore(t))
	globex, err := h.dir.CreateTenant(t.Context(), "globex", "Globex")
	h.must(err)
	_, err = h.dir.OpenBreakGlass(t.Context(), "globex", time.Hour, "the provider is down")
	h.must(err)
	cons, err := h.store.Tenant(globex.ID).ListConnections(t.Context())
	if err != nil || len(cons) != 1 || cons[0].Kind != storage.Passkey {
		t.Errorf("%+v, %v", cons, err)
	}
}

func TestBreakGlassThatNobodyCouldUseIsNotOpened(t *testing.T) {
	h := newHouse(t, emptyStore(t))
	con, err := h.dir.EnsurePasskeyConnection(t.Context(), "acme")
	h.must(err)
	h.must(h.dir.SetConnectionEnabled(t.Context(), "acme", con.ID, false))
	if text := wrong(t, second(h.dir.OpenBreakGlass(t.Context(), "acme", time.Hour, "the provider is down"))); !strings.Contains(text, "is disabled") {
		t.Error(text)
	}
	if got, err := h.dir.Tenant(t.Context(), "acme"); err != nil || !got.Policy.BreakGlassUntil.IsZero() {
		t.Errorf("%+v, %v", got.Policy, err)
	}
}
